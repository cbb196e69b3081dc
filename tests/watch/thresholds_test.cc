// When a limit counts as crossed, what the profiles ask for, and the response to crossed limits.
#include "copier/watch/thresholds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace pgfanout {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr SpeedControl::Moment start{};

/// The samples, from 0, at which is_crossed() changed; NaN is a sample without a value.
std::vector<int> changes(Hysteresis limit, const std::vector<double>& values) {
  std::vector<int> changed;
  for (std::size_t at = 0; at < values.size(); ++at) {
    const bool is_known = values[at] == values[at];
    if (limit.add(is_known ? std::optional(values[at]) : std::nullopt)) {
      changed.push_back(static_cast<int>(at));
    }
  }
  return changed;
}

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
const ThresholdRule cpu{Measure::cpu, 80, WatchAction::slow, true};
const ThresholdRule disk{Measure::disk_free, 1000, WatchAction::stop, true};
const ThresholdRule lock{Measure::lock_wait, 5, WatchAction::warn, true};

TEST(HysteresisTest, WhatWandersMustStayBeyond) {
  EXPECT_EQ(changes(Hysteresis(cpu), {90, 90, 70, 90, 90, 80}), std::vector<int>{});
  EXPECT_EQ(changes(Hysteresis(cpu), {90, 90, 81}), std::vector<int>{2});
}

TEST(HysteresisTest, IsOverOnceItIsWellBackForAWhile) {
  EXPECT_EQ(changes(Hysteresis(cpu), {90, 90, 90, 79, 79, 79, 79, 79, 79}), std::vector<int>{2});
  EXPECT_EQ(changes(Hysteresis(cpu), {90, 90, 90, 72, 72, 72, 72, 73, 72, 72, 72, 72, 72}),
            (std::vector<int>{2, 12}));
}

TEST(HysteresisTest, LocksAndDiskAtOnce) {
  EXPECT_EQ(changes(Hysteresis(lock), {4, 5, 6}), std::vector<int>{2});
  EXPECT_EQ(changes(Hysteresis(disk), {1001, 999}), std::vector<int>{1});
  // Its limit is a floor.
  EXPECT_EQ(changes(Hysteresis(disk), {999, 1050, 1050, 1050, 1050, 1050, 1050}),
            std::vector<int>{0});
  EXPECT_EQ(changes(Hysteresis(disk), {999, 1100, 1100, 1100, 1100, 1100}),
            (std::vector<int>{0, 5}));
}

TEST(HysteresisTest, NotToKnowBeginsNothingAndHoldsNothingForEver) {
  EXPECT_EQ(changes(Hysteresis(cpu), {unknown, unknown, unknown, unknown}), std::vector<int>{});
  std::vector<double> values = {90, 90, 90};
  values.insert(values.end(), 29, unknown);
  EXPECT_EQ(changes(Hysteresis(cpu), values), std::vector<int>{2});
  values.push_back(unknown);
  EXPECT_EQ(changes(Hysteresis(cpu), values), (std::vector<int>{2, 32}));
}

TEST(HysteresisTest, OneThatIsOffIsNeverCrossed) {
  ThresholdRule off = lock;
  off.action = WatchAction::off;
  EXPECT_EQ(changes(Hysteresis(off), {100, 100, 100, 100}), std::vector<int>{});
}

ThresholdRule rule_of(const WatchRequest& request, Measure measure) {
  for (const ThresholdRule& rule : rules_of(request)) {
    if (rule.measure == measure) return rule;
  }
  return {};
}

TEST(ThresholdRulesTest, AWindowIsOnlyStoppedByWhatWouldEndItAnyway) {
  for (const ThresholdRule& rule : rules_of({})) {
    const bool stops = rule.measure == Measure::errors || rule.measure == Measure::disk_free;
    const WatchAction other = rule.measure == Measure::cpu ? WatchAction::off : WatchAction::warn;
    EXPECT_EQ(rule.action, stops ? WatchAction::stop : other) << name_of(rule.measure);
    EXPECT_FALSE(rule.is_asked_for);
  }
}

