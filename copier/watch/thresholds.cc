#include "copier/watch/thresholds.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/base/amount.h"

namespace pgfanout {
namespace {

constexpr double kGigabyte = 1024.0 * 1024.0 * 1024.0;

struct MeasureTraits {
  Measure measure;
  const char* words;
  const char* amount;        ///< Format of a value; nullptr: bytes.
  double limit;              ///< Of both profiles.
  WatchAction window;        ///< A window may use the whole server.
  WatchAction polite;        ///< The other profile shares it.
  int samples_to_cross = 1;  ///< In a row; several for what varies from second to second.
};

// In the order of Measure.
constexpr MeasureTraits kMeasures[] = {
    {Measure::cpu, "CPU of the target's host", "{:.0f} %", 80, WatchAction::off, WatchAction::slow,
     3},
    {Measure::memory, "memory of the target's host", "{:.0f} %", 90, WatchAction::warn,
     WatchAction::pause, 3},
    {Measure::errors, "share of rows set aside", "{:.3g} %", 1, WatchAction::stop,
     WatchAction::stop},
    {Measure::lock_wait, "wait for a lock", "{:.1f} s", 5, WatchAction::warn, WatchAction::warn},
    {Measure::replica_lag, "lag of a standby", "{:.1f} s", 30, WatchAction::warn,
     WatchAction::pause, 3},
    {Measure::disk_free, "free disk of the target", nullptr, kGigabyte, WatchAction::stop,
     WatchAction::stop},
    {Measure::checkpoints, "requested checkpoints", "{:.3g} a minute", 2, WatchAction::warn,
     WatchAction::slow},
    {Measure::session_wait, "wait of a session", "{:.0f} s", 30, WatchAction::warn,
     WatchAction::warn},
    {Measure::wal_waiting, "WAL that waits to be archived", nullptr, 4 * kGigabyte,
     WatchAction::warn, WatchAction::slow},
};

const MeasureTraits& traits_of(Measure measure) {
  return kMeasures[static_cast<std::size_t>(measure)];
}

/// "95 %", "1.5 GB", "7.2 s", "3 a minute".
std::string amount_of(Measure measure, double value) {
  const char* format = traits_of(measure).amount;
  if (format != nullptr) return fmt::format(fmt::runtime(format), value);
  return amount_of_bytes(static_cast<std::uint64_t>(std::max(value, 0.0)));
}

/// The limit of disk_free is the least that must be free; all others are the most.
bool is_floor(Measure measure) {
  return measure == Measure::disk_free;
}

std::string sentence(const ThresholdState& state) {
  std::string text = fmt::format("{} was {} (limit {})", traits_of(state.measure).words,
                                 amount_of(state.measure, state.value.value_or(state.limit)),
                                 amount_of(state.measure, state.limit));
  if (!state.detail.empty()) text += ": " + state.detail;
  return text;
}

}  // namespace

std::vector<ThresholdRule> rules_of(const WatchRequest& request) {
  std::vector<ThresholdRule> rules;
  for (const MeasureTraits& traits : kMeasures) {
    const bool is_polite = request.profile == WatchProfile::polite;
    ThresholdRule rule{traits.measure, traits.limit, is_polite ? traits.polite : traits.window,
                       false};
    std::optional<WatchAction> action;
    for (const ThresholdSetting& setting : request.thresholds) {
      if (setting.measure != traits.measure) continue;
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

void fit_errors(const RejectLimit& reject_limit, ThresholdRule& rule) {
  if (rule.is_asked_for) return;
  if (reject_limit.percent) rule.limit = std::max(rule.limit, *reject_limit.percent);
  if (!reject_limit.percent && reject_limit.rows > 0) rule.action = WatchAction::warn;
}

std::optional<double> error_share(std::uint64_t read, std::uint64_t rejected) {
  constexpr std::uint64_t kEnough = 1000;
  if (read < kEnough) return {};
  return 100.0 * static_cast<double>(rejected) / static_cast<double>(read);
}

bool Hysteresis::add(std::optional<double> value) {
  constexpr int kSamplesToEnd = 5;
  constexpr int kSamplesUnknown = 30;
  constexpr double kTenth = 0.1;
  const bool was_crossed = is_crossed_;
  if (rule_.action == WatchAction::off) return false;
  if (!value) {
    // An unknown value neither begins an action nor keeps one for ever.
    if (++unknown_ >= kSamplesUnknown) is_crossed_ = false;
    return is_crossed_ != was_crossed;
  }
  const double limit = rule_.limit;
  const bool floor = is_floor(rule_.measure);
  const bool is_beyond = floor ? *value < limit : *value > limit;
  const bool is_back = floor ? *value >= limit * (1 + kTenth) : *value <= limit * (1 - kTenth);
  unknown_ = 0;
  beyond_ = is_beyond ? beyond_ + 1 : 0;
  back_ = is_back ? back_ + 1 : 0;
  if (!is_crossed_ && beyond_ >= traits_of(rule_.measure).samples_to_cross) is_crossed_ = true;
  if (is_crossed_ && back_ >= kSamplesToEnd) is_crossed_ = false;
  return is_crossed_ != was_crossed;
}

void SpeedControl::add(WatchAction action, Moment now) {
  // A change of speed shows in the measures some seconds later.
  constexpr int kSamplesBetweenSteps = 3;
  constexpr double kAfterPause = 0.25;
  ++samples_;
  if (action == WatchAction::pause) {
    if (!paused_since_) paused_since_ = now;
    share_ = 0;
  } else {
    paused_since_.reset();
    if (share_ <= 0) {
      share_ = kAfterPause;
      samples_ = 0;
    }
    const bool is_slow = action == WatchAction::slow;
    const bool is_new = is_slow && last_ != WatchAction::slow && last_ != WatchAction::pause;
    if (is_new || samples_ >= kSamplesBetweenSteps) {
      share_ = std::clamp(share_ * (is_slow ? 0.5 : 2), kLeastShare, 1.0);
      samples_ = 0;
    }
  }
  last_ = action;
}

LimitWatch::LimitWatch(const JobDescription& job) : job_(job) {
  for (ThresholdRule rule : rules_of(job.watch)) {
    if (rule.measure == Measure::errors) fit_errors(job.reject_limit, rule);
    limits_.push_back({Hysteresis(rule)});
  }
}

void LimitWatch::fit_disk(double size) {
  constexpr double kSmallDiskShare = 0.05;
  if (std::exchange(knows_disk_, true)) return;
  for (Limit& limit : limits_) {
    ThresholdRule rule = limit.hysteresis.rule();
    if (rule.measure != Measure::disk_free || rule.is_asked_for) continue;
    rule.limit = std::min(rule.limit, kSmallDiskShare * size);
    limit.hysteresis = Hysteresis(rule);
  }
}

std::vector<ThresholdRule> LimitWatch::rules() const {
  std::vector<ThresholdRule> rules;
  for (const Limit& limit : limits_) rules.push_back(limit.hysteresis.rule());
  return rules;
}

LimitWatch::Judgement LimitWatch::judge(const std::map<Measure, Reading>& readings, bool swaps,
                                        Moment now) {
  Judgement judgement;
  WatchAction strongest = WatchAction::off;
  for (Limit& limit : limits_) {
    const ThresholdRule& rule = limit.hysteresis.rule();
    const auto found = readings.find(rule.measure);
    const Reading reading = found == readings.end() ? Reading() : found->second;
    const bool has_changed = limit.hysteresis.add(reading.value);
    const bool is_crossed = limit.hysteresis.is_crossed();
    const ThresholdState state{rule.measure,  rule.action, rule.limit,
                               reading.value, is_crossed,  reading.detail};
    judgement.states.push_back(state);
    if (has_changed) judgement.changed.push_back(state);
    if (!is_crossed) continue;
    if (has_changed) ++limit.crossings;
    const bool is_worse =
        state.value && (!limit.worst || (*state.value < *limit.worst) == is_floor(state.measure));
    if (is_worse) {
      limit.worst = state.value;
      limit.detail = state.detail;
    }
    strongest = std::max(strongest, rule.action);
    if (rule.action == WatchAction::shrink && !swaps) judgement.memory_share = 0.5;
    if (rule.action != WatchAction::stop) continue;
    if (!judgement.stop) {
      judgement.stop = interrupted(
          "threshold", sentence(state),
          fmt::format("run the same command again to resume it; --threshold {}=LIMIT:ACTION sets "
                      "another limit or action",
                      name_of(state.measure)),
          job_.table);
    }
    // The rest of an epoch may need more than the free space of the disk, or never come.
    const bool never_ends =
        rule.measure == Measure::disk_free || rule.measure == Measure::session_wait;
    if (never_ends) judgement.stops_at_once = true;
  }
  speed_.add(swaps ? WatchAction::off : strongest, now);
  if (speed_.is_paused_too_long(now)) {
    judgement.stop = interrupted(
        "threshold",
        fmt::format("the job was paused for {} minutes, and the limit is still crossed",
                    SpeedControl::kLongestPause.count()),
        "a pause keeps a snapshot and locks; run the same command again to resume the job",
        job_.table);
  }
  if (swaps) judgement.stop.reset();
  judgement.share = swaps ? 1 : speed_.share();
  return judgement;
}

std::vector<Issue> LimitWatch::crossings() const {
  std::vector<Issue> issues;
  for (const Limit& limit : limits_) {
    if (limit.crossings == 0) continue;
    const ThresholdRule& rule = limit.hysteresis.rule();
    const ThresholdState worst{rule.measure, rule.action, rule.limit,
                               limit.worst,  true,        limit.detail};
    const std::string times =
        limit.crossings == 1 ? "" : fmt::format(", {} times", limit.crossings);
    issues.push_back({Severity::warning, "threshold-crossed",
                      fmt::format("{}{}; action {}", sentence(worst), times, name_of(rule.action)),
                      name_of(rule.measure), ""});
  }
  return issues;
}

}  // namespace pgfanout
