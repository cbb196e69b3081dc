// The one way to let time pass: in short steps, so that a cancellation is noticed.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "pgfanout/cancellation.h"

namespace pgfanout {

/// Waits for `time`, or until shortly after `is_over` says so.
inline void pause_for(
    std::chrono::nanoseconds time, const std::function<bool()>& is_over = [] { return false; }) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::nanoseconds kStep = std::chrono::milliseconds(10);
  const auto until = Clock::now() + time;
  while (!is_over()) {
    const std::chrono::nanoseconds left = until - Clock::now();
    if (left.count() <= 0) return;
    std::this_thread::sleep_for(std::min(left, kStep));
  }
}

/// The same, until shortly after the cancellation is set.
inline void pause_unless(const Cancellation& cancellation, std::chrono::nanoseconds time) {
  pause_for(time, [&cancellation] { return cancellation.is_set(); });
}

/// Signature of pause_for(): a test that must not wait passes its own function.
using Pause = std::function<void(std::chrono::nanoseconds, const std::function<bool()>& is_over)>;

/// Pauses that double, from `first` to `longest`.
class Backoff {
 public:
  constexpr Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest)
      : next_(first), longest_(longest) {}
  constexpr std::chrono::milliseconds next() {
    return std::exchange(next_, std::min(2 * next_, longest_));
  }

 private:
  std::chrono::milliseconds next_;
  std::chrono::milliseconds longest_;
};

}  // namespace pgfanout
