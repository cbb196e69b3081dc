// The response to crossed limits: which measure, which action, how long, and what is reported.
#include "copier/watch/limit_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace pgfanout {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using Readings = std::map<Measure, Reading>;

JobDescription job_with(std::vector<ThresholdSetting> thresholds) {
  JobDescription job;
  job.table = "public.t";
  job.watch.thresholds = std::move(thresholds);
  return job;
}

constexpr LimitWatch::Moment start{};

/// The last of so many equal looks, a second apart.
LimitWatch::Judgement after(LimitWatch& limits, int looks, const Readings& readings,
                            bool swaps = false) {
  LimitWatch::Judgement last;
  for (int look = 0; look < looks; ++look) {
    last = limits.look(readings, swaps, start + seconds(look));
  }
  return last;
}

TEST(LimitWatchTest, EveryMeasureCrossesItsLimitAndSaysSo) {
  struct Case {
    Measure measure;
    double limit;
    double fine;
    double beyond;
    int looks;  ///< Until it counts as crossed.
    const char* words;
  };
  for (const Case& each : {
           Case{Measure::cpu, 80, 80, 95, 3, "CPU of the target's host was 95 % (limit 80 %): why"},
           Case{Measure::memory, 90, 90, 91, 3,
                "memory of the target's host was 91 % (limit 90 %): why"},
           Case{Measure::errors, 1, 1, 1.5, 1,
                "share of rows set aside was 1.5 % (limit 1 %): why"},
           Case{Measure::lock_wait, 5, 5, 7, 1, "wait for a lock was 7.0 s (limit 5.0 s): why"},
           Case{Measure::replica_lag, 30, 30, 31, 3,
                "lag of a standby was 31.0 s (limit 30.0 s): why"},
           Case{Measure::disk_free, 2000, 2000, 1000, 1,
                "free disk of the target was 1.0 kB (limit 2.0 kB): why"},
           Case{Measure::checkpoints, 2, 2, 3, 1,
                "requested checkpoints was 3 a minute (limit 2 a minute): why"},
       }) {
    const JobDescription job = job_with({{each.measure, each.limit, WatchAction::stop}});
    LimitWatch limits(job);
    EXPECT_FALSE(after(limits, 5, {{each.measure, {each.fine, "fine"}}}).stop)
        << name_of(each.measure);
    EXPECT_FALSE(after(limits, each.looks - 1, {{each.measure, {each.beyond, "why"}}}).stop)
        << name_of(each.measure);
    const LimitWatch::Judgement judgement =
        after(limits, 1, {{each.measure, {each.beyond, "why"}}});
    ASSERT_TRUE(judgement.stop) << name_of(each.measure);
    EXPECT_EQ(judgement.stop->code, "threshold");
    EXPECT_EQ(judgement.stop->consequence, Consequence::interrupt);
    EXPECT_EQ(judgement.stop->message, each.words);
    EXPECT_EQ(judgement.stop->where, "public.t");
    EXPECT_THAT(judgement.stop->hint, HasSubstr("the same command goes on"));
    EXPECT_THAT(judgement.stop->hint, HasSubstr(name_of(each.measure)));
    // The rest of an epoch may need more than the free space of the disk.
    EXPECT_EQ(judgement.stops_at_once, each.measure == Measure::disk_free);
    ASSERT_EQ(judgement.changed.size(), 1U);
    EXPECT_EQ(judgement.changed[0].measure, each.measure);
    EXPECT_TRUE(judgement.changed[0].is_crossed);
    EXPECT_EQ(judgement.states.size(), kMeasures.size());
  }
}

TEST(LimitWatchTest, EveryActionHasItsEffect) {
  struct Case {
    WatchAction action;
    bool is_crossed;
    bool stops;
    double share;
  };
  for (const Case& each : {
           Case{WatchAction::off, false, false, 1},
           Case{WatchAction::warn, true, false, 1},
           Case{WatchAction::slow, true, false, 0.5},
           Case{WatchAction::pause, true, false, 0},
           Case{WatchAction::stop, true, true, 1},
       }) {
    const JobDescription job = job_with({{Measure::lock_wait, 5, each.action}});
    LimitWatch limits(job);
    const LimitWatch::Judgement judgement = after(limits, 1, {{Measure::lock_wait, {6, ""}}});
    EXPECT_EQ(judgement.changed.size(), each.is_crossed ? 1U : 0U) << name_of(each.action);
    EXPECT_EQ(judgement.stop.has_value(), each.stops) << name_of(each.action);
    EXPECT_FALSE(judgement.stops_at_once) << name_of(each.action);
    EXPECT_EQ(judgement.share, each.share) << name_of(each.action);
    EXPECT_EQ(limits.crossings().size(), each.is_crossed ? 1U : 0U) << name_of(each.action);
  }
}

TEST(LimitWatchTest, TheStrongestActionOfSeveralCounts) {
  const JobDescription job = job_with({{Measure::lock_wait, 5, WatchAction::slow},
                                       {Measure::checkpoints, 2, WatchAction::pause},
                                       {Measure::disk_free, 1000, WatchAction::stop}});
  LimitWatch limits(job);
  Readings readings = {{Measure::lock_wait, {6, ""}}};
  EXPECT_EQ(after(limits, 1, readings).share, 0.5);
  readings[Measure::checkpoints] = {3, ""};
  EXPECT_EQ(after(limits, 1, readings).share, 0);
  readings[Measure::disk_free] = {999, ""};
  const LimitWatch::Judgement judgement = after(limits, 1, readings);
  ASSERT_TRUE(judgement.stop);
  EXPECT_THAT(judgement.stop->message, HasSubstr("free disk"));
  EXPECT_TRUE(judgement.stops_at_once);
}

