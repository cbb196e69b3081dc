// The limits of a job: which are crossed, and how the job's speed reacts, sample by sample. Pure:
// readings and times are given, samples are about a second apart.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"
#include "pgfanout/watch.h"

namespace pgfanout {

/// A measure at one moment.
struct Reading {
  std::optional<double> value;
  std::string detail;  ///< Its subject, or why there is no value.
};

/// One measure's limit, with all absent parts filled in.
struct ThresholdRule {
  Measure measure = Measure::cpu;
  double limit = 0;
  WatchAction action = WatchAction::warn;
  bool is_asked_for = false;  ///< By the user, not by the profile alone.
};

/// One rule for each measure, in the order of Measure.
[[nodiscard]] std::vector<ThresholdRule> rules_of(const WatchRequest& request);

/// --reject-limit says how many rows may be set aside: the profile's own limit is not below it.
void fit_errors(const RejectLimit& reject_limit, ThresholdRule& rule);

/// Percent of the rows read that were set aside; absent below 1,000 rows.
[[nodiscard]] std::optional<double> error_share(std::uint64_t read, std::uint64_t rejected);

/// Whether a limit is crossed. It is once some samples in a row are beyond the limit, and no longer
/// once several in a row are a tenth back, or half a minute's have no value.
class Hysteresis {
 public:
  explicit Hysteresis(ThresholdRule rule) : rule_(rule) {}
  /// Returns whether is_crossed() has changed.
  bool add(std::optional<double> value);
  [[nodiscard]] bool is_crossed() const { return is_crossed_; }
  [[nodiscard]] const ThresholdRule& rule() const { return rule_; }

 private:
  ThresholdRule rule_;
  bool is_crossed_ = false;
  int beyond_ = 0;   // samples in a row
  int back_ = 0;     // the same
  int unknown_ = 0;  // the same
};

/// How fast the job may go.
class SpeedControl {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  /// A pause keeps a snapshot and locks; a longer one must end the job.
  static constexpr std::chrono::minutes kLongestPause{30};
  static constexpr double kLeastShare = 0.1;

  /// Takes the strongest action of this sample.
  void add(WatchAction action, Moment now);
  /// Share of the time in which the job works.
  [[nodiscard]] double share() const { return share_; }
  [[nodiscard]] bool is_paused_too_long(Moment now) const {
    return paused_since_ && now - *paused_since_ > kLongestPause;
  }

 private:
  double share_ = 1;
  int samples_ = 0;  // since the last step
  WatchAction last_ = WatchAction::off;
  std::optional<Moment> paused_since_;
};

class LimitWatch {
 public:
  using Moment = SpeedControl::Moment;

  struct Judgement {
    std::vector<ThresholdState> states;   ///< Of every limit.
    std::vector<ThresholdState> changed;  ///< Those crossed since the last sample, or no longer.
    std::optional<Error> stop;            ///< The job must end, resumably.
    bool stops_at_once = false;           ///< Not at the end of the epoch: that would not fit.
    double share = 1;                     ///< Of the time in which the job may work.
    double memory_share = 1;              ///< Of its memory for row data.
  };

  /// `job` outlives it.
  explicit LimitWatch(const JobDescription& job);

  /// Takes the size of the target's disk; only the first call counts. The profile's limit of free
  /// space is at most 5 % of it.
  void fit_disk(double size);
  [[nodiscard]] std::vector<ThresholdRule> rules() const;
  /// While the job swaps, nothing slows, pauses or stops it.
  [[nodiscard]] Judgement judge(const std::map<Measure, Reading>& readings, bool swaps, Moment now);
  /// One issue for each limit that was crossed since the job began.
  [[nodiscard]] std::vector<Issue> crossings() const;

 private:
  /// A limit and its worst reading.
  struct Limit {
    Hysteresis hysteresis;
    std::optional<double> worst = {};
    std::string detail = {};
    int crossings = 0;
  };
  const JobDescription& job_;
  bool knows_disk_ = false;
  std::vector<Limit> limits_;
  SpeedControl speed_;
};

}  // namespace pgfanout
