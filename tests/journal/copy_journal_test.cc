// Where a copy stands, by what its leaves have.
#include "copier/journal/copy_journal.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

CopyProgress progress_with(std::uint32_t last, const std::vector<std::uint32_t>& leaves) {
  CopyProgress progress;
  for (std::uint32_t epoch = 1; epoch <= last; ++epoch) {
    progress.ranges.emplace_back().epoch = epoch;
  }
  for (const std::uint32_t epoch : leaves) progress.leaves.emplace_back().epoch = epoch;
  return progress;
}

TEST(CopyProgress, TheFirstEpochThatALeafLacksIsNext) {
  struct Case {
    std::vector<std::uint32_t> leaves;
    std::uint32_t next;
  };
  const Case cases[] = {{{0, 0, 0}, 1}, {{1, 0, 1}, 1}, {{3, 2, 3}, 3},
                        {{2, 2, 2}, 3}, {{5, 5, 5}, 6}, {{5, 4, 5}, 5}};
  for (const Case& each : cases) {
    EXPECT_EQ(progress_with(5, each.leaves).next_epoch(), each.next);
  }
}

TEST(CopyProgress, ATableWithoutRangesHasOneEpoch) {
  const CopyProgress progress = progress_with(0, {0, 0});
  EXPECT_EQ(progress.last_epoch(), 1U);
  EXPECT_EQ(progress.next_epoch(), 1U);
  EXPECT_EQ(progress_with(0, {1, 1}).next_epoch(), 2U);
}

TEST(CopyProgress, RowsOfAllLeavesCount) {
  CopyProgress progress = progress_with(2, {1, 1, 0});
  progress.leaves[0].rows.add({1, 1});
  progress.leaves[1].rows.add({1, 2});
  progress.leaves[1].rows.add({1, 2});
  EXPECT_EQ(progress.rows_committed(), 3U);
  EXPECT_EQ(progress.last_epoch(), 2U);
}

}  // namespace
}  // namespace pgfanout
