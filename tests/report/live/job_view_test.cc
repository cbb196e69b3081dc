// The live view at every size: it never leaves the terminal's bounds, and shows what it must.
#include "copier/report/live/job_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "copier/report/live/live_screen.h"
#include "copier/report/text/text.h"

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
  view.on_interrupt = "stops at once; the same command copies again what is not committed";
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

ProgressSnapshot half_way() {
  ProgressSnapshot now;
  now.stage = "copy";
  now.stage_seconds = 62;
  now.bytes = 500'000'000;
  now.bytes_expected = 1'000'000'000;
  now.is_estimate = true;
  now.rows = 1'234'567;
  now.rows_rejected = 3;
  now.leaves_total = 100;
  now.leaves_committed = 7;
  now.resident_bytes = 212'000'000;
  now.rows_per_second = 214'000.4;
  now.bytes_per_second = 118'000'000;
  return now;
}

Screen screen_of(unsigned width, bool unicode = false, bool color = false) {
  return {width, unicode, color};
}

TEST(LiveLine, NeverReachesTheLastColumn) {
  for (unsigned width = 0; width <= 300; ++width) {
    for (const bool unicode : {false, true}) {
      for (ProgressSnapshot now : {half_way(), ProgressSnapshot{}}) {
        const std::string line = live_line(now, screen_of(width, unicode));
        EXPECT_LT(columns_of(line), std::max(width, 1U)) << width << ": " << line;
        now.stage = "a stage with a very long name indeed";
        EXPECT_LT(columns_of(live_line(now, screen_of(width, unicode))), std::max(width, 1U));
      }
    }
  }
}

TEST(LiveLine, LeavesOutWhatMattersLess) {
  const ProgressSnapshot now = half_way();
  EXPECT_EQ(live_line(now, screen_of(10)), "copy");
  EXPECT_EQ(live_line(now, screen_of(20)), "copy   50 %  1:02");
  EXPECT_EQ(live_line(now, screen_of(30)), "copy   50 %  ETA 0:04  1:02");
  EXPECT_EQ(live_line(now, screen_of(40)), "copy   50 %  1,234,567 rows  ETA 0:04");
  EXPECT_EQ(live_line(now, screen_of(60)),
            "copy   50 %  1,234,567 rows  3 rejected  ETA 0:04  1:02");
  EXPECT_EQ(live_line(now, screen_of(80)),
            "copy  [#####.....]   50 %  1,234,567 rows  3 rejected  214,000 rows/s  ETA 0:04");
  EXPECT_EQ(live_line(now, screen_of(100)),
            "copy  [######......]   50 %  1,234,567 rows  3 rejected  214,000 rows/s  118.0 MB/s  "
            "ETA 0:04  1:02");
  EXPECT_EQ(live_line(now, screen_of(200)),
            "copy  [####################....................]   50 %  1,234,567 rows  3 rejected  "
            "214,000 rows/s  118.0 MB/s  ETA 0:04  1:02  7/100 leaves  mem 212.0 MB");
}

TEST(LiveLine, DrawsEighthsWhereTheTerminalCan) {
  ProgressSnapshot now;
  now.stage = "copy";
  now.bytes_expected = 1000;
  now.bytes = 16;
  EXPECT_THAT(live_line(now, screen_of(28, true)), HasSubstr("[▏           ]"));
  now.bytes = 1000;
  EXPECT_THAT(live_line(now, screen_of(28, true)), HasSubstr("[████████████]  100 %"));
}

TEST(LiveLine, ColoursOnlyOnRequest) {
  EXPECT_THAT(live_line(half_way(), screen_of(200)), Not(HasSubstr("\x1b")));
  EXPECT_THAT(live_line(half_way(), screen_of(200, true, true)), HasSubstr("\x1b[36m"));
}

TEST(LiveLine, AStageWithoutFiguresShowsItsTime) {
  ProgressSnapshot now;
  now.stage = "prepare";
  now.stage_seconds = 3.2;
  EXPECT_EQ(live_line(now, screen_of(80)), "prepare  0:03");
}

