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
/// hash_bytes_uint32() and its 64-bit relative.
[[nodiscard]] std::uint32_t hash_uint32(std::uint32_t value);
[[nodiscard]] std::uint64_t hash_uint32_extended(std::uint32_t value, std::uint64_t seed);

/// SQL hashint8(int8): equal to hashint4 for values that fit into int4.
[[nodiscard]] std::int32_t hashint8(std::int64_t value);
[[nodiscard]] std::int64_t hashint8extended(std::int64_t value, std::int64_t seed);
/// SQL hashbpchar(char(n)): trailing blanks do not count.
[[nodiscard]] std::int32_t hashbpchar(ByteView value);
[[nodiscard]] std::int64_t hashbpcharextended(ByteView value, std::int64_t seed);

/// SQL hashtext(text) for a deterministic collation: the value's bytes in the server's encoding.
[[nodiscard]] inline std::int32_t hashtext(ByteView value) {
  return static_cast<std::int32_t>(hash_bytes(value));
}
[[nodiscard]] inline std::int64_t hashtextextended(ByteView value, std::int64_t seed) {
  return static_cast<std::int64_t>(hash_bytes_extended(value, static_cast<std::uint64_t>(seed)));
}

[[nodiscard]] inline std::int32_t hashint4(std::int32_t value) {
  return static_cast<std::int32_t>(hash_uint32(static_cast<std::uint32_t>(value)));
}
[[nodiscard]] inline std::int64_t hashint4extended(std::int32_t value, std::int64_t seed) {
  return static_cast<std::int64_t>(
      hash_uint32_extended(static_cast<std::uint32_t>(value), static_cast<std::uint64_t>(seed)));
}
[[nodiscard]] inline std::int32_t hashint2(std::int16_t value) {
  return hashint4(value);
}
[[nodiscard]] inline std::int64_t hashint2extended(std::int16_t value, std::int64_t seed) {
  return hashint4extended(value, seed);
}
/// SQL uuid_hash(uuid): 16 bytes in the order in which they are written.
[[nodiscard]] inline std::int32_t uuid_hash(ByteView value) {
  return hashtext(value);
}
[[nodiscard]] inline std::int64_t uuid_hash_extended(ByteView value, std::int64_t seed) {
  return hashtextextended(value, seed);
}
/// SQL hashvarlena / hashbytea: hash_any over a bytea's bytes.
[[nodiscard]] inline std::int32_t hashbytea(ByteView value) {
  return hashtext(value);
}
[[nodiscard]] inline std::int64_t hashbyteaextended(ByteView value, std::int64_t seed) {
  return hashtextextended(value, seed);
}

}  // namespace pgfanout
