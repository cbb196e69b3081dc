// A request to stop: set by a signal, a threshold or the first error. Thread-safe, and set() may be
// called from a signal handler.
#pragma once

#include <atomic>

namespace pgfanout {

class Cancellation {
 public:
  /// With `at_once`, this one asks for a stop at the next good place (the end of an epoch), the
  /// other for a stop now. `at_once` outlives this object; without it the two are the same.
  /// `also` is a further request for the same stop, such as that of the caller who began the job;
  /// it outlives this, too.
  explicit Cancellation(const Cancellation* at_once = nullptr, const Cancellation* also = nullptr)
      : at_once_(at_once), also_(also) {}

  void set() noexcept { set_.store(true, std::memory_order_release); }
  [[nodiscard]] bool is_set() const noexcept {
    return set_.load(std::memory_order_acquire) || (at_once_ != nullptr && at_once_->is_set()) ||
           (also_ != nullptr && also_->is_set());
  }
  /// The flag for work that can be finished soon.
  [[nodiscard]] const Cancellation& at_once() const noexcept {
    return at_once_ == nullptr ? *this : *at_once_;
  }

 private:
  std::atomic<bool> set_{false};
  const Cancellation* at_once_;
  const Cancellation* also_;
  static_assert(std::atomic<bool>::is_always_lock_free);
};

}  // namespace pgfanout
