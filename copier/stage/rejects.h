// Rows that cannot be written: counted, and kept up to a limit. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/base/guarded.h"
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
  std::string target_leaf = {};     ///< The leaf that refused it, if one did.
  std::vector<std::uint8_t> bytes;  ///< The row's tuple as read; empty if it could not be read.
};

class Rejects {
 public:
  /// Up to `limit` rows are set aside, `earlier` ones by earlier calls included; one more is an
  /// error.
  explicit Rejects(std::uint64_t limit, std::uint64_t earlier = 0)
      : limit_(limit), kept_({earlier, {}, {}, 0}) {}

  /// Sets a row aside. Past the limit, the error has the row's code and reason, and the row is kept
  /// as the last one, so that it can be located.
  Result<void> add(Reject reject);
  /// A row whose stored key is not the recomputed one: counted, the first few kept.
  void add_key_mismatch(Reject mismatch);

  [[nodiscard]] std::vector<Reject> rows() const { return kept_->rows; }
  [[nodiscard]] std::vector<Reject> key_mismatches() const { return kept_->key_mismatches; }
  [[nodiscard]] std::uint64_t key_mismatch_count() const { return kept_->key_mismatch_count; }
  [[nodiscard]] bool is_over_limit() const { return is_over_limit(*kept_.lock()); }
  /// The rows are in the target's database now: they count, but are not kept any more.
  void forget_rows();

 private:
  struct Kept {
    std::uint64_t earlier = 0;
    std::vector<Reject> rows;
    std::vector<Reject> key_mismatches;
    std::uint64_t key_mismatch_count = 0;
  };
  [[nodiscard]] bool is_over_limit(const Kept& kept) const {
    return !kept.rows.empty() && kept.earlier + kept.rows.size() > limit_;
  }

  const std::uint64_t limit_;
  Guarded<Kept> kept_;
};

}  // namespace pgfanout
