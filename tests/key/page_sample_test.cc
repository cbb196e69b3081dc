#include "copier/key/page_sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace pgfanout {
namespace {

Table table_of(const std::vector<LeafSize>& sizes) {
  Table table;
  for (const LeafSize& size : sizes) {
    Leaf leaf;
    leaf.qualified = "leaf_" + std::to_string(table.leaves.size());
    leaf.blocks = size.blocks;
    leaf.total_bytes = size.total_bytes;
    table.leaves.push_back(leaf);
  }
  return table;
}

TEST(PageSampleTest, EveryPageOfASmallTable) {
  std::mt19937_64 random(1);
  auto pages = draw_pages(table_of({{3, 1}, {0, 0}, {2, 1}}), 100, random);
  std::sort(pages.begin(), pages.end());
  const std::vector<SampledPage> all = {{0, 0}, {0, 1}, {0, 2}, {2, 0}, {2, 1}};
  EXPECT_EQ(pages, all);
}

TEST(PageSampleTest, PagesOfALargeTableAreDistinctAndFollowTheLeavesSizes) {
  std::mt19937_64 random(1);
  const auto pages = draw_pages(table_of({{1'000'000, 1}, {0, 0}, {9'000'000, 1}}), 1000, random);
  EXPECT_EQ(std::set<SampledPage>(pages.begin(), pages.end()).size(), 1000U);
  std::map<std::uint32_t, int> of_leaf;
  for (const SampledPage& page : pages) ++of_leaf[page.leaf];
  EXPECT_NEAR(of_leaf[0], 100, 50);
  EXPECT_EQ(of_leaf[1], 0);
  EXPECT_NEAR(of_leaf[2], 900, 50);
}

TEST(PageSampleTest, PiecesOfASmallTableCoverIt) {
  std::mt19937_64 random(1);
  const auto pieces = draw_pieces(table_of({{100, 1000}, {0, 0}, {10, 5000}}), 100, 1000, random);
  std::uint64_t bytes = 0;
  for (const SourceRange& piece : pieces) bytes += piece.estimated_bytes;
  EXPECT_EQ(bytes, 6000U);
  EXPECT_EQ(pieces.size(), 20U);
}

TEST(PageSampleTest, PiecesOfALargeTableStayWithinIt) {
  std::mt19937_64 random(1);
  // The second leaf is nearly all TOAST: a page of it stands for a megabyte.
  const Table table = table_of({{1'000'000, 8'192'000'000}, {1000, 1'000'000'000}});
  const auto pieces = draw_pieces(table, 2'000'000, 500, random);
  EXPECT_EQ(pieces.size(), 500U);
  for (const SourceRange& piece : pieces) {
    ASSERT_TRUE(piece.end_block);
    EXPECT_LT(piece.first_block, *piece.end_block);
    EXPECT_LE(*piece.end_block, table.leaves[piece.leaf].blocks);
    EXPECT_LE(piece.estimated_bytes, 2'000'000U);
    EXPECT_GT(piece.estimated_bytes, 0U);
    if (piece.leaf == 1) {
      EXPECT_LE(*piece.end_block - piece.first_block, 2U);
    }
  }
}

}  // namespace
}  // namespace pgfanout
