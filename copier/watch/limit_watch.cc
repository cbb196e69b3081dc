#include "copier/watch/limit_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pgfanout {
namespace {

constexpr double kSmallDiskShare = 0.05;

std::string sentence(const ThresholdState& state) {
  std::string text = fmt::format("{} was {} (limit {})", words_for(state.measure),
                                 amount_of(state.measure, state.value.value_or(state.limit)),
                                 amount_of(state.measure, state.limit));
  if (!state.detail.empty()) text += ": " + state.detail;
  return text;
}

}  // namespace

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

LimitWatch::LimitWatch(const JobDescription& job) : job_(job) {
  for (ThresholdRule rule : rules_of(job.watch)) {
    if (rule.measure == Measure::errors) fit_errors(job.reject_limit, rule);
    limits_.push_back({Hysteresis(rule)});
  }
}

void LimitWatch::fit_disk(double size) {
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

void LimitWatch::Limit::note(const ThresholdState& state, bool is_new) {
  if (is_new) ++crossings;
  const bool is_lower_worse = state.measure == Measure::disk_free;
  const bool is_worse = state.value && (!worst || (*state.value < *worst) == is_lower_worse);
  if (!is_worse) return;
  worst = state.value;
  detail = state.detail;
}

LimitWatch::Judgement LimitWatch::look(const std::map<Measure, Reading>& readings, bool swaps,
                                       Moment now) {
  Judgement judgement;
  WatchAction strongest = WatchAction::off;
  for (Limit& limit : limits_) {
    const ThresholdRule& rule = limit.hysteresis.rule();
    const auto found = readings.find(rule.measure);
    const Reading reading = found == readings.end() ? Reading() : found->second;
    const bool has_changed = limit.hysteresis.look(reading.value);
    const bool is_crossed = limit.hysteresis.is_crossed();
    const ThresholdState state{rule.measure,  rule.action, rule.limit,
                               reading.value, is_crossed,  reading.detail};
    judgement.states.push_back(state);
    if (has_changed) judgement.changed.push_back(state);
    if (!is_crossed) continue;
    limit.note(state, has_changed);
    strongest = std::max(strongest, rule.action);
    if (rule.action != WatchAction::stop) continue;
    if (!judgement.stop) judgement.stop = stopped_by(state);
    // The rest of an epoch may need more than the free space of the disk.
    if (rule.measure == Measure::disk_free) judgement.stops_at_once = true;
  }
  // A swap, forward or back, is never slowed, paused or stopped.
  speed_.look(swaps ? WatchAction::off : strongest, now);
  if (speed_.is_paused_too_long(now)) judgement.stop = paused_too_long();
  if (swaps) judgement.stop.reset();
  judgement.share = swaps ? 1 : speed_.share();
  return judgement;
}

Error LimitWatch::stopped_by(const ThresholdState& state) const {
  return interrupted("threshold", sentence(state),
                     fmt::format("the same command goes on; --threshold {}=LIMIT:ACTION sets "
                                 "another limit or action",
                                 name_of(state.measure)),
                     job_.table);
}

Error LimitWatch::paused_too_long() const {
  return interrupted("threshold",
                     fmt::format("the job was paused for {} minutes, and what paused it lasts",
                                 SpeedControl::kLongestPause.count()),
                     "a pause keeps a snapshot and locks; the same command goes on", job_.table);
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