TEST(LiveLine, CountsSteps) {
  ProgressSnapshot now;
  now.stage = "index";
  now.stage_seconds = 3.2;
  now.steps_done = 34;
  now.steps_total = 1700;
  EXPECT_EQ(live_line(now, screen_of(80)), "index  34/1,700 steps  0:03");
  EXPECT_EQ(live_line(now, screen_of(15)), "index  0:03");
  EXPECT_EQ(plain_line(now), "index: 34/1,700 steps, 0:03 so far");
  now.build_blocks_done = 45;
  now.build_blocks_total = 100;
  EXPECT_EQ(plain_line(now), "index: 34/1,700 steps (builds at 45 %), 0:03 so far");
  now.build_blocks_done = 300;
  EXPECT_EQ(plain_line(now), "index: 34/1,700 steps (builds at 100 %), 0:03 so far");
}

TEST(LiveLine, SaysThatItIsStopping) {
  ProgressSnapshot now = half_way();
  now.is_stopping = true;
  EXPECT_THAT(live_line(now, screen_of(80)), testing::StartsWith("stopping  "));
}

TEST(Percent, AnEstimateWaitsBelowAHundred) {
  ProgressSnapshot now = half_way();
  now.bytes = 2'000'000'000;
  EXPECT_EQ(percent_of(now), 99U);
  now.is_estimate = false;
  EXPECT_EQ(percent_of(now), 100U);
  now.bytes_expected = 0;
  EXPECT_EQ(percent_of(now), std::nullopt);
}

TEST(SecondsLeft, IsSilentWhereNobodyKnows) {
  ProgressSnapshot now = half_way();
  EXPECT_NEAR(seconds_left(now).value(), 500.0 / 118.0, 1e-9);
  now.bytes_per_second = 0;
  EXPECT_FALSE(seconds_left(now));
  now = half_way();
  now.bytes = now.bytes_expected + 1;
  EXPECT_FALSE(seconds_left(now));
  now.bytes = 0;
  EXPECT_FALSE(seconds_left(now));
}

TEST(PlainLine, SaysTheSameInWords) {
  EXPECT_EQ(plain_line(half_way()),
            "copy: 50 %, 1,234,567 rows, 3 rejected, 214,000 rows/s, 118.0 MB/s, 1:02 so far, "
            "ETA 0:04");
  ProgressSnapshot now;
  now.stage = "attach";
  now.is_stopping = true;
  EXPECT_EQ(plain_line(now), "attach: stopping, 0:00 so far");
}

TEST(StageLine, TellsHowItEnded) {
  StageSummary stage;
  stage.name = "copy";
  stage.seconds = 2;
  EXPECT_EQ(stage_line(stage, 1'000'000, 586'000'000),
            "copy: done in 2.00 s, 1,000,000 rows, 586.0 MB, 500,000 rows/s, 293.0 MB/s");
  stage.status = "failed";
  EXPECT_EQ(stage_line(stage, 0, 0), "copy: failed after 2.00 s");
  stage.seconds = 0;
  EXPECT_EQ(stage_line(stage, 1, 10), "copy: failed after 0.00 s, 1 row, 10 B");
}

TEST(Rates, CoverTheLastTenSeconds) {
  RateWindow rates;
  EXPECT_EQ(rates.rows_per_second(), 0);
  rates.add(0, 0, 0);
  EXPECT_EQ(rates.bytes_per_second(), 0);
  for (unsigned second = 1; second <= 20; ++second) rates.add(second, 100U * second, 0);
  EXPECT_DOUBLE_EQ(rates.rows_per_second(), 100);
  for (unsigned second = 21; second <= 40; ++second) rates.add(second, 2000, second - 20U);
  EXPECT_DOUBLE_EQ(rates.rows_per_second(), 0);
  EXPECT_DOUBLE_EQ(rates.bytes_per_second(), 1);
  rates.restart();
  EXPECT_EQ(rates.bytes_per_second(), 0);
}

TEST(RateSeries, RatesAreOneASecondFromTheFirstRowOn) {
  RateSeries live;
  for (int tick = 0; tick <= 20; ++tick) live.add(tick * 0.25, 0, 1);
  EXPECT_TRUE(live.rates().empty());
  for (int tick = 21; tick <= 32; ++tick) {
    live.add(tick * 0.25, 25 * static_cast<std::uint64_t>(tick - 20), 1);
  }
  ASSERT_EQ(live.rates().size(), 3U);
  EXPECT_DOUBLE_EQ(live.rates().back(), 100);
}

TEST(RateSeries, ACountThatBeginsAnewIsNoRate) {
  RateSeries live;
  live.add(1, 100, 1);
  live.add(2, 10, 1);
  live.add(3, 30, 1);
  EXPECT_EQ(live.rates(), (std::vector<double>{100, 0, 20}));
}

}  // namespace
}  // namespace pgfanout
