// How fast the readers of a job read: set by the job's watcher, obeyed by each reader between two
// batches. Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include "copier/base/pause.h"
#include "copier/base/stop.h"
#include "pgfanout/watch.h"

namespace pgfanout {

class Pace {
 public:
  /// Share of the time in which readers work: 1 is full speed, 0 a pause.
  void set_share(double share) {
    share_.store(std::clamp(share, 0.0, 1.0), std::memory_order_relaxed);
  }
  [[nodiscard]] double share() const { return share_.load(std::memory_order_relaxed); }
  [[nodiscard]] Speed speed() const {
    return share() >= 1 ? Speed::full : share() > 0 ? Speed::slow : Speed::paused;
  }

  /// Share of its memory for row data that a job may hold.
  void set_memory_share(double share) { memory_share_.store(share, std::memory_order_relaxed); }
  [[nodiscard]] double memory_share() const {
    return memory_share_.load(std::memory_order_relaxed);
  }

  /// Waits as long as the present share asks for behind `worked`: nothing at full speed, for the
  /// rest of the time when slow, until the pause ends when paused. Ends soon after `stop` is set.
  /// Returns how long it has waited.
  std::chrono::nanoseconds hold(std::chrono::nanoseconds worked, Stop& stop) const {
    return hold_until(worked, [&stop] { return stop.is_set(); });
  }

  /// The same; ends soon after `is_over` says so.
  std::chrono::nanoseconds hold_until(std::chrono::nanoseconds worked,
                                      const std::function<bool()>& is_over) const {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::nanoseconds kStep = std::chrono::milliseconds(20);
    if (share() >= 1) return {};
    const Clock::time_point began = Clock::now();
    while (!is_over()) {
      const double now = share();
      const auto waited = Clock::now() - began;
      if (now >= 1) break;
      auto left = kStep;
      if (now > 0) {
        const double owed = static_cast<double>(worked.count()) * (1 / now - 1);
        left = std::chrono::nanoseconds(static_cast<std::int64_t>(owed)) - waited;
        if (left.count() <= 0) break;
      }
      pause_for(std::min(left, kStep), is_over);
    }
    return Clock::now() - began;
  }

 private:
  std::atomic<double> share_{1};
  std::atomic<double> memory_share_{1};
};

}  // namespace pgfanout
