#include "copier/window/query_checks.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(QueryChecks, PercentileIsTheNearestRank) {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_EQ(percentile(values, 0.50), 5);
  EXPECT_EQ(percentile(values, 0.95), 10);
  EXPECT_EQ(percentile(values, 0.90), 9);
  EXPECT_EQ(percentile({7}, 0.99), 7);
  EXPECT_EQ(percentile({}, 0.5), 0);
}

}  // namespace
}  // namespace pgfanout
