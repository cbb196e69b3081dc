// Limits, and when one counts as crossed. Pure: values come from elsewhere.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "pgfanout/watch.h"

namespace pgfanout {

inline constexpr std::array<Measure, 7> kMeasures = {
    Measure::cpu,         Measure::memory,    Measure::errors,     Measure::lock_wait,
    Measure::replica_lag, Measure::disk_free, Measure::checkpoints};

/// One measure's limit, with all that was left out filled in.
struct ThresholdRule {
  Measure measure = Measure::cpu;
  double limit = 0;
  WatchAction action = WatchAction::warn;
  bool is_asked_for = false;  ///< By the user, not by the profile alone.
};

/// One rule a measure, in the order of kMeasures.
[[nodiscard]] std::vector<ThresholdRule> rules_of(const WatchRequest& request);

/// Whether `value` is on the wrong side of the limit.
[[nodiscard]] bool is_beyond(const ThresholdRule& rule, double value);

/// "95 %", "1.5 GB", "7.2 s", "3 a minute".
[[nodiscard]] std::string amount_of(Measure measure, double value);
/// "host CPU".
[[nodiscard]] const char* words_for(Measure measure);

/// Whether a limit is crossed, look by look. Crossed: beyond the limit for some looks in a row.
/// No longer: a tenth back for several, or not to be measured for half a minute.
class Hysteresis {
 public:
  explicit Hysteresis(ThresholdRule rule) : rule_(rule) {}
  /// About once a second. Returns whether is_crossed() has changed.
  bool look(std::optional<double> value);
  [[nodiscard]] bool is_crossed() const { return is_crossed_; }
  [[nodiscard]] const ThresholdRule& rule() const { return rule_; }

 private:
  [[nodiscard]] bool is_well_back(double value) const;

  ThresholdRule rule_;
  bool is_crossed_ = false;
  int beyond_ = 0;   // looks in a row
  int back_ = 0;     // the same
  int unknown_ = 0;  // the same
};

}  // namespace pgfanout
