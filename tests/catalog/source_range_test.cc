#include "copier/catalog/source_range.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace pgfanout {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;

/// Ranges of each leaf by first block; together they must cover every block once.
void expect_cover(const std::vector<LeafSize>& leaves, const std::vector<SourceRange>& ranges) {
  std::map<std::uint32_t, std::map<std::uint64_t, SourceRange>> by_leaf;
  for (const SourceRange& range : ranges) {
    EXPECT_TRUE(by_leaf[range.leaf].emplace(range.first_block, range).second)
        << "two ranges begin at block " << range.first_block << " of leaf " << range.leaf;
  }
  ASSERT_EQ(by_leaf.size(), leaves.size());
  for (const auto& [leaf, pieces] : by_leaf) {
    std::uint64_t next = 0;
    std::uint64_t bytes = 0;
    bool is_open = false;
    for (const auto& [first, range] : pieces) {
      EXPECT_FALSE(is_open) << "something follows the last range of leaf " << leaf;
      EXPECT_EQ(first, next) << "leaf " << leaf;
      bytes += range.estimated_bytes;
      is_open = !range.end_block;
      if (range.end_block) {
        EXPECT_GT(*range.end_block, first);
        next = *range.end_block;
      }
    }
    EXPECT_TRUE(is_open) << "the last range of leaf " << leaf << " has an end";
    EXPECT_EQ(bytes, leaves[leaf].total_bytes);
  }
}

TEST(CutRangesTest, SmallLeavesStayWhole) {
  const std::vector<LeafSize> leaves = {{10, 80 * 1024}, {0, 0}, {1, 8192}};
  const auto ranges = cut_ranges(leaves, kMiB);
  expect_cover(leaves, ranges);
  EXPECT_EQ(ranges.size(), 3U);
  for (const SourceRange& range : ranges)
    EXPECT_EQ(range_condition(range), " WHERE ctid OPERATOR(pg_catalog.>=) '(0,0)'");
}

TEST(CutRangesTest, OneHugeLeafIsSplit) {
  const std::vector<LeafSize> leaves = {{128, kMiB}, {128 * 1024, 1024 * kMiB}};
  const auto ranges = cut_ranges(leaves, 32 * kMiB);
  expect_cover(leaves, ranges);
  EXPECT_EQ(ranges.size(), 33U);
}

TEST(CutRangesTest, ToastCounts) {
  // 3 GB of heap that has 900 GB behind it.
  const std::vector<LeafSize> leaves = {{393216, 903ULL << 30U}};
  const auto ranges = cut_ranges(leaves, 32 * kMiB);
  expect_cover(leaves, ranges);
  EXPECT_EQ(ranges.size(), 28896U);
}

TEST(CutRangesTest, NeverMoreRangesThanBlocks) {
  const std::vector<LeafSize> leaves = {{3, 1ULL << 40U}, {0, 1ULL << 40U}};
  const auto ranges = cut_ranges(leaves, kMiB);
  expect_cover(leaves, ranges);
  EXPECT_EQ(ranges.size(), 4U);
}

TEST(CutRangesTest, LargestFirst) {
  const auto ranges = cut_ranges({{10, 1000}, {10, 5000}, {10, 3000}}, 1500);
  for (std::size_t at = 1; at < ranges.size(); ++at) {
    EXPECT_GE(ranges[at - 1].estimated_bytes, ranges[at].estimated_bytes);
  }
}

TEST(CutRangesTest, ZeroRangeBytesMeansWholeLeaves) {
  EXPECT_EQ(cut_ranges({{1000, 8192000}}, 0).size(), 1U);
}

TEST(CutRangesTest, NoLeavesNoRanges) {
  EXPECT_TRUE(cut_ranges({}, kMiB).empty());
}

TEST(CutRangesTest, CoversWhateverTheSizes) {
  std::mt19937_64 random(20240229);
  for (int round = 0; round < 300; ++round) {
    std::vector<LeafSize> leaves(1 + random() % 8);
    for (LeafSize& leaf : leaves) {
      leaf.blocks = random() % 200;
      leaf.total_bytes = leaf.blocks * 8192 + random() % 3 * (random() % 1000000);
    }
    expect_cover(leaves, cut_ranges(leaves, 1 + random() % 300000));
  }
}

TEST(RangeConditionTest, NamesPagesByTheirFirstLine) {
  EXPECT_EQ(range_condition({0, 0, 16, 0}),
            " WHERE ctid OPERATOR(pg_catalog.>=) '(0,0)' AND ctid OPERATOR(pg_catalog.<) '(16,0)'");
  EXPECT_EQ(
      range_condition({0, 16, 32, 0}),
      " WHERE ctid OPERATOR(pg_catalog.>=) '(16,0)' AND ctid OPERATOR(pg_catalog.<) '(32,0)'");
  EXPECT_EQ(range_condition({0, 32, std::nullopt, 0}),
            " WHERE ctid OPERATOR(pg_catalog.>=) '(32,0)'");
  EXPECT_EQ(range_condition({0, 0, std::nullopt, 0}),
            " WHERE ctid OPERATOR(pg_catalog.>=) '(0,0)'");
}

TEST(CutRangesTest, FollowTheNumberOfReaders) {
  const std::vector<LeafSize> leaves = {{1U << 17U, 1ULL << 30U}};
  EXPECT_EQ(cut_ranges_for(leaves, 2).size(), 32U);  // 16 a reader.
  EXPECT_EQ(cut_ranges_for(leaves, 0).size(), 32U);  // No range is larger than 32 MiB.
  EXPECT_EQ(cut_ranges_for({{256, 2ULL << 20U}}, 100).size(), 2U);  // None is smaller than 1 MiB.
}

}  // namespace
}  // namespace pgfanout
