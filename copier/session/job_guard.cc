#include "copier/session/job_guard.h"

#include <chrono>
#include <utility>

#include "copier/base/caught.h"

namespace pgfanout {

JobGuard::JobGuard(const JobDescription& job, std::string_view command, Observer& observer,
                   const Cancellation& user)
    : job_(job),
      is_way_back_(command == "rollback" || command == "cleanup"),
      user_(user),
      stop_at_once_(nullptr, &user_.at_once()),
      stop_(&stop_at_once_, &user_),
      relay_(*this, observer) {
  if (job.watch.finish_by && !is_way_back_) deadline_.emplace(job_, command);
}

JobGuard::~JobGuard() {
  end();
}

void JobGuard::set_estimates(const std::vector<StageEstimate>& estimates) {
  const std::lock_guard lock(mutex_);
  if (deadline_) deadline_->set_estimates(estimates);
}

TimePoint JobGuard::now() const {
  return {std::chrono::steady_clock::now(), job_.watch.clock()};
}

/// The job's own thread takes the first sample, to report at once what cannot be measured.
void JobGuard::begin(const std::string& job_id) {
  if (watch_ || job_.dry_run || job_.window.release) return;
  watch_.emplace(job_, job_id, counters_, pace_, ending_);
  auto issue = watch_->begin(std::chrono::steady_clock::now());
  if (issue && !is_way_back_) {
    const std::lock_guard lock(mutex_);
    pending_.push_back(*std::move(issue));
  }
  tell_pending();
  const auto started =
      run_caught("the start of the watch", [this] { watcher_ = std::thread([this] { watch(); }); });
  if (!started) not_watched_ = started.error();
}

void JobGuard::end() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  ending_.set();
  ending_changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

void JobGuard::watch() {
  std::unique_lock lock(mutex_);
  while (!ending_changed_.wait_for(lock, job_.watch.sample_every, [this] { return is_ending_; })) {
    lock.unlock();
    const auto sampled = run_caught("the watch", [this] { sample(); });
    if (!sampled) {
      pace_.set_share(1);
      pace_.set_memory_share(1);
    }
    lock.lock();
    if (sampled) continue;
    not_watched_ = sampled.error();
    return;
  }
}

void JobGuard::sample() {
  JobWatch::Doing doing;
  {
    const std::lock_guard lock(mutex_);
    doing = {is_open(stages_, "read-back"), is_way_back_ || is_open(stages_, "swap")};
  }
  WatchSample sample;
  auto judgement = watch_->sample(doing, std::chrono::steady_clock::now(), sample);
  if (ending_.is_set()) return;
  judge_deadline_of(sample);
  for (const ThresholdState& each : judgement.changed) relay_.threshold_changed(each);
  for (const auto& [wait, change] : watch_->news()) relay_.wait_changed(wait, change);
  if (judgement.stop) stop(*std::move(judgement.stop), judgement.stops_at_once);
  // Paused readers would never finish the epoch that a stop waits for.
  if (stop_.is_set()) pace_.set_share(1);
  sample.speed = pace_.speed();
  relay_.sampled(sample);
}

void JobGuard::judge_deadline_of(WatchSample& sample) {
  JobDeadline::Stop must_stop = JobDeadline::Stop::none;
  std::optional<Error> error;
  {
    const std::lock_guard lock(mutex_);
    if (!deadline_) return;
    const TimePoint now = this->now();
    sample.deadline = deadline_->judge(stages_, counters_, now);
    must_stop = deadline_->must_stop(stages_, now);
    if (must_stop != JobDeadline::Stop::none) error = deadline_->stopped(now);
    if (sample.deadline->outlook == DeadlineState::Outlook::misses && !has_told_deadline_) {
      has_told_deadline_ = true;
      pending_.push_back(
          {Severity::warning, "deadline", sample.deadline->advice, job_.table,
           job_.watch.stop_at_deadline ? "the job stops before it, and can be resumed" : ""});
    }
  }
  if (error) stop(*std::move(error), must_stop == JobDeadline::Stop::at_once);
}

/// Never inside the swap: may_begin() sees a stop that was requested before it.
void JobGuard::stop(Error error, bool at_once) {
  const std::lock_guard lock(mutex_);
  if (is_open(stages_, "swap")) return;
  if (!stopped_by_) stopped_by_ = std::move(error);
  stop_.set();
  if (at_once) stop_at_once_.set();
}

/// Runs on the job's own thread, which alone reports issues.
void JobGuard::tell_pending() {
  std::vector<Issue> issues;
  {
    const std::lock_guard lock(mutex_);
    issues.swap(pending_);
    if (not_watched_) {
      issues.push_back({Severity::warning, "not-watched",
                        "thresholds and deadline are no longer watched: " + not_watched_->message,
                        job_.table, not_watched_->hint + "; the job continues"});
      not_watched_.reset();
    }
  }
  for (Issue& issue : issues) {
    relay_.issue_found(issue);
    told_.push_back(std::move(issue));
  }
}

JobResult JobGuard::settled(JobResult result) {
  end();
  tell_pending();
  for (Issue& issue : told_) result.issues.push_back(std::move(issue));
  told_.clear();
  if (watch_) {
    for (const auto& [wait, change] : watch_->last_news()) relay_.wait_changed(wait, change);
    for (Issue& issue : watch_->crossings()) result.issues.push_back(std::move(issue));
    watch_.reset();
  }
  const std::lock_guard lock(mutex_);
  if (stopped_by_ && result.error && result.error->code == "cancelled" && !user_.is_set()) {
    // An unproven result stays unproven, whatever stopped the job.
    const Consequence consequence = result.error->consequence;
    result.error = std::move(*stopped_by_);
    result.error->consequence = consequence;
  }
  return result;
}

void JobGuard::Relay::job_started(const std::string& job_id, const JobCounters& counters) {
  ObserverList::job_started(job_id, counters);
  guard_.begin(job_id);
}

void JobGuard::Relay::stage_started(std::string_view stage) {
  {
    const std::lock_guard lock(guard_.mutex_);
    guard_.stages_.emplace_back(stage);
    if (guard_.deadline_) guard_.deadline_->stage_started(guard_.stages_, guard_.now());
  }
  ObserverList::stage_started(stage);
  guard_.tell_pending();
}

void JobGuard::Relay::stage_finished(const StageSummary& stage) {
  {
    const std::lock_guard lock(guard_.mutex_);
    if (guard_.deadline_ && stage.status == "ok") {
      guard_.deadline_->stage_finished(guard_.stages_, guard_.now());
    }
    if (!guard_.stages_.empty()) guard_.stages_.pop_back();
  }
  guard_.tell_pending();
  ObserverList::stage_finished(stage);
}

Result<void> JobGuard::Relay::may_begin(std::string_view stage) {
  PGFANOUT_TRY(ObserverList::may_begin(stage));
  const std::lock_guard lock(guard_.mutex_);
  // A stop takes effect before the swap, never within it.
  if (stage == "swap" && guard_.stopped_by_) return *guard_.stopped_by_;
  if (guard_.deadline_) return guard_.deadline_->may_begin(guard_.stages_, guard_.now());
  return {};
}

}  // namespace pgfanout
