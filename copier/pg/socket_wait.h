// Waiting for a connection's socket in short steps, so that a cancellation is seen within 100 ms
// and a stalled link at all.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "copier/pg/connection.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// How long was waited: for the caller, and for a counter that other threads read.
struct WaitTime {
  std::chrono::nanoseconds own{0};
  std::atomic<std::uint64_t>* total = nullptr;

  void add(std::chrono::nanoseconds time) {
    own += time;
    if (total != nullptr) {
      total->fetch_add(static_cast<std::uint64_t>(time.count()), std::memory_order_relaxed);
    }
  }
};

/// Waits until the socket has input, or takes output, and lets libpq have it. An error of code
/// "cancelled" when the cancellation, if there is one, was set meanwhile. `waited` is brought up to
/// date at each step.
Result<void> wait_for_input(Connection& connection, const Cancellation* cancellation,
                            WaitTime* waited = nullptr);

}  // namespace pgfanout
