// The first error of a pipeline, which stops all of it. Thread-safe.
#pragma once

#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "copier/base/caught.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

class Stop {
 public:
  /// `user` is the user's own request to stop; it outlives this object.
  explicit Stop(const Cancellation& user) : user_(user) {}

  /// Keeps the first error; later ones are mostly its consequences.
  void record(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    stopping_.set();
  }
  /// Runs all of a thread's work: the error that it returns or throws stops the pipeline. `who`
  /// names the thread.
  template <class Work>
  void guard(std::string_view who, Work&& work) noexcept {
    auto done = run_caught(who, std::forward<Work>(work));
    if (!done) record(std::move(done).error());
  }
  /// True once an error was recorded. Sees the user's request and records it.
  [[nodiscard]] bool is_set() {
    if (!stopping_.is_set() && user_.is_set()) {
      record(interrupted("cancelled", "stopped on request"));
    }
    return stopping_.is_set();
  }
  [[nodiscard]] std::optional<Error> error() const {
    const std::lock_guard lock(mutex_);
    return error_;
  }
  /// Set as soon as anything has stopped the pipeline: for those who wait on sockets.
  [[nodiscard]] const Cancellation& flag() const { return stopping_; }

 private:
  const Cancellation& user_;
  Cancellation stopping_;
  mutable std::mutex mutex_;
  std::optional<Error> error_;  // guarded by mutex_
};

}  // namespace pgfanout
