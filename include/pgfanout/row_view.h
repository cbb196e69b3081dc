// How a row in a buffer is described: by offsets, so that the buffer can move between stages.
#pragma once

#include <cstdint>

namespace pgfanout {

/// One field of one row. `offset` counts from the start of the batch's bytes and points at the
/// field's data, behind its length word. `length` is in bytes; -1 is NULL.
struct FieldRef {
  std::uint32_t offset = 0;
  std::int32_t length = -1;

  [[nodiscard]] bool is_null() const { return length < 0; }
  friend bool operator==(const FieldRef&, const FieldRef&) = default;
};

/// One row: the whole binary COPY tuple, from its field count to the end of its last field.
struct RowRef {
  std::uint32_t offset = 0;  ///< From the start of the batch's bytes.
  std::uint32_t length = 0;  ///< In bytes, the 2-byte field count included.

  friend bool operator==(const RowRef&, const RowRef&) = default;
};

}  // namespace pgfanout
