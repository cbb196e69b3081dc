// Waits for locks of others, each of which may take many short attempts. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace pgfanout {

class LockWaits {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  struct Wait {
    Moment since;
    std::string blockers;  ///< In words; empty until an attempt has failed.
  };

  /// `waiter` tells the waits apart. The first call for it begins its wait.
  void note(const void* waiter, Moment since, std::string blockers) {
    const std::lock_guard lock(mutex_);
    Wait& wait = waits_.try_emplace(waiter, Wait{since, {}}).first->second;
    wait.blockers = std::move(blockers);
  }
  void end(const void* waiter) {
    const std::lock_guard lock(mutex_);
    waits_.erase(waiter);
  }
  /// Absent: nothing waits.
  [[nodiscard]] std::optional<Wait> longest() const {
    const std::lock_guard lock(mutex_);
    std::optional<Wait> found;
    for (const auto& [waiter, wait] : waits_) {
      if (!found || wait.since < found->since) found = wait;
    }
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::map<const void*, Wait> waits_;  // guarded by mutex_
};

}  // namespace pgfanout
