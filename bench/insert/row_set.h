// The rows that are inserted. They follow from their number alone, so they are the same on every
// machine. All are in memory before the clock starts.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/insert/insert_case.h"
#include "copier/stage/row_batch.h"
#include "hashing/key_expression.h"
#include "hashing/row_digest.h"

namespace pgfanout::bench {

/// The one of kColumns whose value decides the key.
inline constexpr std::uint16_t kKeyField = 1;

struct Row {
  using Uuid = std::array<std::uint8_t, 16>;
  Uuid id{};
  Uuid collection_id{};  ///< One of 5,000.
  Uuid document_id{};
  std::int32_t chunk_index = 0;
  std::string content;
  std::int64_t created_at = 0;  ///< Whole seconds since 2000-01-01 00:00 UTC.
};

/// Characters of the content: 16, 360 or 8000. The widest does not compress and goes to TOAST.
[[nodiscard]] std::uint32_t content_bytes(Width width);

[[nodiscard]] Row make_row(std::uint64_t number, Width width);

/// Appends the fields as binary COPY carries them, each with its length word.
void append_fields(const Row& row, std::string& to);

/// Appends the fields in COPY's text format, without the end of the line. No value needs an escape.
void append_text(const Row& row, std::string& to);

/// The fields of a row in the stream; the key follows if it is sent.
[[nodiscard]] RowLayout row_layout(bool sends_key);

class RowSet {
 public:
  static Result<RowSet> make(std::uint64_t rows, Width width);

  [[nodiscard]] std::uint64_t rows() const { return digest_.rows(); }
  [[nodiscard]] Width width() const { return width_; }
  /// Of the fields as binary COPY carries them, without the key. It is the same for every method.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// Of all rows as generated.
  [[nodiscard]] const MultisetDigest& digest() const { return digest_; }
  /// Decoded, not hashed. They may be hashed again and again.
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

/// Compiles kKeySql or kHashKey.
Result<KeyExpression> compile_key(std::string_view sql);

}  // namespace pgfanout::bench
