// The live line at every width, the plain line, rates.
#include "copier/report/live/progress_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using testing::HasSubstr;
using testing::Not;

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

}  // namespace
}  // namespace pgfanout
