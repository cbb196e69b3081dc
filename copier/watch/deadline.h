// The deadline of a job: how long the rest takes, whether the deadline will be met, until when the
// job can still be undone before it, and when to stop for it. Times are given; nothing here reads a
// clock or is thread-safe.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"
#include "pgfanout/watch.h"

namespace pgfanout {

using ClockTime = std::chrono::system_clock::time_point;

/// One moment by both clocks.
struct TimePoint {
  std::chrono::steady_clock::time_point steady;
  ClockTime clock;
};

/// Seconds, best and worst case.
struct Span {
  double low = 0;
  double high = 0;
};

/// The sum of estimates, with their spread.
[[nodiscard]] Span span_of(const std::vector<StageEstimate>& estimates);

/// How long the rest of a job takes: the rest of the running part by its measured rate, later parts
/// by their estimates, corrected by the time that earlier ones took.
class TimeLeft {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// All parts of the job, in order. A copy is two of them, "load" and "read-back".
  explicit TimeLeft(std::vector<std::string> parts);
  /// Estimates of stages; "copy" is for both of its parts. Those of other jobs are ignored.
  void set_estimates(const std::vector<StageEstimate>& estimates);

  void begin(std::string_view part, Moment now);
  /// Of the part that runs, 0 to 1.
  void progress(double fraction, Moment now);
  void end(std::string_view part, Moment now);

  /// Of all that is not done; absent if any of it is unknown.
  [[nodiscard]] std::optional<Span> left(Moment now) const;
  /// Of one part from here on, if it is known.
  [[nodiscard]] std::optional<Span> left_of(std::string_view part, Moment now) const;

 private:
  struct Part {
    std::string name;
    std::optional<double> estimate;  // seconds
    std::optional<double> took;
    std::optional<Moment> began;
    bool is_done = false;
  };
  template <class Parts>
  static auto find(Parts& parts, std::string_view name) -> decltype(parts.data());
  [[nodiscard]] std::optional<Span> projected(const Part& part, Moment now) const;
  [[nodiscard]] std::optional<double> total_of(const Part& part, Moment now) const;
  [[nodiscard]] std::optional<Span> left_of(const Part& part, Moment now) const;
  [[nodiscard]] double correction(Moment now) const;

  std::vector<Part> parts_;
  std::deque<std::pair<Moment, double>> samples_;  // of the part that runs
};

/// The cost of undoing the job.
struct TurningBack {
  bool is_fenced = false;         ///< Writes are refused: there is something to undo.
  bool is_swapping = false;       ///< From here on a rollback compares both tables first.
  std::optional<double> seconds;  ///< How long it takes; absent: not known.
  std::string how;                ///< "'pgfanout rollback'".
};

/// `left` is the rest of the job; absent: not known.
[[nodiscard]] DeadlineState judge_deadline(ClockTime finish_by, ClockTime now,
                                           const std::optional<Span>& left,
                                           const TurningBack& back);

/// "04:00" by this host's clock, with the day if it is not that of `now`.
[[nodiscard]] std::string clock_text(ClockTime time, ClockTime now);

/// The part of the job that the innermost of these open stages belongs to; "copy" for the stage of
/// a window that holds two parts; empty: none.
[[nodiscard]] std::string part_of(std::string_view command, const std::vector<std::string>& stages);

[[nodiscard]] bool is_open(const std::vector<std::string>& stages, std::string_view stage);

/// Follows the stages of one job.
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
  DeadlineState judge(const std::vector<std::string>& stages, const JobCounters& counters,
                      TimePoint now);
  /// With --stop-at-deadline: whether to stop now. `soon` leaves time to finish the epoch.
  [[nodiscard]] Stop must_stop(const std::vector<std::string>& stages, TimePoint now) const;
  [[nodiscard]] Error stopped(TimePoint now) const;

 private:
  [[nodiscard]] TurningBack turning_back(bool is_swapping) const;

  const JobDescription& job_;
  const ClockTime finish_by_;
  const std::string command_;
  TimeLeft left_;
  std::optional<double> compare_seconds_;  // of both sides, by the estimates
  bool is_fenced_ = false;
  std::uint64_t epochs_done_ = 0;
  std::size_t leaves_;  ///< As asked for, until the board has them.
  std::optional<std::chrono::steady_clock::time_point> epoch_began_;
  double epoch_seconds_ = 0;  // of the last one that ended
};

}  // namespace pgfanout
