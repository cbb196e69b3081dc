// Writes binary COPY streams. Layout: copier/wire/FORMAT.md. Unchecked: callers reserve the room.
#pragma once

#include <cstdint>

#include "pgfanout/bytes.h"

namespace pgfanout {

/// Signature, flags (0) and length of the header extension (0): 19 bytes.
[[nodiscard]] ByteView copy_header();
/// The field count -1: 2 bytes.
[[nodiscard]] ByteView copy_trailer();

/// How the key is appended behind the copied fields of a row; the value is its bytes, without the
/// length word.
enum class KeyField : std::uint8_t { none = 0, int2 = 2, int4 = 4, int8 = 8 };

/// Bytes that encode_row() writes for `fields_bytes` bytes of fields.
[[nodiscard]] std::size_t encoded_row_bytes(std::size_t fields_bytes, KeyField key_field);

/// Writes one row at `at`: the field count (copied fields plus the key, if any), the copied fields
/// as they are (each with its length word), then the key. Returns one past the last byte.
std::uint8_t* encode_row(std::uint8_t* at, std::uint16_t copied_fields, ByteView fields,
                         KeyField key_field, std::int64_t key);

}  // namespace pgfanout
