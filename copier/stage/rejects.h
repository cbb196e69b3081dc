// Rows that cannot go in: counted, and kept up to a limit. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pgfanout/result.h"

namespace pgfanout {

/// One row of the source that has no place in the target.
struct Reject {
  std::uint32_t range = 0;
  std::uint64_t row = 0;  ///< Ordinal among the range's visible rows, in physical order.
  std::string code;       ///< "key-null", "key-overflow", "key-no-leaf", "source-expression", ...
  std::string reason;     ///< For a person.
  std::string sqlstate;   ///< If the server refused it.
  std::string ctid;       ///< Filled where known.
  std::string target_leaf = {};     ///< The leaf that would not take it, if it got that far.
  std::vector<std::uint8_t> bytes;  ///< The row's tuple as read; empty if it could not be read.
};

class Rejects {
 public:
  /// Up to `limit` rows are set aside, `earlier` ones by earlier calls included; one more is an
  /// error.
  explicit Rejects(std::uint64_t limit, std::uint64_t earlier = 0)
      : limit_(limit), earlier_(earlier) {}

  /// Sets a row aside. The error, once the limit is passed, has the row's code and reason; the row
  /// itself is kept as the last one, so that it can be located.
  Result<void> add(Reject reject);
  /// A row whose stored key is not the recomputed one: counted, the first few kept.
  void add_key_mismatch(Reject mismatch);

  [[nodiscard]] std::vector<Reject> rows() const;
  [[nodiscard]] std::vector<Reject> key_mismatches() const;
  [[nodiscard]] std::uint64_t key_mismatch_count() const;
  [[nodiscard]] bool is_over_limit() const;
  [[nodiscard]] std::uint64_t limit() const { return limit_; }
  /// The rows are in the target's database now: they count, but are not kept any more.
  void forget_rows();

 private:
  static constexpr std::size_t kMismatchesKept = 10;

  const std::uint64_t limit_;
  std::uint64_t earlier_;  // guarded by mutex_, once there are threads
  mutable std::mutex mutex_;
  std::vector<Reject> rows_;              // guarded by mutex_
  std::vector<Reject> key_mismatches_;    // guarded by mutex_
  std::uint64_t key_mismatch_count_ = 0;  // guarded by mutex_
};

}  // namespace pgfanout
