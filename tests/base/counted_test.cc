// Counts as people write them.
#include "copier/base/counted.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(Counted, GroupsDigitsByThree) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(Counted, OneIsNotMany) {
  EXPECT_EQ(rows_text(0), "0 rows");
  EXPECT_EQ(rows_text(1), "1 row");
  EXPECT_EQ(rows_text(1234), "1,234 rows");
  EXPECT_EQ(counted(1, "row differs", "rows differ"), "1 row differs");
  EXPECT_EQ(counted(2, "row differs", "rows differ"), "2 rows differ");
}

}  // namespace
}  // namespace pgfanout
