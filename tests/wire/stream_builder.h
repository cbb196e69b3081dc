// Builds binary COPY streams for tests, plainly and independently of the encoder: right ones, and
// with raw bytes in between any wrong one.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pgfanout/bytes.h"

namespace pgfanout {

using Bytes = std::vector<std::uint8_t>;

/// Two hexadecimal digits a byte; blanks and line ends do not count.
inline Bytes bytes_of_hex(std::string_view hex) {
  Bytes bytes;
  int high = -1;
  for (const char c : hex) {
    if (c == ' ' || c == '\n') continue;
    const std::size_t digit = std::string_view("0123456789abcdef").find(c);
    if (digit == std::string_view::npos) throw std::invalid_argument("not a hexadecimal digit");
    if (high < 0) {
      high = static_cast<int>(digit);
    } else {
      bytes.push_back(static_cast<std::uint8_t>(high * 16 + static_cast<int>(digit)));
      high = -1;
    }
  }
  return bytes;
}

class StreamBuilder {
 public:
  using Field = std::optional<std::string>;

  StreamBuilder& raw(ByteView bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  StreamBuilder& word16(std::uint32_t value) {
    bytes_.push_back(static_cast<std::uint8_t>(value >> 8));
    bytes_.push_back(static_cast<std::uint8_t>(value));
    return *this;
  }
  StreamBuilder& word32(std::uint32_t value) { return word16(value >> 16).word16(value); }
  StreamBuilder& signature() { return raw(bytes_of_hex("50 47 43 4f 50 59 0a ff 0d 0a 00")); }
  StreamBuilder& header(std::string_view extension = {}) {
    signature().word32(0).word32(static_cast<std::uint32_t>(extension.size()));
    return raw(as_bytes(extension));
  }
  StreamBuilder& field(const Field& value) {
    if (!value) return word32(0xffffffff);
    return word32(static_cast<std::uint32_t>(value->size())).raw(as_bytes(*value));
  }
  StreamBuilder& row(const std::vector<Field>& fields) {
    word16(static_cast<std::uint32_t>(fields.size()));
    for (const Field& value : fields) field(value);
    return *this;
  }
  StreamBuilder& trailer() { return word16(0xffff); }

  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

/// A value of up to `max_bytes` random bytes, or NULL; both empty and NULL are common.
inline StreamBuilder::Field random_field(std::mt19937& random, std::size_t max_bytes) {
  const auto below = [&random](std::size_t n) { return random() % n; };
  const std::size_t kind = below(6);
  if (kind == 0) return std::nullopt;
  std::string value(kind == 1 ? 0 : below(max_bytes + 1), '\0');
  for (char& c : value) c = static_cast<char>(random());
  return value;
}

/// A right stream: header, up to `max_rows` rows of `field_count` random fields, trailer.
inline Bytes random_stream(std::mt19937& random, std::uint16_t field_count, std::size_t max_rows,
                           std::size_t max_field_bytes) {
  StreamBuilder stream;
  stream.header(random() % 4 == 0 ? "an extension" : "");
  const std::size_t rows = random() % (max_rows + 1);
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<StreamBuilder::Field> fields;
    for (std::uint16_t f = 0; f < field_count; ++f) {
      fields.push_back(random_field(random, max_field_bytes));
    }
    stream.row(fields);
  }
  return stream.trailer().bytes();
}

/// Some of the field numbers below `field_count`, each at most once, in random order.
inline std::vector<std::uint16_t> random_wanted(std::mt19937& random, std::uint16_t field_count) {
  std::vector<std::uint16_t> all(field_count);
  for (std::uint16_t i = 0; i < field_count; ++i) all[i] = i;
  for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random() % i]);
  all.resize(random() % (all.size() + 1));
  return all;
}

}  // namespace pgfanout
