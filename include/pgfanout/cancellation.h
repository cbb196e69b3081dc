// One flag that stops a job: set by a signal, a threshold or the first error. Thread-safe, and
// set() may be called from a signal handler.
#pragma once

#include <atomic>

namespace pgfanout {

class Cancellation {
 public:
  void set() noexcept { set_.store(true, std::memory_order_release); }
  [[nodiscard]] bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> set_{false};
  static_assert(std::atomic<bool>::is_always_lock_free);
};

}  // namespace pgfanout
