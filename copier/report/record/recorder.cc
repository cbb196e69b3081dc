#include "copier/report/record/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace pgfanout {
namespace {

constexpr std::size_t kMostMarks = 500;
constexpr std::size_t kMostWaits = 200;

double growth(const RecordedPoint& from, const RecordedPoint& to, Counter counter) {
  const std::uint64_t before = from.figures.*counter;
  const std::uint64_t after = to.figures.*counter;
  return static_cast<double>(after >= before ? after - before : after);
}

}  // namespace

void BoundedSeries::push(RecordedPoint point) {
  if (!kept_.empty() && point.at - kept_.back().at < least_apart_) {
    last_ = std::move(point);
    return;
  }
  last_.reset();
  if (kept_.size() >= kMostPoints) {
    for (std::size_t to = 1; to < kMostPoints / 2; ++to) kept_[to] = std::move(kept_[2 * to]);
    kept_.resize(kMostPoints / 2);
    least_apart_ = (kept_.back().at - kept_.front().at) / static_cast<double>(kept_.size() - 1);
  }
  kept_.push_back(std::move(point));
}

std::vector<RecordedPoint> BoundedSeries::points() const {
  std::vector<RecordedPoint> all = kept_;
  if (!last_) return all;
  if (all.size() >= kMostPoints) all.pop_back();
  all.push_back(*last_);
  return all;
}

double Recorder::now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
}

void Recorder::add_point(double at) {
  if (counters_ == nullptr) return;
  RecordedPoint point{at, figures_of(*counters_)};
  // Nothing shows the leaves over time: 10,000 of them in 2,000 points would waste memory.
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
  add_point(now());
}

void Recorder::stage_started(std::string_view stage) {
  const std::lock_guard lock(mutex_);
  const double at = now();
  open_stages_.push_back(job_.stages.size());
  job_.stages.push_back(
      {std::string(stage), open_stages_.size() - 1, at, std::nullopt, "interrupted"});
  add_point(at);
}

void Recorder::stage_finished(const StageSummary& stage) {
  const std::lock_guard lock(mutex_);
  const double at = now();
  add_point(at);
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
  add_point(now());
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

void Recorder::wait_changed(const SessionWait& wait, WaitChange change) {
  if (change == WaitChange::lasts) return;
  const std::lock_guard lock(mutex_);
  mark(now(), "session_wait",
       fmt::format("a wait for {} {}, after {:.0f} s{}{}", wait.what, name_of(change), wait.seconds,
                   wait.detail.empty() ? "" : "; ", wait.detail));
}

RecordedJob Recorder::recorded() const {
  const std::lock_guard lock(mutex_);
  RecordedJob job = job_;
  job.seconds = now();
  job.points = series_.points();
  return job;
}

std::size_t piece_count(double seconds) {
  return static_cast<std::size_t>(std::clamp(std::ceil(seconds), 8.0, 120.0));
}

std::vector<double> rates_of(const RecordedJob& job, Counter counter, std::size_t pieces) {
  std::vector<double> rates(pieces, 0.0);
  if (pieces == 0 || !(job.seconds > 0)) return rates;
  const double each = job.seconds / static_cast<double>(pieces);
  for (std::size_t at = 1; at < job.points.size(); ++at) {
    const RecordedPoint& from = job.points[at - 1];
    const RecordedPoint& to = job.points[at];
    const double grown = growth(from, to, counter);
    if (!(grown > 0)) continue;
    const double length = std::max(to.at - from.at, 1e-9);
    const auto piece_at = [&](double moment) {
      return std::min(static_cast<std::size_t>(std::max(moment, 0.0) / each), pieces - 1);
    };
    for (std::size_t piece = piece_at(from.at); piece <= piece_at(to.at); ++piece) {
      const double begins = static_cast<double>(piece) * each;
      // The last piece takes what comes after it, too.
      const double ends = piece + 1 == pieces ? std::max(to.at, job.seconds) : begins + each;
      const double common = std::min(to.at, ends) - std::max(from.at, begins);
      const double share = length <= 1e-9 ? 1.0 : std::clamp(common / length, 0.0, 1.0);
      rates[piece] += grown * share / each;
    }
  }
  return rates;
}

double total_of(const RecordedJob& job, Counter counter) {
  double total = 0;
  for (std::size_t at = 1; at < job.points.size(); ++at) {
    total += growth(job.points[at - 1], job.points[at], counter);
  }
  return total;
}

}  // namespace pgfanout
