#include "copier/layout/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgfanout {
namespace {

TEST(LayoutTest, ColumnsAreReadAsTheServerReadsNames) {
  const auto by = parse_partition_by(" hash ( ID, \"A, \"\"b\"\" (\" )");
  ASSERT_TRUE(by) << by.error().message;
  EXPECT_EQ(by->strategy, 'h');
  EXPECT_EQ(by->columns, (std::vector<std::string>{"id", "A, \"b\" ("}));
}

TEST(LayoutTest, OtherTextIsRefused) {
  for (const char* text : {"", "HASH", "HASH ()", "HASH (a, a)", "HASH (a, \"a\")", "LIST (a, b)",
                           "RANGE (lower(a))", "BRIN (a)", "LIST (a COLLATE \"C\")"}) {
    const auto by = parse_partition_by(text);
    ASSERT_FALSE(by) << text;
    EXPECT_EQ(by.error().code, "usage");
    EXPECT_THAT(by.error().message, ::testing::HasSubstr("is no layout"));
  }
}

}  // namespace
}  // namespace pgfanout
