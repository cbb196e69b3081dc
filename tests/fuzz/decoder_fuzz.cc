// Fuzz target: any bytes, cut anywhere, decode to what the naive twin makes of them, and the
// decoder keeps what it promises about `consumed` and `at_least`. Aborts otherwise.
//
// Input: field count (1 byte), wanted fields (1 byte), cuts (1 byte), then the stream.
//   wanted: 0 none, else every field whose number + 1 is a multiple of it, last first
//   cuts:   bit 7: begin at a row instead of a header; bits 0-6: 0 one input, else inputs grow by
//           1 to that many bytes at a time
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "pgfanout/bytes.h"
#include "tests/wire/decode_in_pieces.h"

namespace {

using pgfanout::ByteView;
using pgfanout::Decoded;

std::vector<std::uint16_t> wanted_fields(std::uint16_t field_count, unsigned step) {
  std::vector<std::uint16_t> wanted;
  for (unsigned field = field_count; step > 0 && field > 0; --field) {
    if (field % step == 0) wanted.push_back(static_cast<std::uint16_t>(field - 1));
  }
  return wanted;
}

void print(const char* who, const Decoded& decoded) {
  std::fprintf(stderr, "%s: status %d, consumed %llu, error at %llu, %zu rows, %zu fields. %s\n",
               who, static_cast<int>(decoded.status),
               static_cast<unsigned long long>(decoded.consumed),
               static_cast<unsigned long long>(decoded.error_position), decoded.index.rows.size(),
               decoded.index.fields.size(), decoded.broken_promise.c_str());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::uint16_t field_count = data[0];
  const std::vector<std::uint16_t> wanted = wanted_fields(field_count, data[1]);
  const bool with_header = (data[2] & 0x80U) == 0;
  const std::size_t most = data[2] & 0x7fU;
  const ByteView stream(data + 3, size - 3);

  const Decoded expected = pgfanout::decode_naively(stream, field_count, wanted, with_header);
  std::size_t pieces = 0;
  const auto next_piece = [&] { return most == 0 ? stream.size() : 1 + pieces++ % most; };
  const Decoded found =
      pgfanout::decode_in_pieces(stream, field_count, wanted, with_header, next_piece);
  if (found == expected) return 0;
  print("expected", expected);
  print("found", found);
  std::abort();
}
