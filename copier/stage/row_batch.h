// The unit of work: a batch, which is a piece of one range's stream with whole rows in it. It owns
// its bytes, and is moved from the reader through decode and hash to the last stage; each fills its
// part.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "copier/base/buffer.h"
#include "copier/base/memory_budget.h"
#include "copier/columns/row_layout.h"
#include "copier/layout/layout.h"
#include "copier/wire/decoder.h"
#include "hashing/key_expression.h"
#include "hashing/row_digest.h"
#include "pgfanout/bytes.h"
#include "pgfanout/result.h"
#include "pgfanout/row_view.h"

namespace pgfanout {

struct RowBatch {
  // By the reader.
  std::uint32_t range = 0;
  std::uint64_t first_row = 0;      ///< Ordinal of the batch's first row in its range.
  std::uint64_t expected_rows = 0;  ///< Rows by the reader's count of messages.
  bool is_first = false;            ///< Begins with the stream's header.
  bool is_last = false;             ///< Ends with the trailer.
  /// Holds only rows that came before: to be compared, not to be kept.
  bool is_replay = false;
  Buffer bytes;
  Lease lease;  ///< Budget for the bytes here and for their copies in the lanes.

  // By decode.
  RowIndex index;

  // By hash.
  std::vector<std::int64_t> keys;
  std::vector<KeyState> states;
  std::vector<RowDigest> digests;
};

/// Derived once from a layout; immutable.
class RowFields {
 public:
  explicit RowFields(const RowLayout& layout);

  [[nodiscard]] const RowLayout& layout() const { return layout_; }
  /// For Decoder: key fields first, then what else is needed.
  [[nodiscard]] const std::vector<std::uint16_t>& wanted() const { return wanted_; }
  [[nodiscard]] std::size_t key_count() const { return layout_.key_fields.size(); }

  /// The fields asked for, of one row. The view lives as long as the batch's index.
  [[nodiscard]] const FieldRef* of_row(const RowBatch& batch, std::size_t row) const {
    return batch.index.fields.data() + row * wanted_.size();
  }
  /// Bytes of the fields that are written as they are; live as long as the batch.
  [[nodiscard]] ByteView copied_bytes(const RowBatch& batch, std::size_t row) const {
    return up_to(batch, row, copied_end_);
  }
  /// Bytes that the digest covers.
  [[nodiscard]] ByteView digested_bytes(const RowBatch& batch, std::size_t row) const {
    return up_to(batch, row, digested_end_);
  }
  /// The stored key's field, if the stream has one.
  [[nodiscard]] const FieldRef* stored_key(const RowBatch& batch, std::size_t row) const {
    return stored_key_ ? of_row(batch, row) + *stored_key_ : nullptr;
  }
  /// Position in wanted() of the field that patch `at` of the layout rewrites.
  [[nodiscard]] std::size_t patch_position(std::size_t at) const { return patches_[at]; }

 private:
  std::size_t position_of(std::uint16_t field);
  [[nodiscard]] ByteView up_to(const RowBatch& batch, std::size_t row,
                               const std::optional<std::size_t>& end) const;

  RowLayout layout_;
  std::vector<std::uint16_t> wanted_;
  std::optional<std::size_t> copied_end_;    ///< Field behind the copied ones; absent: row's end.
  std::optional<std::size_t> digested_end_;  ///< Field behind the digested ones.
  std::optional<std::size_t> stored_key_;
  std::vector<std::size_t> patches_;
};

/// The rows of a hashed batch, as a layout routes them. Views into the batch.
[[nodiscard]] LayoutRows layout_rows(const RowFields& fields, const RowBatch& batch);

/// The value of an int2, int4 or int8 field; nullopt for NULL or a length that does not fit.
[[nodiscard]] std::optional<std::int64_t> integer_field(const RowBatch& batch,
                                                        const FieldRef& field);

/// Decode: finds the rows of a batch, that is, fills its index. Every batch holds whole rows (the
/// server sends one message a row), and the trailer stands at the end of a range's last batch and
/// nowhere else; anything else is an error. Also rewrites element OIDs as the layout asks. Pure but
/// for the batch.
Result<void> decode_batch(const RowFields& fields, RowBatch& batch);

/// Hash: fills keys, states and digests of a decoded batch. `scratch` belongs to the calling
/// thread.
void hash_batch(const RowFields& fields, const KeyExpression& key, KeyScratch& scratch,
                RowBatch& batch);

/// The digest of all rows of a hashed batch.
[[nodiscard]] MultisetDigest digest_of(const RowBatch& batch);

}  // namespace pgfanout
