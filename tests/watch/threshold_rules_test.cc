// When a limit counts as crossed, and what the profiles ask for.
#include "copier/watch/threshold_rules.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "copier/watch/limit_watch.h"

namespace pgfanout {
namespace {

/// The looks, from 0, at which is_crossed() changed; NaN is a look that measured nothing.
std::vector<int> changes(Hysteresis limit, const std::vector<double>& values) {
  std::vector<int> changed;
  for (std::size_t at = 0; at < values.size(); ++at) {
    const bool is_known = values[at] == values[at];
    if (limit.look(is_known ? std::optional(values[at]) : std::nullopt)) {
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

TEST(RulesTest, AWindowIsOnlyStoppedByWhatWouldEndItAnyway) {
  for (const ThresholdRule& rule : rules_of({})) {
    const bool stops = rule.measure == Measure::errors || rule.measure == Measure::disk_free;
    const WatchAction other = rule.measure == Measure::cpu ? WatchAction::off : WatchAction::warn;
    EXPECT_EQ(rule.action, stops ? WatchAction::stop : other) << name_of(rule.measure);
    EXPECT_FALSE(rule.is_asked_for);
  }
}

TEST(RulesTest, PoliteSharesTheServer) {
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

TEST(RulesTest, WhatIsAskedForWins) {
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

}  // namespace
}  // namespace pgfanout
