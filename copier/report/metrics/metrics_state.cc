#include "copier/report/metrics/metrics_state.h"

#include <algorithm>

namespace pgfanout {

MetricsState::MetricsState(std::string command, std::string table) {
  known_.command = std::move(command);
  known_.table = std::move(table);
  known_.began = std::chrono::system_clock::now();
}

void MetricsState::start_job(const std::string& job_id, const JobCounters& counters) {
  const std::lock_guard lock(mutex_);
  known_.job = job_id;
  counters_ = &counters;
}

void MetricsState::start_stage(std::string_view stage) {
  const std::lock_guard lock(mutex_);
  std::string label = open_.empty() ? "" : open_.back().label + "/";
  open_.push_back({label.append(stage), Clock::now()});
}

void MetricsState::finish_stage(const StageSummary& stage) {
  const std::lock_guard lock(mutex_);
  read_counters(known_);
  StageSummary ended = stage;
  if (!open_.empty()) {
    ended.name = open_.back().label;
    open_.pop_back();
  }
  // A stage that is done again replaces its first run: a series is exported once.
  std::erase_if(known_.finished, [&](const StageSummary& each) { return each.name == ended.name; });
  known_.finished.push_back(std::move(ended));
}

void MetricsState::add_issue(const Issue& issue) {
  const std::lock_guard lock(mutex_);
  ++known_.issues.at(static_cast<std::size_t>(issue.severity));
}

void MetricsState::reach_gate(std::string_view stage, bool is_waiting) {
  const std::lock_guard lock(mutex_);
  known_.waiting_at = is_waiting ? stage : std::string_view();
}

void MetricsState::sample(const WatchSample& sample) {
  const std::lock_guard lock(mutex_);
  known_.thresholds = sample.thresholds;
  known_.waits = sample.waits;
  known_.deadline = sample.deadline;
  known_.speed = sample.speed;
}

void MetricsState::change_threshold(const ThresholdState& threshold) {
  const std::lock_guard lock(mutex_);
  const auto same = [&](const ThresholdState& each) { return each.measure == threshold.measure; };
  std::erase_if(known_.thresholds, same);
  known_.thresholds.push_back(threshold);
}

void MetricsState::finish_job(const JobResult& result) {
  const std::lock_guard lock(mutex_);
  counters_ = nullptr;  // They are gone with the job.
  open_.clear();
  if (known_.job.empty()) known_.job = result.job;
  known_.ended = std::chrono::system_clock::now();
  known_.exit_code = exit_code_of(result);
  known_.waiting_at = result.waiting_at;
  known_.waits.clear();
}

MetricsSnapshot MetricsState::snapshot() const {
  const std::lock_guard lock(mutex_);
  MetricsSnapshot now = known_;
  read_counters(now);
  const Clock::time_point moment = Clock::now();
  for (const OpenStage& open : open_) {
    now.running.emplace_back(open.label,
                             std::chrono::duration<double>(moment - open.start).count());
  }
  return now;
}

/// Only while a stage is open do the counters exist for sure: a job ends its stages, then returns.
void MetricsState::read_counters(MetricsSnapshot& into) const {
  if (counters_ == nullptr || open_.empty()) return;
  into.figures = figures_of(*counters_);
  into.leaf_names.clear();
  for (std::size_t leaf = 0; leaf < into.figures.leaf_rows.size(); ++leaf) {
    into.leaf_names.push_back(counters_->leaves.name(leaf));
  }
}

}  // namespace pgfanout
