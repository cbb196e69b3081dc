// Binary COPY streams of a real server: PostgreSQL 15.20 on x86-64 Linux, encoding UTF8, written by
// psql's \copy (query) to ... (format binary).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tests/wire/stream_builder.h"

namespace pgfanout {

struct GoldenStream {
  std::string_view query;
  std::uint16_t field_count;
  std::size_t rows;
  std::string_view hex;
};

inline const std::vector<GoldenStream>& golden_streams() {
  static const std::vector<GoldenStream> streams = {
      {"SELECT 1::int8, 'abc'::text, NULL::int4, ''::text "
       "UNION ALL SELECT -2::int8, 'ä'::text, 7::int4, NULL",
       4, 2,
       "5047434f50590aff0d0a00000000000000000000040000000800000000000000"
       "0100000003616263ffffffff00000000000400000008fffffffffffffffe0000"
       "0002c3a40000000400000007ffffffffffff"},
      {"SELECT FROM generate_series(1, 3)", 0, 3,
       "5047434f50590aff0d0a000000000000000000000000000000ffff"},
      {"SELECT '00112233-4455-6677-8899-aabbccddeeff'::uuid, true, 1.5::numeric, "
       "'2024-02-29 12:34:56.789012+00'::timestamptz, '\\xdeadbeef'::bytea, "
       "ARRAY[1,NULL,3]::int4[], '{\"a\": 1}'::jsonb, 'x'::char(3), 3::int2, 2.5::float8",
       10, 1,
       "5047434f50590aff0d0a000000000000000000000a0000001000112233445566"
       "778899aabbccddeeff00000001010000000c0002000000000001000113880000"
       "00080002b5834172861400000004deadbeef0000002800000001000000010000"
       "001700000003000000010000000400000001ffffffff00000004000000030000"
       "0009017b2261223a20317d000000037820200000000200030000000840040000"
       "00000000ffff"},
      {"SELECT NULL::text, NULL::int8", 2, 1,
       "5047434f50590aff0d0a0000000000000000000002ffffffffffffffffffff"},
      {"SELECT (-1)::int2, (-2)::int4, (-3)::int8", 3, 1,
       "5047434f50590aff0d0a000000000000000000000300000002ffff00000004ff"
       "fffffe00000008fffffffffffffffdffff"},
      {"SELECT 1 WHERE false", 1, 0, "5047434f50590aff0d0a000000000000000000ffff"},
  };
  return streams;
}

inline Bytes golden_mixed() {
  return bytes_of_hex(golden_streams()[0].hex);
}
inline Bytes golden_zero_fields() {
  return bytes_of_hex(golden_streams()[1].hex);
}
inline Bytes golden_types() {
  return bytes_of_hex(golden_streams()[2].hex);
}
inline Bytes golden_nulls() {
  return bytes_of_hex(golden_streams()[3].hex);
}
inline Bytes golden_ints() {
  return bytes_of_hex(golden_streams()[4].hex);
}
inline Bytes golden_no_rows() {
  return bytes_of_hex(golden_streams()[5].hex);
}

}  // namespace pgfanout
