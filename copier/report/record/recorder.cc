#include "copier/report/record/recorder.h"

#include <fmt/format.h>

#include <algorithm>

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostMarks = 500;
constexpr std::size_t kMostWaits = 200;

}  // namespace

void BoundedSeries::push(RecordedPoint point) {
  if (!kept_.empty() && point.at - kept_.back().at < least_apart_) {
    last_ = std::move(point);
    return;
  }
  last_.reset();
  if (kept_.size() >= kMostPoints) {
    std::size_t to = 0;
    for (std::size_t from = 0; from < kept_.size(); from += 2) {
      if (to != from) kept_[to] = std::move(kept_[from]);
      ++to;
    }
    kept_.resize(to);
    least_apart_ = (kept_.back().at - kept_.front().at) / static_cast<double>(kept_.size() - 1);
  }
  kept_.push_back(std::move(point));
}

std::vector<RecordedPoint> BoundedSeries::points() const {
  std::vector<RecordedPoint> all = kept_;
  if (last_ && all.size() >= kMostPoints) all.back() = *last_;
  if (last_ && all.size() < kMostPoints) all.push_back(*last_);
  return all;
}

Recorder::Recorder() : began_(Clock::now()) {
  job_.began = std::chrono::system_clock::now();
}

double Recorder::now() const {
  return std::chrono::duration<double>(Clock::now() - began_).count();
}

void Recorder::look(double at) {
  if (counters_ == nullptr) return;
  RecordedPoint point{at, figures_of(*counters_)};
  // Up to 10,000 leaves in each of 2,000 points would be memory for nothing.
  point.figures.leaf_rows = {};
  point.figures.leaf_states = {};
  series_.push(std::move(point));
}

void Recorder::mark(double at, std::string what, std::string text) {
  if (job_.marks.size() < kMostMarks) job_.marks.push_back({at, std::move(what), std::move(text)});
}

void Recorder::job_started(const std::string& /*job_id*/, const JobCounters& counters) {
  const std::lock_guard lock(mutex_);
  counters_ = &counters;
  look(now());
}

void Recorder::stage_started(std::string_view stage) {
  const std::lock_guard lock(mutex_);
  const double at = now();
  open_stages_.push_back(job_.stages.size());
  job_.stages.push_back(
      {std::string(stage), open_stages_.size() - 1, at, std::nullopt, "interrupted"});
  look(at);
}

void Recorder::stage_finished(const StageSummary& stage) {
  const std::lock_guard lock(mutex_);
  const double at = now();
  look(at);
  if (open_stages_.empty()) return;
  RecordedStage& record = job_.stages[open_stages_.back()];
  open_stages_.pop_back();
  record.ended = at;
  record.status = stage.status;
}

void Recorder::issue_found(const Issue& issue) {
  if (issue.severity != Severity::critical && issue.severity != Severity::error) return;
  const std::lock_guard lock(mutex_);
  mark(now(), issue.code, issue.message);
}

void Recorder::gate_reached(std::string_view stage, bool is_waiting) {
  const std::lock_guard lock(mutex_);
  mark(
      now(), "gate",
      fmt::format("the gate of {} {}", stage, is_waiting ? "waits for a person" : "was confirmed"));
}

void Recorder::sampled(const WatchSample& sample) {
  const std::lock_guard lock(mutex_);
  look(now());
  if (!sample.thresholds.empty()) job_.thresholds = sample.thresholds;
  for (const WaitCount& wait : sample.waits) {
    const auto known =
        std::find_if(job_.waits.begin(), job_.waits.end(), [&](const RecordedWait& each) {
          return each.side == wait.side && each.event == wait.event;
        });
    if (known != job_.waits.end()) {
      known->sessions += wait.sessions;
    } else if (job_.waits.size() < kMostWaits) {
      job_.waits.push_back({wait.side, wait.event, wait.sessions});
    }
  }
}

void Recorder::threshold_changed(const ThresholdState& threshold) {
  const std::lock_guard lock(mutex_);
  const std::string value = threshold.value ? fmt::format("{:.4g}", *threshold.value) : "unknown";
  mark(now(), name_of(threshold.measure),
       fmt::format("{} {} its limit: {} of {:.4g}, action {}{}{}", name_of(threshold.measure),
                   threshold.is_crossed ? "crossed" : "is back within", value, threshold.limit,
                   name_of(threshold.action), threshold.detail.empty() ? "" : "; ",
                   threshold.detail));
}

RecordedJob Recorder::recorded() const {
  const std::lock_guard lock(mutex_);
  RecordedJob job = job_;
  job.seconds = now();
  job.points = series_.points();
  return job;
}

}  // namespace pgfanout
