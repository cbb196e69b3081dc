#include "copier/lifecycle/job_guard.h"

#include <chrono>
#include <utility>

namespace pgfanout {

JobGuard::JobGuard(const JobDescription& job, Observer& observer, const Cancellation& user)
    : job_(job), user_(user), stop_(&user_.at_once(), &user_), relay_(*this, observer) {}

JobGuard::~JobGuard() {
  end();
}

void JobGuard::begin(const std::string& /*job_id*/) {
  if (!watcher_.joinable()) watcher_ = std::thread([this] { watch(); });
}

void JobGuard::end() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  ending_changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

void JobGuard::watch() {
  constexpr std::chrono::seconds kEvery{1};
  std::unique_lock lock(mutex_);
  while (!ending_changed_.wait_for(lock, kEvery, [this] { return is_ending_; })) {
    lock.unlock();
    WatchSample sample;
    sample.speed = pace_.speed();
    relay_.sampled(sample);
    lock.lock();
  }
}

JobResult JobGuard::settled(JobResult result) {
  end();
  const std::lock_guard lock(mutex_);
  if (stopped_by_ && result.error && result.error->code == "cancelled" && !user_.is_set()) {
    result.error = std::move(*stopped_by_);
  }
  return result;
}

void JobGuard::Relay::job_started(const std::string& job_id, const JobCounters& counters) {
  observer_.job_started(job_id, counters);
  guard_.begin(job_id);
}

void JobGuard::Relay::stage_started(std::string_view stage) {
  observer_.stage_started(stage);
}

void JobGuard::Relay::stage_finished(const StageSummary& stage) {
  observer_.stage_finished(stage);
}

void JobGuard::Relay::issue_found(const Issue& issue) {
  observer_.issue_found(issue);
}

Result<void> JobGuard::Relay::may_begin(std::string_view stage) {
  return observer_.may_begin(stage);
}

void JobGuard::Relay::gate_reached(std::string_view stage, bool is_waiting) {
  observer_.gate_reached(stage, is_waiting);
}

void JobGuard::Relay::sampled(const WatchSample& sample) {
  observer_.sampled(sample);
}

void JobGuard::Relay::threshold_changed(const ThresholdState& threshold) {
  observer_.threshold_changed(threshold);
}

}  // namespace pgfanout
