// How long the rest of a job takes: the rest of the running part by its measured rate, later parts
// by their estimates, which are corrected by what earlier ones took. Always a span. Pure: time is
// given.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pgfanout/job_result.h"

namespace pgfanout {

/// Seconds, best and worst case.
struct Span {
  double low = 0;
  double high = 0;
};

class TimeLeft {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  /// Of an estimate, either way.
  static constexpr double kEstimateSpread = 0.3;
  /// Of a measured rate, beside what it wanders.
  static constexpr double kRateSpread = 0.1;
  /// Of a copy, the part that sends rows; the other reads them back.
  static constexpr double kLoadShare = 0.75;

  /// All parts of the job, in order. A copy is two of them, "load" and "read-back".
  explicit TimeLeft(std::vector<std::string> parts);
  /// Of stages; "copy" is for both of its parts. Others than the job's own are left out.
  void set_estimates(const std::vector<StageEstimate>& estimates);

  void begin(std::string_view part, Moment now);
  /// Of the part that runs, 0 to 1.
  void progress(double fraction, Moment now);
  void end(std::string_view part, Moment now);

  /// Of all that is not done; absent if anything of it is not known at all.
  [[nodiscard]] std::optional<Span> left(Moment now) const;
  /// Of one part from here on, if it is known.
  [[nodiscard]] std::optional<Span> left_of(std::string_view part, Moment now) const;
  [[nodiscard]] std::optional<double> estimate_of(std::string_view part) const;

 private:
  struct Part {
    std::string name;
    std::optional<double> estimate;  // seconds
    std::optional<double> took;
    std::optional<Moment> began;
    bool is_done = false;
  };
  [[nodiscard]] Part* find(std::string_view name);
  [[nodiscard]] const Part* find(std::string_view name) const;
  [[nodiscard]] std::optional<Span> projected(const Part& part, Moment now) const;
  [[nodiscard]] std::optional<Span> left_of(const Part& part, Moment now) const;
  [[nodiscard]] double correction(Moment now) const;

  std::vector<Part> parts_;
  std::deque<std::pair<Moment, double>> samples_;  // of the part that runs
};

/// Of estimates alone.
[[nodiscard]] Span span_of(const std::vector<StageEstimate>& estimates);

}  // namespace pgfanout
