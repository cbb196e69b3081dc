// The record of a job, for its report: stages, a bounded series of its counters, thresholds, gates,
// and the waits of the servers' sessions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/report/record/figures.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Times are seconds since the job began.
struct RecordedStage {
  std::string name;
  std::size_t depth = 0;  ///< 1 and more: part of the stage before it that is less deep.
  double began = 0;
  std::optional<double> ended;  ///< Absent: it did not finish.
  std::string status;
};

struct RecordedPoint {
  double at = 0;
  Figures figures;  ///< Without its leaves.
};

/// Something that happened at one moment.
struct RecordedMark {
  double at = 0;
  std::string what;  ///< "cpu", "gate": short.
  std::string text;  ///< A sentence.
};

struct RecordedWait {
  std::string side;
  std::string event;
  std::uint64_t sessions = 0;  ///< Summed over all samples.
};

struct RecordedJob {
  std::chrono::system_clock::time_point began = std::chrono::system_clock::now();
  double seconds = 0;
  std::vector<RecordedStage> stages;  ///< In the order in which they began.
  std::vector<RecordedPoint> points;
  std::vector<RecordedMark> marks;
  std::vector<ThresholdState> thresholds;  ///< Of the last sample.
  std::vector<RecordedWait> waits;
};

/// A series of at most `kMostPoints`: when it is full, every other point is dropped, and later ones
/// are kept half as often.
class BoundedSeries {
 public:
  static constexpr std::size_t kMostPoints = 2000;

  void push(RecordedPoint point);
  /// The last one is always the point that was pushed last.
  [[nodiscard]] std::vector<RecordedPoint> points() const;

 private:
  std::vector<RecordedPoint> kept_;
  std::optional<RecordedPoint> last_;  ///< Unless it is kept.
  double least_apart_ = 0;
};

using Counter = std::uint64_t Figures::*;

/// Pieces of the job's time that a rate is computed for: about one a second, from 8 to 120.
[[nodiscard]] std::size_t piece_count(double seconds);
/// The counter's growth per second in each of `pieces` equal pieces of the job's time. Growth
/// between two points is spread evenly over the time between them; a counter that went back was
/// reset.
[[nodiscard]] std::vector<double> rates_of(const RecordedJob& job, Counter counter,
                                           std::size_t pieces);
/// The counter's growth over the whole job.
[[nodiscard]] double total_of(const RecordedJob& job, Counter counter);

class Recorder : public Observer {
 public:
  void job_started(const std::string& job_id, const JobCounters& counters) override;
  void stage_started(std::string_view stage) override;
  void stage_finished(const StageSummary& stage) override;
  void issue_found(const Issue& issue) override;
  void gate_reached(std::string_view stage, bool is_waiting) override;
  void sampled(const WatchSample& sample) override;
  void threshold_changed(const ThresholdState& threshold) override;
  void wait_changed(const SessionWait& wait, WaitChange change) override;

  /// Once the job has returned.
  [[nodiscard]] RecordedJob recorded() const;

 private:
  /// Seconds since the job began.
  [[nodiscard]] double now() const;
  // Both need mutex_.
  void add_point(double at);
  void mark(double at, std::string what, std::string text);

  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;  // A job's callbacks come from two threads.
  RecordedJob job_;
  BoundedSeries series_;
  std::vector<std::size_t> open_stages_;
  const JobCounters* counters_ = nullptr;
};

}  // namespace pgfanout
