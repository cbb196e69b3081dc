#include "hashing/row_hash.h"

#include "hashing/pg_hash.h"

namespace pgfanout {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::uint8_t kJsonbVersion = 1;

/// The big-endian number in up to 4 bytes, with its sign.
std::int32_t signed_number(ByteView bytes) {
  std::uint32_t bits = bytes.empty() || bytes.front() < 0x80 ? 0 : ~std::uint32_t{0};
  for (const std::uint8_t byte : bytes) bits = bits << 8 | byte;
  return static_cast<std::int32_t>(bits);
}

/// hashint4extended() of the server.
std::uint64_t integer_hash(std::int32_t value, std::uint64_t seed) {
  return static_cast<std::uint64_t>(hashint8extended(value, static_cast<std::int64_t>(seed)));
}

std::uint64_t field_hash(HashForm form, ByteView value) {
  if (form == HashForm::integer && value.size() <= sizeof(std::int32_t)) {
    return integer_hash(signed_number(value), 0);
  }
  if (form == HashForm::versioned && !value.empty() && value.front() == kJsonbVersion) {
    value = value.subspan(1);
  }
  return hash_bytes_extended(value, 0);
}

}  // namespace

std::uint64_t row_hash(std::span<const HashForm> forms, ByteView fields) {
  std::uint64_t sum = 0;
  for (const HashForm form : forms) {
    const std::int32_t length = signed_number(fields.first(kLengthBytes));
    fields = fields.subspan(kLengthBytes);
    sum *= 31;
    if (length < 0) continue;
    const auto bytes = static_cast<std::size_t>(length);
    sum += field_hash(form, fields.first(bytes));
    fields = fields.subspan(bytes);
  }
  return integer_hash(0, sum);
}

}  // namespace pgfanout
