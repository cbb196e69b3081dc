// Figures that need earlier readings: how far a standby lags in time, and how many checkpoints a
// minute had. Pure: time is given.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <utility>

namespace pgfanout {

/// Where the WAL's end was, and when. A standby's lag is how long ago it was where the standby is
/// now: also right when the standby says nothing any more.
class WalHistory {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  void note(Moment now, std::int64_t position);
  /// 0 for one that has all there was; what is older than the history counts from its begin.
  [[nodiscard]] double seconds_behind(Moment now, std::int64_t replayed) const;

 private:
  std::deque<std::pair<Moment, std::int64_t>> ends_;  // positions grow
};

/// Counts of a counter within the last minute.
class LastMinute {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  /// Returns by how much the counter has grown within a minute. A counter that was reset starts
  /// from zero.
  std::int64_t note(Moment now, std::int64_t counter);

 private:
  std::deque<std::pair<Moment, std::int64_t>> counts_;
};

}  // namespace pgfanout