TEST(LimitWatchTest, NothingHoldsUpASwap) {
  for (const WatchAction action : {WatchAction::slow, WatchAction::pause, WatchAction::stop}) {
    const JobDescription job = job_with({{Measure::lock_wait, 5, action}});
    LimitWatch limits(job);
    const LimitWatch::Judgement judgement = after(limits, 3, {{Measure::lock_wait, {6, ""}}}, true);
    EXPECT_FALSE(judgement.stop) << name_of(action);
    EXPECT_EQ(judgement.share, 1) << name_of(action);
    EXPECT_EQ(limits.crossings().size(), 1U) << "it is told all the same";
  }
}

TEST(LimitWatchTest, APauseThatLastsTooLongStopsTheJob) {
  const JobDescription job = job_with({{Measure::lock_wait, 5, WatchAction::pause}});
  LimitWatch limits(job);
  const Readings readings = {{Measure::lock_wait, {6, ""}}};
  EXPECT_FALSE(limits.look(readings, false, start).stop);
  EXPECT_FALSE(limits.look(readings, false, start + minutes(30)).stop);
  const LimitWatch::Judgement judgement =
      limits.look(readings, false, start + minutes(30) + seconds(1));
  ASSERT_TRUE(judgement.stop);
  EXPECT_EQ(judgement.stop->code, "threshold");
  EXPECT_THAT(judgement.stop->message, HasSubstr("was paused for 30 minutes"));
}

TEST(LimitWatchTest, IsOverOnceItIsWellBack) {
  const JobDescription job = job_with({{Measure::lock_wait, 5, WatchAction::pause}});
  LimitWatch limits(job);
  (void)after(limits, 1, {{Measure::lock_wait, {6, ""}}});
  EXPECT_EQ(after(limits, 4, {{Measure::lock_wait, {0, ""}}}).share, 0);
  const LimitWatch::Judgement judgement = after(limits, 1, {{Measure::lock_wait, {0, ""}}});
  ASSERT_EQ(judgement.changed.size(), 1U);
  EXPECT_FALSE(judgement.changed[0].is_crossed);
  EXPECT_GT(judgement.share, 0);
}

TEST(LimitWatchTest, ACrossingIsToldWithTheWorstThatWasSeen) {
  const JobDescription job = job_with(
      {{Measure::lock_wait, 5, WatchAction::warn}, {Measure::disk_free, 4096, WatchAction::warn}});
  LimitWatch limits(job);
  for (const double waited : {6.0, 9.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0, 6.0}) {
    (void)after(limits, 1,
                {{Measure::lock_wait, {waited, waited == 9 ? "the holder" : "another"}},
                 {Measure::disk_free, {waited > 0 ? waited * 256 : 8192, ""}}});
  }
  const std::vector<Issue> issues = limits.crossings();
  ASSERT_EQ(issues.size(), 2U);
  EXPECT_EQ(issues[0].code, "threshold-crossed");
  EXPECT_EQ(issues[0].severity, Severity::warning);
  EXPECT_EQ(issues[0].where, "lock_wait");
  EXPECT_EQ(issues[0].message,
            "wait for a lock was 9.0 s (limit 5.0 s): the holder, 2 times; action warn");
  EXPECT_THAT(issues[1].message, HasSubstr("free disk of the target was 1.5 kB"));
}

TEST(LimitWatchTest, WhatIsNotMeasuredCrossesNothing) {
  const JobDescription job = job_with({{Measure::lock_wait, 5, WatchAction::stop}});
  LimitWatch limits(job);
  const LimitWatch::Judgement judgement =
      after(limits, 5, {{Measure::lock_wait, {{}, "the server is away"}}});
  EXPECT_FALSE(judgement.stop);
  for (const ThresholdState& state : judgement.states) {
    EXPECT_FALSE(state.value);
    if (state.measure != Measure::lock_wait) continue;
    EXPECT_EQ(state.detail, "the server is away");
  }
  EXPECT_TRUE(limits.crossings().empty());
}

TEST(LimitWatchTest, TheProfilesDiskLimitFitsASmallDisk) {
  struct Case {
    std::vector<ThresholdSetting> asked;
    double size;
    double expected;
  };
  constexpr double kGigabyte = 1024.0 * 1024 * 1024;
  for (const Case& each : {
           Case{{}, 100 * kGigabyte, kGigabyte},
           Case{{}, 10 * kGigabyte, 0.5 * kGigabyte},
           Case{{{Measure::disk_free, 2 * kGigabyte, {}}}, 10 * kGigabyte, 2 * kGigabyte},
       }) {
    const JobDescription job = job_with(each.asked);
    LimitWatch limits(job);
    limits.fit_disk(each.size);
    limits.fit_disk(1);  // The first size counts.
    for (const ThresholdRule& rule : limits.rules()) {
      if (rule.measure != Measure::disk_free) continue;
      EXPECT_DOUBLE_EQ(rule.limit, each.expected);
    }
  }
}

TEST(LimitWatchTest, AShareOfErrorsNeedsEnoughRows) {
  EXPECT_FALSE(error_share(999, 999));
  EXPECT_EQ(error_share(1000, 10), 1.0);
  EXPECT_EQ(error_share(2000, 0), 0.0);
}

}  // namespace
}  // namespace pgfanout
