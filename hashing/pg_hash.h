// PostgreSQL's hash functions, bit for bit, for little-endian servers.
//
// Source: Bob Jenkins' lookup3 as PostgreSQL 14 to 18 use it (src/common/hashfn.c) and the SQL
// functions over it (src/backend/access/hash/hashfunc.c, utils/adt/uuid.c). All functions are pure,
// do not allocate, and take any length and any alignment.
#pragma once

#include <cstdint>

#include "pgfanout/bytes.h"

namespace pgfanout {

/// hash_bytes(): 32 bits over raw bytes.
[[nodiscard]] std::uint32_t hash_bytes(ByteView bytes);
/// hash_bytes_extended(): 64 bits; with seed 0 its low 32 bits are hash_bytes().
[[nodiscard]] std::uint64_t hash_bytes_extended(ByteView bytes, std::uint64_t seed);
/// hash_bytes_extended() of an array of 16-bit integers, which `words` has in network byte order:
/// as many bytes, an even number.
[[nodiscard]] std::uint64_t hash_words_extended(ByteView words, std::uint64_t seed);

/// SQL hashint8(int8); hashint4 and hashint2 of the same value are equal to it.
[[nodiscard]] std::int32_t hashint8(std::int64_t value);
[[nodiscard]] std::int64_t hashint8extended(std::int64_t value, std::int64_t seed);

/// SQL hashtext(text) for a deterministic collation: the value's bytes in the server's encoding.
/// hashbpchar is that of the value without trailing blanks; uuid_hash and hashbytea are that of
/// the value's bytes.
[[nodiscard]] inline std::int32_t hashtext(ByteView value) {
  return static_cast<std::int32_t>(hash_bytes(value));
}
[[nodiscard]] inline std::int64_t hashtextextended(ByteView value, std::int64_t seed) {
  return static_cast<std::int64_t>(hash_bytes_extended(value, static_cast<std::uint64_t>(seed)));
}

}  // namespace pgfanout