TEST(ThresholdRulesTest, PoliteSharesTheServer) {
  WatchRequest polite;
  polite.profile = WatchProfile::polite;
  EXPECT_EQ(rule_of(polite, Measure::cpu).action, WatchAction::slow);
  EXPECT_EQ(rule_of(polite, Measure::cpu).limit, 80);
  EXPECT_EQ(rule_of(polite, Measure::memory).action, WatchAction::pause);
  EXPECT_EQ(rule_of(polite, Measure::memory).limit, 90);
  EXPECT_EQ(rule_of(polite, Measure::errors).action, WatchAction::stop);
  EXPECT_EQ(rule_of(polite, Measure::lock_wait).action, WatchAction::warn);
  EXPECT_EQ(rule_of(polite, Measure::replica_lag).action, WatchAction::pause);
  EXPECT_EQ(rule_of(polite, Measure::disk_free).action, WatchAction::stop);
  EXPECT_EQ(rule_of(polite, Measure::checkpoints).action, WatchAction::slow);
}

TEST(ThresholdRulesTest, WhatIsAskedForWins) {
  WatchRequest request;
  request.thresholds = {{Measure::cpu, 70, {}},
                        {Measure::memory, {}, WatchAction::off},
                        {Measure::lock_wait, 9, WatchAction::stop},
                        {Measure::lock_wait, 3, {}}};
  // A limit for what the profile leaves alone is a warning at the least.
  EXPECT_EQ(rule_of(request, Measure::cpu).action, WatchAction::warn);
  EXPECT_EQ(rule_of(request, Measure::cpu).limit, 70);
  EXPECT_EQ(rule_of(request, Measure::memory).action, WatchAction::off);
  EXPECT_EQ(rule_of(request, Measure::lock_wait).action, WatchAction::stop);
  EXPECT_EQ(rule_of(request, Measure::lock_wait).limit, 3);
  EXPECT_TRUE(rule_of(request, Measure::lock_wait).is_asked_for);
}

TEST(ThresholdRulesTest, ARejectLimitIsNotUndercutByTheProfile) {
  const ThresholdRule profile{Measure::errors, 1, WatchAction::stop, false};
  const auto fitted = [&](RejectLimit limit, ThresholdRule rule) {
    fit_errors(limit, rule);
    return rule;
  };
  EXPECT_EQ(fitted({}, profile).limit, 1);
  EXPECT_EQ(fitted({}, profile).action, WatchAction::stop);
  EXPECT_EQ(fitted({0, 5.0}, profile).limit, 5);
  EXPECT_EQ(fitted({0, 0.1}, profile).limit, 1);
  EXPECT_EQ(fitted({100, {}}, profile).action, WatchAction::warn);
  const ThresholdRule asked{Measure::errors, 1, WatchAction::stop, true};
  EXPECT_EQ(fitted({0, 5.0}, asked).limit, 1);
  EXPECT_EQ(fitted({100, {}}, asked).action, WatchAction::stop);
}

/// The share after each sample, a second apart.
std::vector<double> shares(const std::vector<WatchAction>& actions) {
  SpeedControl control;
  std::vector<double> found;
  for (std::size_t at = 0; at < actions.size(); ++at) {
    control.add(actions[at], start + seconds(at));
    found.push_back(control.share());
  }
  return found;
}

constexpr auto off = WatchAction::off;
constexpr auto warn = WatchAction::warn;
constexpr auto slow = WatchAction::slow;
constexpr auto pause = WatchAction::pause;

TEST(SpeedControlTest, FullSpeedUnlessAsked) {
  EXPECT_EQ(shares({off, warn, off, warn}), (std::vector<double>{1, 1, 1, 1}));
}

TEST(SpeedControlTest, HalvesAtOnceAndThenEveryFewSamplesDownToATenth) {
  EXPECT_EQ(shares({slow, slow, slow, slow}), (std::vector<double>{0.5, 0.5, 0.5, 0.25}));
  EXPECT_EQ(shares(std::vector<WatchAction>(30, slow)).back(), SpeedControl::kLeastShare);
}

TEST(SpeedControlTest, RecoversInSteps) {
  EXPECT_EQ(shares({slow, slow, slow, slow, off, off, off, off, off, off}),
            (std::vector<double>{0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 1}));
}

TEST(SpeedControlTest, AfterAPauseNotAtFullSpeedAtOnce) {
  EXPECT_EQ(shares({off, pause, pause, off, off, off, off, off, off, off}),
            (std::vector<double>{1, 0, 0, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 1}));
  EXPECT_EQ(shares({pause, slow, slow, slow, slow}),
            (std::vector<double>{0, 0.25, 0.25, 0.25, 0.125}));
}

