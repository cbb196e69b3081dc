// Rates and shares from counters that are looked at again and again.
#include "copier/report/live/live_figures.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

Figures figures(std::uint64_t rows, std::uint64_t source = 0, std::uint64_t work = 0) {
  Figures now;
  now.rows_read = rows;
  now.source_wait_ns = source;
  now.work_ns = work;
  return now;
}

TEST(LiveFigures, RatesAreOneASecondFromTheFirstRowOn) {
  LiveFigures live;
  for (int tick = 0; tick <= 20; ++tick) live.add(tick * 0.25, figures(0));
  EXPECT_TRUE(live.rates().empty());
  for (int tick = 21; tick <= 32; ++tick) {
    live.add(tick * 0.25, figures(25 * static_cast<std::uint64_t>(tick - 20)));
  }
  ASSERT_EQ(live.rates().size(), 3U);
  EXPECT_DOUBLE_EQ(live.rates().back(), 100);
}

TEST(LiveFigures, ACountThatBeginsAnewIsNoRate) {
  LiveFigures live;
  live.add(1, figures(100));
  live.add(2, figures(10));
  live.add(3, figures(30));
  EXPECT_EQ(live.rates(), (std::vector<double>{100, 0, 20}));
}

TEST(LiveFigures, SharesAreOfTheLastSeconds) {
  LiveFigures live;
  EXPECT_FALSE(live.shares());
  live.add(0, figures(0));
  live.add(1, figures(0));
  EXPECT_FALSE(live.shares()) << "nothing was counted";
  live.add(2, figures(0, 300, 100));
  ASSERT_TRUE(live.shares());
  EXPECT_DOUBLE_EQ(live.shares()->source, 75);
  EXPECT_DOUBLE_EQ(live.shares()->work, 25);
  live.add(30, figures(0, 300, 100));
  live.add(60, figures(0, 300, 200));
  EXPECT_DOUBLE_EQ(live.shares()->work, 100) << "what was long ago does not count";
}

TEST(ShowFigures, ExpectsWhatEarlierCallsCommittedAsWell) {
  Figures now;
  now.rows_expected = 60;
  now.rows_written = 5;
  now.leaf_rows = {20, 25};
  now.leaf_states = {LeafState::loading, LeafState::committed};
  JobView view;
  show_figures(now, view);
  EXPECT_EQ(view.rows_expected, 100U);
  ASSERT_EQ(view.leaves.size(), 2U);
  EXPECT_EQ(view.leaves[1].rows, 25U);
}

}  // namespace
}  // namespace pgfanout
