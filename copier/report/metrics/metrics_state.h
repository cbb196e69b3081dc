// The state behind the metrics: the job so far, kept by its callbacks, read at each scrape.
// Thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/report/record/figures.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// One moment of it.
struct MetricsSnapshot {
  std::string command;
  std::string table;
  std::string job;  ///< Empty before there is one.
  std::chrono::system_clock::time_point began;
  std::optional<std::chrono::system_clock::time_point> ended;
  int exit_code = 0;  ///< Once it has ended.
  Figures figures;
  std::vector<std::string> leaf_names;                  ///< As many as figures.leaf_rows.
  std::vector<std::pair<std::string, double>> running;  ///< Stages and since how many seconds.
  std::vector<StageSummary> finished;
  std::vector<ThresholdState> thresholds;
  std::vector<WaitCount> waits;
  std::optional<DeadlineState> deadline;
  Speed speed = Speed::full;
  std::array<std::uint64_t, 4> issues{};  ///< By severity.
  std::string waiting_at;                 ///< Stage whose gate waits for a person.
};

class MetricsState {
 public:
  MetricsState(std::string command, std::string table);

  void start_job(const std::string& job_id, const JobCounters& counters);
  void start_stage(std::string_view stage);
  void finish_stage(const StageSummary& stage);
  void add_issue(const Issue& issue);
  void reach_gate(std::string_view stage, bool is_waiting);
  void sample(const WatchSample& sample);
  void change_threshold(const ThresholdState& threshold);
  void finish_job(const JobResult& result);

  [[nodiscard]] MetricsSnapshot snapshot() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct OpenStage {
    std::string label;
    Clock::time_point start;
  };
  /// Called with mutex_ held.
  void read_counters(MetricsSnapshot& into) const;

  mutable std::mutex mutex_;
  MetricsSnapshot known_;                  // guarded by mutex_; figures as of the last stage's end
  const JobCounters* counters_ = nullptr;  // guarded by mutex_; read only while a stage is open
  std::vector<OpenStage> open_;            // guarded by mutex_; outermost first
};

}  // namespace pgfanout
