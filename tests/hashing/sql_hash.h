// The server's other hash functions, as the kernels of key expressions compute them.
#pragma once

#include <cstdint>

#include "hashing/pg_hash.h"
#include "pgfanout/bytes.h"

namespace pgfanout {

inline std::int32_t hashint4(std::int32_t value) {
  return hashint8(value);
}
inline std::int64_t hashint4extended(std::int32_t value, std::int64_t seed) {
  return hashint8extended(value, seed);
}
inline std::int32_t hashint2(std::int16_t value) {
  return hashint8(value);
}
inline std::int64_t hashint2extended(std::int16_t value, std::int64_t seed) {
  return hashint8extended(value, seed);
}
inline std::int32_t uuid_hash(ByteView value) {
  return hashtext(value);
}
inline std::int64_t uuid_hash_extended(ByteView value, std::int64_t seed) {
  return hashtextextended(value, seed);
}
inline std::int32_t hashbytea(ByteView value) {
  return hashtext(value);
}
inline std::int64_t hashbyteaextended(ByteView value, std::int64_t seed) {
  return hashtextextended(value, seed);
}

/// As the kernel strip_blanks does.
inline ByteView without_trailing_blanks(ByteView value) {
  return value.first(as_text(value).find_last_not_of(' ') + 1);
}
inline std::int32_t hashbpchar(ByteView value) {
  return hashtext(without_trailing_blanks(value));
}
inline std::int64_t hashbpcharextended(ByteView value, std::int64_t seed) {
  return hashtextextended(without_trailing_blanks(value), seed);
}

}  // namespace pgfanout
