// The first error of a pipeline, which stops all of it. Thread-safe.
#pragma once

#include <exception>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

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
  /// Runs all of a thread's work: the error that it returns or throws stops the pipeline.
  template <class Work>
  void guard(Work&& work) noexcept {
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
        std::forward<Work>(work)();
      } else if (Result<void> done = std::forward<Work>(work)(); !done) {
        record(std::move(done).error());
      }
    } catch (const std::exception& failure) {
      record(interrupted("internal", failure.what()));
    }
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
