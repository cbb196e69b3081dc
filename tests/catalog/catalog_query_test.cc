#include "copier/catalog/catalog_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(CatalogQueryTest, VectorsOfNumbersAreReadToTheirEnd) {
  EXPECT_THAT(numbers_in<int>("1 -2 30"), ElementsAre(1, -2, 30));
  EXPECT_THAT(numbers_in<std::uint32_t>("4294967295"), ElementsAre(4294967295U));
  EXPECT_THAT(numbers_in<std::int16_t>(""), IsEmpty());
  EXPECT_THAT(numbers_in<std::int16_t>("1 x 2"), ElementsAre(1));
  EXPECT_THAT(numbers_in<std::int16_t>("1 70000"), ElementsAre(1));
}

}  // namespace
}  // namespace pgfanout
