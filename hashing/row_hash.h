// The hash of a row that SQL computes too: 64 bits over the fields of a row of binary COPY, equal
// to the value of row_hash_sql() (copier/columns/row_hash.h) on the server that sent it.
//
//   sum = 0; for each field: sum = 31 * sum + hash(field), modulo 2^64; hash(NULL) = 0
//   row = hashint4extended(0, sum)
//
// The sum is hash_record_extended() with seed 0. Without the last step it would be linear: the sum
// over rows would not notice values that two rows exchange. It finds accidents, all but one in
// 2^64, and is not proof against somebody who constructs collisions. For little-endian servers, as
// hashing/pg_hash.h.
#pragma once

#include <cstdint>
#include <span>

#include "pgfanout/bytes.h"

namespace pgfanout {

/// The hash of a field's value.
enum class HashForm : std::uint8_t {
  bytes,      ///< Of its bytes.
  integer,    ///< Of 1, 2 or 4 bytes: hashint4 of the number.
  versioned,  ///< Of the bytes behind the first one, which is 1: jsonb.
};

/// `fields`: as many as `forms`, each with its length word as binary COPY has them, and whole.
[[nodiscard]] std::uint64_t row_hash(std::span<const HashForm> forms, ByteView fields);

}  // namespace pgfanout
