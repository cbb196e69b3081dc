// Keeps what happened while a job ran, for its report: stages, a bounded series of its counters,
// thresholds, gates, and what the servers' sessions waited for.
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
  std::optional<double> ended;  ///< Absent: it never came to its end.
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
  std::uint64_t sessions = 0;  ///< Summed over all looks.
};

struct RecordedJob {
  std::chrono::system_clock::time_point began;
  double seconds = 0;
  std::vector<RecordedStage> stages;  ///< In the order in which they began.
  std::vector<RecordedPoint> points;
  std::vector<RecordedMark> marks;
  std::vector<ThresholdState> thresholds;  ///< At the last look.
  std::vector<RecordedWait> waits;
};

/// A series that never has more than `kMostPoints`: when it is full every other point goes, and
/// later ones come half as often.
class BoundedSeries {
 public:
  static constexpr std::size_t kMostPoints = 2000;

  void push(RecordedPoint point);
  /// With the last point that was pushed.
  [[nodiscard]] std::vector<RecordedPoint> points() const;

 private:
  std::vector<RecordedPoint> kept_;
  std::optional<RecordedPoint> last_;  ///< Unless it is kept.
  double least_apart_ = 0;
};

class Recorder : public Observer {
 public:
  Recorder();

  void job_started(const std::string& job_id, const JobCounters& counters) override;
  void stage_started(std::string_view stage) override;
  void stage_finished(const StageSummary& stage) override;
  void issue_found(const Issue& issue) override;
  void gate_reached(std::string_view stage, bool is_waiting) override;
  void sampled(const WatchSample& sample) override;
  void threshold_changed(const ThresholdState& threshold) override;

  /// Once the job has returned.
  [[nodiscard]] RecordedJob recorded() const;

 private:
  [[nodiscard]] double now() const;
  // These need mutex_.
  void look(double at);
  void mark(double at, std::string what, std::string text);

  const std::chrono::steady_clock::time_point began_;
  mutable std::mutex mutex_;  // A job's callbacks come from two threads.
  RecordedJob job_;
  BoundedSeries series_;
  std::vector<std::size_t> open_stages_;
  const JobCounters* counters_ = nullptr;
};

}  // namespace pgfanout
