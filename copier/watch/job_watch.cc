#include "copier/watch/job_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace pgfanout {
namespace {

/// Measuring waits less long for a server than the job does.
constexpr std::chrono::seconds kPatience{5};

ConnectOptions options_for(const JobDescription& job, std::string dsn, const std::string& job_id) {
  return {std::move(dsn), "pgfanout/" + job_id + "/watch", std::min(job.connect_timeout, kPatience),
          kPatience};
}

/// Of those that are not for a lock, which has a measure of its own.
Reading longest_of(const std::vector<SessionWait>& waits) {
  Reading longest{0, ""};
  for (const SessionWait& wait : waits) {
    if (wait.cause == "lock" || wait.seconds <= *longest.value) continue;
    longest = {wait.seconds, "for " + wait.what + (wait.detail.empty() ? "" : ": " + wait.detail)};
  }
  return longest;
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

/// Connects where needed. A server that has two names is measured once. True: the target is ready.
bool JobWatch::prepare(Moment now) {
  const bool has_target = target_.is_ready(now);
  const bool has_source = source_ && source_->is_ready(now);
  if (has_target && has_source && !knows_sides_) {
    const auto source = source_->facts();
    const auto target = target_.facts();
    knows_sides_ = source && target;
    if (knows_sides_ && is_same_server(*source, *target)) source_.reset();
  }
  if (target_.disk_size()) limits_.fit_disk(*target_.disk_size());
  return has_target;
}

std::optional<Issue> JobWatch::begin(Moment now) {
  const bool is_ready = prepare(now);
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
               "--threshold NAME=off leaves a threshold out; the job runs without those listed"};
}

std::map<Measure, Reading> JobWatch::measure(Doing doing, Moment now, WatchSample& shown) {
  prepare(now);
  std::map<Measure, Reading> readings = target_.measure(now);
  JobSessions sessions;
  sessions.lock = {{}, target_.problem()};
  auto on_target = target_.sessions(source_ ? "target" : "");
  const bool is_known = static_cast<bool>(on_target);
  if (is_known) sessions.add(*std::move(on_target));
  if (source_ && source_->is_ready(now)) {
    auto found = source_->sessions("source");
    if (found) sessions.add(*std::move(found));
  }
  for (JobSession& session : sessions.all) {
    if (doing.reads_back && session.role == "reader") session.side = "target";
  }
  Reading& lock = sessions.lock;
  // A wait of many short attempts is longer than the server's word for the present one.
  if (const auto wait = counters_.lock_waits.longest()) {
    const double seconds = std::chrono::duration<double>(now - wait->since).count();
    if (seconds > lock.value.value_or(0)) lock = {seconds, wait->blockers};
  }
  readings[Measure::lock_wait] = lock;
  shown.waits = wait_counts(sessions.all);
  news_.clear();
  if (is_known) {  // A look that failed neither begins nor ends a wait.
    shown.session_waits = waits_.judge(sessions, now);
    news_ = waits_.news(shown.session_waits, now);
    readings[Measure::session_wait] = longest_of(shown.session_waits);
  }
  const std::uint64_t rows = counters_.rows_read;
  const std::uint64_t rejected = counters_.rows_rejected;
  const std::uint64_t earlier = counters_.rows_rejected_earlier;
  const std::uint64_t own = rejected > earlier ? rejected - earlier : 0;
  readings[Measure::errors] = {error_share(rows, own), fmt::format("{} of {} rows", own, rows)};
  return readings;
}

LimitWatch::Judgement JobWatch::sample(Doing doing, Moment now, WatchSample& shown) {
  LimitWatch::Judgement judgement = limits_.judge(measure(doing, now, shown), doing.swaps, now);
  pace_.set_share(judgement.share);
  pace_.set_memory_share(judgement.memory_share);
  shown.thresholds = judgement.states;
  return judgement;
}

}  // namespace pgfanout
