#include "copier/watch/threshold_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/amount.h"

namespace pgfanout {
namespace {

constexpr double kGigabyte = 1024.0 * 1024.0 * 1024.0;
/// Looks in a row, about a second apart.
constexpr int kLooksToCross = 3;
constexpr int kLooksToEnd = 5;
constexpr int kLooksUnknown = 30;

double default_limit(Measure measure) {
  switch (measure) {
    case Measure::cpu:
      return 80;
    case Measure::memory:
      return 90;
    case Measure::errors:
      return 1;
    case Measure::lock_wait:
      return 5;
    case Measure::replica_lag:
      return 30;
    case Measure::disk_free:
      return kGigabyte;
    case Measure::checkpoints:
      return 2;
  }
  return 0;
}

/// A window wants the whole server: what only says that it works hard does not hold it back.
WatchAction window_action(Measure measure) {
  switch (measure) {
    case Measure::cpu:
      return WatchAction::off;
    case Measure::errors:
    case Measure::disk_free:
      return WatchAction::stop;
    default:
      return WatchAction::warn;
  }
}

WatchAction polite_action(Measure measure) {
  switch (measure) {
    case Measure::cpu:
    case Measure::checkpoints:
      return WatchAction::slow;
    case Measure::memory:
    case Measure::replica_lag:
      return WatchAction::pause;
    case Measure::errors:
    case Measure::disk_free:
      return WatchAction::stop;
    case Measure::lock_wait:
      return WatchAction::warn;
  }
  return WatchAction::warn;
}

/// A measure that varies from second to second must stay beyond its limit for a while.
bool wanders(Measure measure) {
  return measure == Measure::cpu || measure == Measure::memory || measure == Measure::replica_lag;
}

}  // namespace

std::vector<ThresholdRule> rules_of(const WatchRequest& request) {
  std::vector<ThresholdRule> rules;
  for (const Measure measure : kMeasures) {
    ThresholdRule rule{
        measure, default_limit(measure),
        request.profile == WatchProfile::polite ? polite_action(measure) : window_action(measure),
        false};
    std::optional<WatchAction> action;
    for (const ThresholdSetting& setting : request.thresholds) {
      if (setting.measure != measure) continue;
      rule.is_asked_for = true;
      if (setting.limit) rule.limit = *setting.limit;
      if (setting.action) action = setting.action;
    }
    // A user who sets a limit wants to be warned.
    if (rule.is_asked_for && rule.action == WatchAction::off) rule.action = WatchAction::warn;
    if (action) rule.action = *action;
    rules.push_back(rule);
  }
  return rules;
}

bool is_beyond(const ThresholdRule& rule, double value) {
  return rule.measure == Measure::disk_free ? value < rule.limit : value > rule.limit;
}

std::string amount_of(Measure measure, double value) {
  switch (measure) {
    case Measure::cpu:
    case Measure::memory:
      return fmt::format("{:.0f} %", value);
    case Measure::errors:
      return fmt::format("{:.3g} %", value);
    case Measure::lock_wait:
    case Measure::replica_lag:
      return fmt::format("{:.1f} s", value);
    case Measure::disk_free:
      return amount_of_bytes(static_cast<std::uint64_t>(std::max(value, 0.0)));
    case Measure::checkpoints:
      return fmt::format("{:.3g} a minute", value);
  }
  return {};
}

const char* words_for(Measure measure) {
  switch (measure) {
    case Measure::cpu:
      return "CPU of the target's host";
    case Measure::memory:
      return "memory of the target's host";
    case Measure::errors:
      return "share of rows set aside";
    case Measure::lock_wait:
      return "wait for a lock";
    case Measure::replica_lag:
      return "lag of a standby";
    case Measure::disk_free:
      return "free disk of the target";
    case Measure::checkpoints:
      return "requested checkpoints";
  }
  return "";
}

bool Hysteresis::is_well_back(double value) const {
  constexpr double kTenth = 0.1;
  if (rule_.measure == Measure::disk_free) return value >= rule_.limit * (1 + kTenth);
  return value <= rule_.limit * (1 - kTenth);
}

bool Hysteresis::look(std::optional<double> value) {
  const bool was_crossed = is_crossed_;
  if (rule_.action == WatchAction::off) return false;
  if (!value) {
    // An unknown value neither begins an action nor keeps one for ever.
    if (++unknown_ >= kLooksUnknown) is_crossed_ = false;
    return is_crossed_ != was_crossed;
  }
  unknown_ = 0;
  beyond_ = is_beyond(rule_, *value) ? beyond_ + 1 : 0;
  back_ = is_well_back(*value) ? back_ + 1 : 0;
  if (!is_crossed_ && beyond_ >= (wanders(rule_.measure) ? kLooksToCross : 1)) is_crossed_ = true;
  if (is_crossed_ && back_ >= kLooksToEnd) is_crossed_ = false;
  return is_crossed_ != was_crossed;
}

}  // namespace pgfanout
