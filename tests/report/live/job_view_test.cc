// The live view at every size: it never leaves the terminal's bounds, and shows what it must.
#include "copier/report/live/job_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "copier/report/live/leaf_grid.h"
#include "copier/report/live/live_screen.h"

namespace pgfanout {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Screen screen(unsigned width, unsigned height, bool unicode = true, bool color = false) {
  Screen screen;
  screen.width = width;
  screen.height = height;
  screen.unicode = unicode;
  screen.color = color;
  return screen;
}

ThresholdState threshold(Measure measure, double limit, std::optional<double> value) {
  ThresholdState state;
  state.measure = measure;
  state.limit = limit;
  state.value = value;
  return state;
}

/// A copy in the middle of a window, with everything that can be shown.
JobView example(std::size_t leaves = 100) {
  JobView view;
  view.command = "run";
  view.job = "20261121T111434-8103";
  view.source = "public.chunks";
  view.target = "public.chünks_new";
  view.seconds = 83;
  view.stages = {{"preflight", JobView::StageState::done, 0.31},
                 {"prepare", JobView::StageState::done, {}},
                 {"copy", JobView::StageState::running, 42.0},
                 {"index"},
                 {"constraints"},
                 {"analyze"},
                 {"verify"},
                 {"swap"}};
  view.now.stage = "copy/copy";
  view.now.stage_seconds = 42;
  view.now.bytes = 420'000'000;
  view.now.bytes_expected = 1'000'000'000;
  view.now.rows = 421'337;
  view.now.rows_per_second = 10'031;
  view.now.bytes_per_second = 10'000'000;
  view.now.resident_bytes = 183'000'000;
  for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
    view.leaves.push_back({static_cast<LeafState>(leaf % 6), 4000 + leaf});
  }
  view.rows_expected = 10'000 * leaves;
  for (int second = 0; second < 300; ++second) view.rates.push_back(9000 + 10 * (second % 60));
  view.readers = 2;
  view.readers_busy = 2;
  view.writers = 8;
  view.writers_busy = 3;
  view.memory_used = 120'000'000;
  view.memory_budget = 268'435'456;
  view.shares = JobView::Shares{62, 30, 5, 3};
  view.waits = {{"source", "IO/DataFileRead", 1}, {"source", "cpu", 2}, {"target", "LWLock/x", 3}};
  view.thresholds = {threshold(Measure::cpu, 80, 91), threshold(Measure::memory, 90, 41),
                     threshold(Measure::replica_lag, 30, {})};
  view.thresholds[0].is_crossed = true;
  view.thresholds[0].action = WatchAction::slow;
  view.speed = Speed::slow;
  view.deadline = DeadlineState();
  view.deadline->outlook = DeadlineState::Outlook::close;
  view.last_issue = "a warning\nof two lines \x1b[31m with a code";
  view.on_interrupt = "stops at once; the same command copies what is not committed anew";
  return view;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

std::string shown(const JobView& view, const Screen& on) {
  return joined(job_view_lines(view, on));
}

TEST(JobViewLines, StayWithinEveryScreen) {
  const JobView view = example();
  for (unsigned width = 1; width <= 200; width += width < 90 ? 3 : 37) {
    for (unsigned height = 1; height <= 60; height += height < 30 ? 2 : 19) {
      for (const bool color : {false, true}) {
        const auto lines = job_view_lines(view, screen(width, height, true, color));
        EXPECT_LE(lines.size(), std::max(1U, height - 1)) << width << "x" << height;
        for (const std::string& line : lines) {
          EXPECT_LE(columns_shown(line), std::max(1U, width - 1)) << width << "x" << height << line;
        }
      }
    }
  }
}

TEST(JobViewLines, ShowAllOfItOn80x24) {
  EXPECT_THAT(shown(example(), screen(80, 24)),
              AllOf(HasSubstr("pgfanout run 20261121T111434-8103"), HasSubstr("public.chunks → "),
                    HasSubstr("  1:23\n"), HasSubstr("42 %"), HasSubstr("421,337 rows"),
                    HasSubstr("✓ preflight   0.31 s"), HasSubstr("✓ prepare     earlier"),
                    HasSubstr("▸ copy        0:42"), HasSubstr("· constraints"),
                    HasSubstr("readers 2/2  lanes 3/8  slowed down"),
                    HasSubstr("rows 120.0 MB of 268.4 MB"), HasSubstr("process 183.0 MB"),
                    HasSubstr("source 62 %  work 30 %  target 5 %  held 3 %")));
  EXPECT_THAT(shown(example(), screen(80, 24)),
              AllOf(HasSubstr("source cpu 2, IO/DataFileRead 1"), HasSubstr("target LWLock/x 3"),
                    HasSubstr("cpu 91 %/80 % slow"), HasSubstr("memory 41 %/90 % warn"),
                    HasSubstr("replica_lag not measured"), HasSubstr("it will be close"),
                    HasSubstr("5:00, most "), HasSubstr("issue  a warning"),
                    HasSubstr("Ctrl-C stops at once; the same"), HasSubstr("V verified")));
}

TEST(JobViewLines, KeepWhatMattersOnTheSmallestScreen) {
  const auto lines = job_view_lines(example(), screen(40, 8));
  EXPECT_GT(lines.size(), 3U);
  EXPECT_THAT(joined(lines),
              AllOf(HasSubstr("42 %"), HasSubstr("Ctrl-C stops"), HasSubstr("pgfanout run")));
  EXPECT_EQ(job_view_lines(example(), screen(39, 24)).size(), 1U);
  EXPECT_EQ(job_view_lines(example(), screen(80, 7)).size(), 1U);
}

TEST(JobViewLines, AreAsciiWhereAsked) {
  for (const char byte : shown(example(), screen(80, 24, false))) {
    EXPECT_LT(static_cast<unsigned char>(byte), 0x80U);
  }
}

TEST(JobViewLines, HaveEscapeCodesOnlyInColor) {
  EXPECT_THAT(shown(example(), screen(80, 24)), Not(HasSubstr("\x1b")));
  EXPECT_THAT(shown(example(), screen(80, 24, true, true)), HasSubstr("\x1b[32m"));
}

TEST(JobViewLines, OfAnEmptyJobAreFew) {
  JobView view;
  view.command = "copy";
  EXPECT_LE(job_view_lines(view, screen(80, 24)).size(), 3U);
}

TEST(LeafGrid, HundredLeavesAreTenByTen) {
  const GridShape shape = grid_shape(100, 10, 10);
  EXPECT_EQ(shape.rows, 10U);
  EXPECT_EQ(shape.columns, 10U);
  EXPECT_EQ(shape.leaves_a_cell, 1U);
}

TEST(LeafGrid, HasRoomForAnyNumberOfLeaves) {
  for (const std::size_t leaves : {1U, 2U, 16U, 17U, 99U, 101U, 1000U, 10'000U}) {
    for (std::size_t rows = 1; rows <= 10; ++rows) {
      const GridShape shape = grid_shape(leaves, rows, 10);
      EXPECT_LE(shape.rows, rows);
      EXPECT_LE(shape.columns, 10U);
      EXPECT_GE(shape.rows * shape.columns * shape.leaves_a_cell, leaves);
      EXPECT_LT((shape.rows - 1) * shape.columns * shape.leaves_a_cell, leaves) << "an empty row";
      EXPECT_EQ(grid_lines(example(leaves), shape, screen(80, 24)).size(), shape.rows);
    }
  }
  EXPECT_EQ(grid_shape(16, 10, 10).rows, 4U);
  EXPECT_EQ(grid_shape(1, 10, 10).columns, 1U);
  EXPECT_EQ(grid_shape(1000, 10, 10).leaves_a_cell, 10U);
}

TEST(LeafGrid, ACellIsAsFarAsTheLastOfItsLeaves) {
  JobView view;
  view.leaves = {{LeafState::proven, 10}, {LeafState::committed, 10}};
  const auto text = [&] { return grid_lines(view, {1, 1, 2}, screen(80, 24)).front().text(); };
  EXPECT_EQ(text(), "C ");
  view.leaves[1] = {LeafState::waiting, 0};
  EXPECT_EQ(text(), "▃ ") << "one of them has begun";
  view.rows_expected = 100;
  EXPECT_EQ(text(), "▁ ") << "10 rows of 100";
  view.leaves[0].rows = 90;
  EXPECT_EQ(text(), "▆ ");
}

}  // namespace
}  // namespace pgfanout
