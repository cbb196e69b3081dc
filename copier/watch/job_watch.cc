#include "copier/watch/job_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace pgfanout {
namespace {

/// A look gives up sooner than the job would.
constexpr std::chrono::seconds kPatience{5};

ConnectOptions options_for(const JobDescription& job, std::string dsn, const std::string& job_id) {
  return {std::move(dsn), "pgfanout/" + job_id + "/watch", std::min(job.connect_timeout, kPatience),
          kPatience};
}

}  // namespace

JobWatch::JobWatch(const JobDescription& job, const std::string& job_id,
                   const JobCounters& counters, Pace& pace, const Cancellation& ending)
    : job_(job),
      counters_(counters),
      pace_(pace),
      limits_(job),
      target_(options_for(job, target_dsn_of(job), job_id), "pgfanout/" + job_id + "/", ending) {
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

std::optional<Issue> JobWatch::begin(Moment now) {
  const bool is_ready = target_.is_ready(now);
  if (source_ && source_->is_ready(now) && is_ready) find_sides();
  if (target_.disk_size()) limits_.fit_disk(*target_.disk_size());
  std::map<std::string, std::vector<std::string>> by_reason;
  Severity severity = Severity::info;
  for (const ThresholdRule& rule : limits_.rules()) {
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
  if (target_.disk_size()) limits_.fit_disk(*target_.disk_size());
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
  const std::map<Measure, Reading> readings = read(doing, now, look.sample);
  LimitWatch::Judgement judgement = limits_.look(readings, doing.swaps, now);
  pace_.set_share(judgement.share);
  look.sample.thresholds = std::move(judgement.states);
  look.sample.speed = pace_.speed();
  look.changed = std::move(judgement.changed);
  look.stop = std::move(judgement.stop);
  look.stops_at_once = judgement.stops_at_once;
  return look;
}

}  // namespace pgfanout
