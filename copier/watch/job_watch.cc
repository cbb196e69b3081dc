#include "copier/watch/job_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace pgfanout {
namespace {

/// A look gives up sooner than the job would.
constexpr std::chrono::seconds kPatience{5};
constexpr double kSmallDiskShare = 0.05;

ConnectOptions options_for(const JobDescription& job, std::string dsn, const std::string& job_id) {
  return {std::move(dsn), "pgfanout/" + job_id + "/watch", std::min(job.connect_timeout, kPatience),
          kPatience};
}

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

JobWatch::JobWatch(const JobDescription& job, const std::string& job_id,
                   const JobCounters& counters, Pace& pace, const Cancellation& ending)
    : job_(job),
      counters_(counters),
      pace_(pace),
      target_(options_for(job, target_dsn_of(job), job_id), "pgfanout/" + job_id + "/", ending) {
  for (ThresholdRule rule : rules_of(job.watch)) {
    if (rule.measure == Measure::errors) fit_errors(job.reject_limit, rule);
    limits_.push_back({Hysteresis(rule), {}, {}, 0});
  }
  if (job.target_dsn) {
    source_.emplace(options_for(job, job.source_dsn, job_id), "pgfanout/" + job_id + "/", ending);
  }
}

/// One server that has two names is looked at once.
void JobWatch::find_sides() {
  if (!source_ || knows_sides_) return;
  const auto source = source_->facts();
  const auto target = target_.facts();
  if (!source || !target) return;
  knows_sides_ = true;
  if (is_same_server(*source, *target)) source_.reset();
}

/// The profile's limit for the disk is no limit for a disk that is hardly larger.
void JobWatch::fit_disk_limit() {
  if (knows_disk_ || !target_.disk_size()) return;
  knows_disk_ = true;
  for (Limit& limit : limits_) {
    ThresholdRule rule = limit.hysteresis.rule();
    if (rule.measure != Measure::disk_free || rule.is_asked_for) continue;
    rule.limit = std::min(rule.limit, kSmallDiskShare * *target_.disk_size());
    limit.hysteresis = Hysteresis(rule);
  }
}

std::optional<Issue> JobWatch::begin(Moment now) {
  const bool is_ready = target_.is_ready(now);
  if (source_ && source_->is_ready(now) && is_ready) find_sides();
  fit_disk_limit();
  std::map<std::string, std::vector<std::string>> by_reason;
  Severity severity = Severity::info;
  for (const Limit& limit : limits_) {
    const ThresholdRule& rule = limit.hysteresis.rule();
    if (rule.action == WatchAction::off || rule.measure == Measure::errors) continue;
    const auto why = target_.unmeasurable().find(rule.measure);
    if (is_ready && why == target_.unmeasurable().end()) continue;
    by_reason[is_ready ? why->second : target_.problem()].emplace_back(name_of(rule.measure));
    if (rule.is_asked_for) severity = Severity::warning;
  }
  if (by_reason.empty()) return {};
  std::vector<std::string> texts;
  for (const auto& [reason, names] : by_reason) {
    texts.push_back(fmt::format("{} ({})", fmt::join(names, ", "), reason));
  }
  return Issue{severity, "not-measured",
               fmt::format("thresholds that cannot be measured: {}", fmt::join(texts, "; ")),
               target_dsn_of(job_).empty() ? "" : "target",
               "the job goes on without them; --threshold NAME=off leaves one out"};
}

void JobWatch::look_at_sessions(ServerWatch& server, ServerPart part, Doing doing, Reading& lock,
                                WatchSample& sample) {
  const auto seen = server.sessions(part);
  if (!seen) return;
  for (WaitCount count : seen->waits) {
    if (part == ServerPart::both && doing.reads_back) count.side = "target";
    const auto same =
        std::find_if(sample.waits.begin(), sample.waits.end(), [&](const WaitCount& each) {
          return each.side == count.side && each.event == count.event;
        });
    if (same == sample.waits.end()) {
      sample.waits.push_back(count);
    } else {
      same->sessions += count.sessions;
    }
  }
  const double seconds = seen->lock ? seen->lock->seconds : 0;
  if (lock.value && seconds <= *lock.value) return;
  lock = {seconds, seen->lock ? seen->lock->blocker : ""};
}

std::map<Measure, Reading> JobWatch::read(Doing doing, Moment now, WatchSample& sample) {
  const bool has_target = target_.is_ready(now);
  const bool has_source = source_ && source_->is_ready(now);
  if (has_target && has_source) find_sides();
  fit_disk_limit();
  std::map<Measure, Reading> readings = target_.look(now);
  Reading lock{{}, target_.problem()};
  if (has_target) {
    look_at_sessions(target_, source_ ? ServerPart::target : ServerPart::both, doing, lock, sample);
  }
  if (has_source && source_) {
    look_at_sessions(*source_, ServerPart::source, doing, lock, sample);
  }
  readings[Measure::lock_wait] = lock;
  const std::uint64_t rows = counters_.rows_read;
  const std::uint64_t rejected = counters_.rows_rejected;
  const std::uint64_t earlier = counters_.rows_rejected_earlier;
  const std::uint64_t own = rejected > earlier ? rejected - earlier : 0;
  readings[Measure::errors] = {error_share(rows, own), fmt::format("{} of {} rows", own, rows)};
  return readings;
}

JobWatch::Look JobWatch::look(Doing doing, Moment now) {
  Look look;
  std::map<Measure, Reading> readings = read(doing, now, look.sample);
  WatchAction strongest = WatchAction::off;
  for (Limit& limit : limits_) {
    const ThresholdRule& rule = limit.hysteresis.rule();
    const Reading& reading = readings[rule.measure];
    const bool has_changed = limit.hysteresis.look(reading.value);
    const bool is_crossed = limit.hysteresis.is_crossed();
    const ThresholdState state{rule.measure,  rule.action, rule.limit,
                               reading.value, is_crossed,  reading.detail};
    look.sample.thresholds.push_back(state);
    if (has_changed) look.changed.push_back(state);
    if (!is_crossed) continue;
    if (has_changed) ++limit.crossings;
    const bool is_lower_worse = rule.measure == Measure::disk_free;
    const bool is_worse =
        reading.value && (!limit.worst || (*reading.value < *limit.worst) == is_lower_worse);
    if (is_worse) limit.worst = reading.value;
    if (is_worse) limit.detail = reading.detail;
    if (rule.action == WatchAction::stop && !look.stop) look.stop = stopped_by(state);
    // What is left of an epoch may be more than what is left of the disk.
    if (rule.action == WatchAction::stop && is_lower_worse) look.stops_at_once = true;
    strongest = std::max(strongest, rule.action);
  }
  // What changes names or puts them back is never held up.
  speed_.look(doing.swaps ? WatchAction::off : strongest, now);
  if (speed_.is_paused_too_long(now)) {
    look.stop =
        interrupted("threshold",
                    fmt::format("the job was paused for {} minutes, and what paused it lasts",
                                SpeedControl::kLongestPause.count()),
                    "a pause keeps a snapshot and locks; the same command goes on", job_.table);
  }
  if (doing.swaps) look.stop.reset();
  pace_.set_share(doing.swaps ? 1 : speed_.share());
  look.sample.speed = pace_.speed();
  return look;
}

Error JobWatch::stopped_by(const ThresholdState& state) const {
  return interrupted("threshold", sentence(state),
                     fmt::format("the same command goes on; --threshold {}=LIMIT:ACTION sets "
                                 "another limit or action",
                                 name_of(state.measure)),
                     job_.table);
}

std::vector<Issue> JobWatch::crossings() const {
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
