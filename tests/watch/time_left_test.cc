// How long the rest takes: measured rates, estimates, and what corrects them.
#include "copier/watch/time_left.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using std::chrono::seconds;

constexpr TimeLeft::Moment start{};
TimeLeft::Moment moment_at(int second) {
  return start + seconds(second);
}

TEST(TimeLeftTest, EstimatesHaveASpread) {
  TimeLeft left({"load", "read-back", "index"});
  EXPECT_FALSE(left.left(moment_at(0)));
  left.set_estimates({{"copy", 100, ""}, {"index", 50, ""}, {"no part of it", 9, ""}});
  const auto span = left.left(moment_at(0));
  ASSERT_TRUE(span);
  EXPECT_NEAR(span->low, 105, 0.01);
  EXPECT_NEAR(span->high, 195, 0.01);
  EXPECT_NEAR(*left.estimate_of("load"), 75, 0.01);
}

TEST(TimeLeftTest, TheRunningPartGoesByItsRate) {
  TimeLeft left({"load"});
  left.begin("load", moment_at(0));
  for (int second = 1; second <= 10; ++second) left.progress(second * 0.05, moment_at(second));
  const auto span = left.left(moment_at(10));
  ASSERT_TRUE(span);
  // Half is done in 10 s, evenly: the spread is that of a rate alone.
  EXPECT_NEAR(span->low, 9, 0.01);
  EXPECT_NEAR(span->high, 11, 0.01);
}

TEST(TimeLeftTest, ARateThatWandersWidensTheSpan) {
  TimeLeft left({"load"});
  left.begin("load", moment_at(0));
  for (int second = 1; second <= 40; ++second) left.progress(second * 0.0125, moment_at(second));
  for (int second = 41; second <= 60; ++second)
    left.progress(0.5 + (second - 40) * 0.00125, moment_at(second));
  const auto span = left.left(moment_at(60));
  ASSERT_TRUE(span);
  EXPECT_LT(span->low, 60);
  EXPECT_GT(span->high, 300);
}

TEST(TimeLeftTest, WorkThatBeginsAgainIsMeasuredAgain) {
  TimeLeft left({"load"});
  left.begin("load", moment_at(0));
  for (int second = 1; second <= 5; ++second) left.progress(second * 0.1, moment_at(second));
  left.progress(0.1, moment_at(6));
  const auto span = left.left(moment_at(6));
  ASSERT_TRUE(span);
  EXPECT_NEAR(span->low, 0.9 / (0.1 / 6) * 0.9, 0.01);
}

TEST(TimeLeftTest, WhatPartsTookCorrectsTheOthers) {
  TimeLeft left({"load", "read-back", "index"});
  left.set_estimates({{"copy", 100, ""}, {"index", 50, ""}});
  left.begin("load", moment_at(0));
  left.end("load", moment_at(150));  // Twice the 75 s of its estimate.
  const auto span = left.left(moment_at(150));
  ASSERT_TRUE(span);
  EXPECT_NEAR(span->low, 2 * 75 * 0.7, 0.01);
  EXPECT_NEAR(span->high, 2 * 75 * 1.3, 0.01);
  left.begin("index", moment_at(200));
  EXPECT_EQ(left.left_of("read-back", moment_at(200))->high, 0);
}

TEST(TimeLeftTest, WithoutEstimatesTheLoadTellsOfTheReadBack) {
  TimeLeft left({"load", "read-back"});
  left.begin("load", moment_at(0));
  EXPECT_FALSE(left.left(moment_at(1)));
  left.progress(0.25, moment_at(10));
  left.progress(0.5, moment_at(20));
  const auto span = left.left(moment_at(20));
  ASSERT_TRUE(span);
  EXPECT_GT(span->high, 22 + 40.0 / 3);
  left.end("load", moment_at(40));
  EXPECT_NEAR(left.left(moment_at(40))->low, 40.0 / 3 * 0.4, 0.01);
}

TEST(TimeLeftTest, LongerThanItsEstimateIsNotAtItsEnd) {
  TimeLeft left({"index"});
  left.set_estimates({{"index", 10, ""}});
  left.begin("index", moment_at(0));
  const auto span = left.left(moment_at(100));
  ASSERT_TRUE(span);
  EXPECT_EQ(span->low, 0);
  EXPECT_NEAR(span->high, 30, 0.01);
  left.end("index", moment_at(110));
  EXPECT_EQ(left.left(moment_at(110))->high, 0);
}

}  // namespace
}  // namespace pgfanout
