// How fast the job may go, from what its thresholds ask for. Pure: time is given.
#pragma once

#include <chrono>
#include <optional>

#include "pgfanout/watch.h"

namespace pgfanout {

class SpeedControl {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  /// A pause keeps a snapshot and locks; one that lasts longer must end the job.
  static constexpr std::chrono::minutes kLongestPause{30};
  static constexpr double kLeastShare = 0.1;

  /// About once a second, with the strongest action that is asked for now.
  void look(WatchAction action, Moment now);
  /// Share of the time in which the job works.
  [[nodiscard]] double share() const { return share_; }
  [[nodiscard]] bool is_paused_too_long(Moment now) const {
    return paused_since_ && now - *paused_since_ > kLongestPause;
  }

 private:
  void step(double factor);

  double share_ = 1;
  int looks_ = 0;  // since the last step
  WatchAction last_ = WatchAction::off;
  std::optional<Moment> paused_since_;
};

}  // namespace pgfanout
