// The deadline of one job: follows its stages, says throughout whether it will be met, and when to
// stop for it. Not thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/watch/deadline.h"
#include "copier/watch/time_left.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// One moment by both clocks.
struct TimePoint {
  std::chrono::steady_clock::time_point steady;
  ClockTime clock;
};

/// The job's parts, as TimeLeft has them.
[[nodiscard]] std::vector<std::string> parts_of(std::string_view command,
                                                const JobDescription& job);
/// The part that the innermost of these open stages is; "copy" holds two; empty: none of its own.
[[nodiscard]] std::string part_of(std::string_view command, const std::vector<std::string>& stages);
/// How much of the part is done, 0 to 1; absent: nothing tells.
[[nodiscard]] std::optional<double> fraction_of(std::string_view part, const JobCounters& counters);

class JobDeadline {
 public:
  enum class Stop { none, soon, at_once };

  /// `job` outlives it and has a deadline.
  JobDeadline(const JobDescription& job, std::string_view command);

  void set_estimates(std::vector<StageEstimate> estimates);
  /// `stages`: those that are open, the outermost first, the one that begins or ends last.
  void stage_started(const std::vector<std::string>& stages, TimePoint now);
  void stage_finished(const std::vector<std::string>& stages, TimePoint now);
  /// With --stop-at-deadline: refuses what cannot end in time. Before the fence goes up, that is
  /// the whole job; later, the stage that begins.
  [[nodiscard]] Result<void> may_begin(const std::vector<std::string>& stages, TimePoint now) const;

  /// About once a second.
  DeadlineState look(const std::vector<std::string>& stages, const JobCounters& counters,
                     TimePoint now);
  /// With --stop-at-deadline: whether it is time. `soon` is early enough for what is under way to
  /// come to a good place.
  [[nodiscard]] Stop must_stop(const std::vector<std::string>& stages, TimePoint now) const;
  [[nodiscard]] Error stopped(TimePoint now) const;

 private:
  [[nodiscard]] TurningBack turning_back(bool is_swapping) const;
  void note_epochs(const JobCounters& counters, TimePoint now);

  const JobDescription& job_;
  const ClockTime finish_by_;
  const std::string command_;
  TimeLeft left_;
  std::optional<double> compare_seconds_;  // of both sides, by the estimates
  bool is_fenced_ = false;
  std::uint64_t epochs_done_ = 0;
  std::optional<std::chrono::steady_clock::time_point> epoch_began_;
  double epoch_seconds_ = 0;  // of the last one that ended
};

}  // namespace pgfanout
