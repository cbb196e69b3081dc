#include "copier/preflight/skew.h"

#include <gtest/gtest.h>

#include <vector>

namespace pgfanout {
namespace {

LeafMap map_of(std::int64_t leaves) {
  std::vector<ListBound> bounds;
  for (std::int64_t key = 0; key < leaves; ++key) bounds.push_back({false, false, {key}});
  return LeafMap(bounds);
}

std::vector<KeyOutcome> keys(std::initializer_list<std::int64_t> values) {
  std::vector<KeyOutcome> made;
  for (const std::int64_t value : values) made.push_back({KeyState::ok, value});
  return made;
}

TEST(SkewTest, LargestOverMean) {
  const SkewEstimate skew = estimate_skew(map_of(4), keys({0, 1, 1, 1, 2, 3, 3, 1}), {});
  EXPECT_EQ(skew.rows, 8U);
  EXPECT_DOUBLE_EQ(skew.by_rows, 2.0);
  EXPECT_DOUBLE_EQ(skew.by_bytes, 0);
  EXPECT_EQ(skew.largest, 1U);
  EXPECT_DOUBLE_EQ(skew.largest_share, 0.5);
}

TEST(SkewTest, BytesCountByThemselves) {
  const SkewEstimate skew =
      estimate_skew(map_of(2), keys({0, 1}), std::vector<std::uint64_t>{300, 100});
  EXPECT_DOUBLE_EQ(skew.by_rows, 1.0);
  EXPECT_DOUBLE_EQ(skew.by_bytes, 1.5);
}

TEST(SkewTest, RowsWithoutLeafAreCountedApart) {
  std::vector<KeyOutcome> some = keys({0, 1, 7, -1});
  some.push_back({KeyState::null, 0});
  some.push_back({KeyState::out_of_range, 0});
  const SkewEstimate skew = estimate_skew(map_of(2), some, {});
  EXPECT_EQ(skew.rows, 2U);
  EXPECT_EQ(skew.without_leaf, 4U);
  EXPECT_DOUBLE_EQ(skew.by_rows, 1.0);
}

TEST(SkewTest, SmallSamplesExcuseMuch) {
  const SkewEstimate none = estimate_skew(map_of(100), {}, {});
  EXPECT_EQ(none.rows, 0U);
  EXPECT_DOUBLE_EQ(none.by_rows, 0);
  std::vector<KeyOutcome> even;
  for (std::int64_t at = 0; at < 100'000; ++at) even.push_back({KeyState::ok, at % 100});
  EXPECT_LT(estimate_skew(map_of(100), even, {}).by_chance, 1.1);
  even.resize(500);
  EXPECT_GT(estimate_skew(map_of(100), even, {}).by_chance, 2.0);
}

}  // namespace
}  // namespace pgfanout
