// Which limits of a job are crossed, and what that asks for, look by look. Pure: readings and times
// are given.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "copier/watch/reading.h"
#include "copier/watch/speed_control.h"
#include "copier/watch/threshold_rules.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Percent of the rows read that were set aside; absent before there are enough to say.
[[nodiscard]] std::optional<double> error_share(std::uint64_t read, std::uint64_t rejected);

/// --reject-limit says how many rows may be set aside: the profile's own limit is not below it.
void fit_errors(const RejectLimit& reject_limit, ThresholdRule& rule);

class LimitWatch {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  struct Judgement {
    std::vector<ThresholdState> states;   ///< Of every limit.
    std::vector<ThresholdState> changed;  ///< Crossed by now, or no longer.
    std::optional<Error> stop;            ///< The job must end, resumably.
    bool stops_at_once = false;           ///< Not at the next good place: an epoch would not fit.
    double share = 1;                     ///< Of the time in which the job may work.
  };

  /// `job` outlives it.
  explicit LimitWatch(const JobDescription& job);

  /// The size of the target's disk, the first time that it is known: the profile's limit is no
  /// limit for a disk that is hardly larger.
  void fit_disk(double size);
  [[nodiscard]] std::vector<ThresholdRule> rules() const;
  /// About once a second. While the job swaps, nothing slows, pauses or stops it.
  [[nodiscard]] Judgement look(const std::map<Measure, Reading>& readings, bool swaps, Moment now);
  /// One issue for each limit that was crossed since the job began.
  [[nodiscard]] std::vector<Issue> crossings() const;

 private:
  /// A limit, and the worst that was seen of it.
  struct Limit {
    Hysteresis hysteresis;
    std::optional<double> worst = {};
    std::string detail = {};
    int crossings = 0;

    void note(const ThresholdState& state, bool is_new);
  };

  [[nodiscard]] Error stopped_by(const ThresholdState& state) const;
  [[nodiscard]] Error paused_too_long() const;

  const JobDescription& job_;
  bool knows_disk_ = false;
  std::vector<Limit> limits_;
  SpeedControl speed_;
};

}  // namespace pgfanout
