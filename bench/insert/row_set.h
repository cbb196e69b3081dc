// All rows of one insertion, in memory before the clock starts: as binary COPY carries them, in
// batches that pgfanout's own stages take, and what must be found in the table afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "bench/insert/row_generator.h"
#include "copier/stage/row_batch.h"
#include "copier/stage/row_fields.h"
#include "hashing/key_expression.h"
#include "hashing/row_digest.h"

namespace pgfanout::bench {

/// The key, as every layout computes it.
inline constexpr const char* kKeySql = "abs(hashtext(collection_id::text)) % 100";
inline constexpr std::uint32_t kLeaves = 100;

/// A row's shape; the key follows if it is sent.
[[nodiscard]] RowLayout row_layout(bool sends_key);

class RowSet {
 public:
  static Result<RowSet> make(std::uint64_t rows, Width width);

  [[nodiscard]] std::uint64_t rows() const { return digest_.rows(); }
  [[nodiscard]] Width width() const { return width_; }
  /// Of the fields as binary COPY carries them, without the key: the same for every method.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// Of all rows, from what was generated.
  [[nodiscard]] const MultisetDigest& digest() const { return digest_; }
  /// Decoded, not hashed; hashing them again changes nothing else.
  [[nodiscard]] std::vector<RowBatch>& batches() { return batches_; }

  /// A row's fields with their length words. The view lives as long as this.
  [[nodiscard]] ByteView fields(std::uint64_t row) const;

  /// Appends the keys of rows `from` to `to`. The scratch belongs to the calling thread.
  Result<void> append_keys(const KeyExpression& key, std::uint64_t from, std::uint64_t to,
                           KeyScratch& scratch, std::vector<std::int64_t>& keys) const;

 private:
  static constexpr std::uint64_t kBatchRows = 250;

  std::vector<RowBatch> batches_;
  MultisetDigest digest_;
  std::uint64_t bytes_ = 0;
  Width width_ = Width::demo;
};

/// The values of a row's fields, without their length words. No value is NULL.
[[nodiscard]] std::array<ByteView, kColumns.size()> values_of(ByteView fields);

/// Compiles kKeySql.
Result<KeyExpression> compile_key();

}  // namespace pgfanout::bench
