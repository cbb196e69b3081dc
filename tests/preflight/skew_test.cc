#include "copier/preflight/skew.h"

#include <gtest/gtest.h>

#include <vector>

namespace pgfanout {
namespace {

using Leaves = std::vector<std::uint32_t>;
constexpr std::uint32_t kNone = UINT32_MAX;

TEST(SkewTest, LargestOverMean) {
  const SkewEstimate skew = estimate_skew(4, Leaves{0, 1, 1, 1, 2, 3, 3, 1}, {});
  EXPECT_EQ(skew.rows, 8U);
  EXPECT_DOUBLE_EQ(skew.by_rows, 2.0);
  EXPECT_DOUBLE_EQ(skew.by_bytes, 0);
  EXPECT_EQ(skew.largest, 1U);
  EXPECT_DOUBLE_EQ(skew.largest_share, 0.5);
}

TEST(SkewTest, BytesCountByThemselves) {
  const SkewEstimate skew = estimate_skew(2, Leaves{0, 1}, std::vector<std::uint64_t>{300, 100});
  EXPECT_DOUBLE_EQ(skew.by_rows, 1.0);
  EXPECT_DOUBLE_EQ(skew.by_bytes, 1.5);
}

TEST(SkewTest, RowsWithoutLeafAreCountedApart) {
  const SkewEstimate skew = estimate_skew(2, Leaves{0, 1, kNone, kNone, kNone, kNone}, {});
  EXPECT_EQ(skew.rows, 2U);
  EXPECT_EQ(skew.without_leaf, 4U);
  EXPECT_DOUBLE_EQ(skew.by_rows, 1.0);
}

TEST(SkewTest, SmallSamplesExcuseMuch) {
  const SkewEstimate none = estimate_skew(100, {}, {});
  EXPECT_EQ(none.rows, 0U);
  EXPECT_DOUBLE_EQ(none.by_rows, 0);
  Leaves even;
  for (std::uint32_t at = 0; at < 100'000; ++at) even.push_back(at % 100);
  EXPECT_LT(estimate_skew(100, even, {}).by_chance, 1.1);
  even.resize(500);
  EXPECT_GT(estimate_skew(100, even, {}).by_chance, 2.0);
}

}  // namespace
}  // namespace pgfanout
