// Which fields of a row the stages look at, and where they stand in RowIndex::fields.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "copier/columns/row_layout.h"
#include "copier/stage/row_batch.h"
#include "pgfanout/bytes.h"
#include "pgfanout/row_view.h"

namespace pgfanout {

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

/// The value of an int2, int4 or int8 field; nullopt for NULL or a length that does not fit.
[[nodiscard]] std::optional<std::int64_t> integer_field(const RowBatch& batch,
                                                        const FieldRef& field);

}  // namespace pgfanout
