#include "copier/watch/speed_control.h"

#include <algorithm>

namespace pgfanout {
namespace {

/// A change of speed shows in the measures some seconds later.
constexpr int kLooksBetweenSteps = 3;
constexpr double kAfterPause = 0.25;

}  // namespace

void SpeedControl::step(double factor) {
  share_ = std::clamp(share_ * factor, kLeastShare, 1.0);
  looks_ = 0;
}

void SpeedControl::look(WatchAction action, Moment now) {
  ++looks_;
  if (action == WatchAction::pause) {
    if (!paused_since_) paused_since_ = now;
    share_ = 0;
  } else {
    paused_since_.reset();
    if (share_ <= 0) {
      share_ = kAfterPause;
      looks_ = 0;
    }
    const bool is_slow = action == WatchAction::slow;
    const bool is_new = is_slow && last_ != WatchAction::slow && last_ != WatchAction::pause;
    if (is_new || looks_ >= kLooksBetweenSteps) step(is_slow ? 0.5 : 2);
  }
  last_ = action;
}

}  // namespace pgfanout