TEST(SpeedControlTest, APauseHasItsEnd) {
  SpeedControl control;
  control.add(pause, start);
  EXPECT_FALSE(control.is_paused_too_long(start + minutes(30)));
  EXPECT_TRUE(control.is_paused_too_long(start + minutes(31)));
  control.add(off, start + minutes(20));
  control.add(pause, start + minutes(21));
  EXPECT_FALSE(control.is_paused_too_long(start + minutes(31)));
}

using Readings = std::map<Measure, Reading>;

JobDescription job_with(std::vector<ThresholdSetting> thresholds) {
  JobDescription job;
  job.table = "public.t";
  job.watch.thresholds = std::move(thresholds);
  return job;
}

/// The last of so many equal samples, a second apart.
LimitWatch::Judgement after(LimitWatch& limits, int samples, const Readings& readings,
                            bool swaps = false) {
  LimitWatch::Judgement last;
  for (int at = 0; at < samples; ++at) {
    last = limits.judge(readings, swaps, start + seconds(at));
  }
  return last;
}

TEST(LimitWatchTest, EveryMeasureCrossesItsLimitAndSaysSo) {
  struct Case {
    Measure measure;
    double limit;
    double fine;
    double beyond;
    int samples;  ///< Until it counts as crossed.
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
    EXPECT_FALSE(after(limits, each.samples - 1, {{each.measure, {each.beyond, "why"}}}).stop)
        << name_of(each.measure);
    const LimitWatch::Judgement judgement =
        after(limits, 1, {{each.measure, {each.beyond, "why"}}});
    ASSERT_TRUE(judgement.stop) << name_of(each.measure);
    EXPECT_EQ(judgement.stop->code, "threshold");
    EXPECT_EQ(judgement.stop->consequence, Consequence::interrupt);
    EXPECT_EQ(judgement.stop->message, each.words);
    EXPECT_EQ(judgement.stop->where, "public.t");
    EXPECT_THAT(judgement.stop->hint, HasSubstr("run the same command again"));
    EXPECT_THAT(judgement.stop->hint, HasSubstr(name_of(each.measure)));
    // The rest of an epoch may need more than the free space of the disk.
    EXPECT_EQ(judgement.stops_at_once, each.measure == Measure::disk_free);
    ASSERT_EQ(judgement.changed.size(), 1U);
    EXPECT_EQ(judgement.changed[0].measure, each.measure);
    EXPECT_TRUE(judgement.changed[0].is_crossed);
    EXPECT_EQ(judgement.states.size(), rules_of({}).size());
  }
}

TEST(LimitWatchTest, ShrinkHalvesTheMemoryWhileTheLimitIsCrossed) {
  JobDescription job;
  job.watch.thresholds = {{Measure::memory, 50, WatchAction::shrink},
                          {Measure::cpu, 90, WatchAction::slow}};
  LimitWatch limits(job);
  const std::map<Measure, Reading> full = {{Measure::memory, {60, ""}}};
  EXPECT_EQ(limits.judge(full, false, start).memory_share, 1) << "not yet crossed";
  (void)limits.judge(full, false, start + seconds(1));
  const LimitWatch::Judgement crossed = limits.judge(full, false, start + seconds(2));
  EXPECT_EQ(crossed.memory_share, 0.5);
  EXPECT_EQ(crossed.share, 1) << "the readers' speed is not its business";
  EXPECT_EQ(limits.judge(full, true, start + seconds(3)).memory_share, 1) << "a swap has no rows";
  const std::map<Measure, Reading> busy = {{Measure::memory, {60, ""}}, {Measure::cpu, {99, ""}}};
  (void)limits.judge(busy, false, start + seconds(4));
  (void)limits.judge(busy, false, start + seconds(5));
  const LimitWatch::Judgement both = limits.judge(busy, false, start + seconds(6));
  EXPECT_EQ(both.memory_share, 0.5);
  EXPECT_LT(both.share, 1);
  const std::map<Measure, Reading> fine = {{Measure::memory, {40, ""}}};
  for (int at = 7; at < 11; ++at) (void)limits.judge(fine, false, start + seconds(at));
  EXPECT_EQ(limits.judge(fine, false, start + seconds(11)).memory_share, 1);
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
  EXPECT_FALSE(limits.judge(readings, false, start).stop);
  EXPECT_FALSE(limits.judge(readings, false, start + minutes(30)).stop);
  const LimitWatch::Judgement judgement =
      limits.judge(readings, false, start + minutes(30) + seconds(1));
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
