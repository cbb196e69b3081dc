#include "copier/stage/row_fields.h"

#include <algorithm>

#include "copier/base/byte_order.h"

namespace pgfanout {

RowFields::RowFields(const RowLayout& layout) : layout_(layout), wanted_(layout.key_fields) {
  if (layout.copied < layout.fields) copied_end_ = position_of(layout.copied);
  if (layout.digested < layout.fields) digested_end_ = position_of(layout.digested);
  if (layout.stored_key) stored_key_ = position_of(*layout.stored_key);
  for (const OidPatch& patch : layout.oid_patches) patches_.push_back(position_of(patch.field));
}

std::size_t RowFields::position_of(std::uint16_t field) {
  const auto found = std::find(wanted_.begin(), wanted_.end(), field);
  if (found != wanted_.end()) return static_cast<std::size_t>(found - wanted_.begin());
  wanted_.push_back(field);
  return wanted_.size() - 1;
}

ByteView RowFields::up_to(const RowBatch& batch, std::size_t row,
                          const std::optional<std::size_t>& end) const {
  constexpr std::uint32_t kCountBytes = 2;
  constexpr std::uint32_t kLengthBytes = 4;
  const RowRef& whole = batch.index.rows[row];
  const std::uint32_t begin = whole.offset + kCountBytes;
  const std::uint32_t stop =
      end ? of_row(batch, row)[*end].offset - kLengthBytes : whole.offset + whole.length;
  return {batch.bytes.data() + begin, stop - begin};
}

std::optional<std::int64_t> integer_field(const RowBatch& batch, const FieldRef& field) {
  const std::uint8_t* at = batch.bytes.data() + field.offset;
  switch (field.length) {
    case 2:
      return static_cast<std::int16_t>(load_be16(at));
    case 4:
      return static_cast<std::int32_t>(load_be32(at));
    case 8:
      return static_cast<std::int64_t>(load_be64(at));
    default:
      return std::nullopt;
  }
}

}  // namespace pgfanout
