// Writes binary COPY streams: the header, rows of copied fields with the key behind them, the
// trailer.
#include "copier/wire/encoder.h"

#include <cassert>
#include <cstring>

#include "copier/base/byte_order.h"
#include "copier/wire/format.h"

namespace pgfanout {
namespace {

std::size_t key_bytes(KeyField key_field) {
  return static_cast<std::size_t>(key_field);
}

[[maybe_unused]] bool key_fits(KeyField key_field, std::int64_t key) {
  const std::size_t spare_bits = 64 - 8 * key_bytes(key_field);
  return spare_bits == 64 || (key << spare_bits) >> spare_bits == key;
}

std::uint8_t* encode_key(std::uint8_t* at, KeyField key_field, std::int64_t key) {
  assert(key_fits(key_field, key));
  const std::size_t bytes = key_bytes(key_field);
  store_be32(at, static_cast<std::uint32_t>(bytes));
  at += kLengthWordBytes;
  // The low bytes of the key, most significant first.
  std::uint8_t image[8];
  store_be64(image, static_cast<std::uint64_t>(key));
  std::memcpy(at, image + sizeof image - bytes, bytes);
  return at + bytes;
}

}  // namespace

ByteView copy_header() {
  return kPlainHeader;
}

ByteView copy_trailer() {
  return kTrailer;
}

std::size_t encoded_row_bytes(std::size_t fields_bytes, KeyField key_field) {
  const std::size_t key = key_field == KeyField::none ? 0 : kLengthWordBytes + key_bytes(key_field);
  return kFieldCountBytes + fields_bytes + key;
}

std::uint8_t* encode_row(std::uint8_t* at, std::uint16_t copied_fields, ByteView fields,
                         KeyField key_field, std::int64_t key) {
  const bool has_key = key_field != KeyField::none;
  assert(copied_fields + (has_key ? 1 : 0) <= kMaxFields);
  store_be16(at, static_cast<std::uint16_t>(copied_fields + (has_key ? 1 : 0)));
  at += kFieldCountBytes;
  if (!fields.empty()) std::memcpy(at, fields.data(), fields.size());
  at += fields.size();
  return has_key ? encode_key(at, key_field, key) : at;
}

}  // namespace pgfanout
