#include "copier/key/key_probe.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "copier/base/byte_order.h"

namespace pgfanout {
namespace {

constexpr std::size_t kLongestText = 40;

/// hashtext() of each is -2147483648, whose absolute value is no integer.
constexpr std::array<std::string_view, 4> kSmallestHashes = {"c1606105947x", "c6920574805x",
                                                             "l7ba1ah7", "fgcaxj4b"};

constexpr std::array<std::string_view, 6> kAwkwardTexts = {
    "a ", " a", "it's", "back\\slash", "tab\tand\nline", "\"quoted\""};

constexpr std::array<std::string_view, 4> kUtf8Texts = {
    "\xc3\xa9", "\xe6\xbc\xa2\xe5\xad\x97", "\xf0\x9f\x98\x80",
    "na\xc3\xafve caf\xc3\xa9 \xe2\x82\xac\x31\x32"};

constexpr std::array<std::string_view, 3> kSingleByteTexts = {"\xe9", "caf\xe9", "\xff\xfe\xe0"};

template <class Integer>
std::string integer_bytes(Integer value) {
  std::string bytes(sizeof value, '\0');
  auto* at = reinterpret_cast<std::uint8_t*>(bytes.data());
  if constexpr (sizeof value == 2) store_be16(at, static_cast<std::uint16_t>(value));
  if constexpr (sizeof value == 4) store_be32(at, static_cast<std::uint32_t>(value));
  if constexpr (sizeof value == 8) store_be64(at, static_cast<std::uint64_t>(value));
  return bytes;
}

template <class Integer>
void add_integers(std::vector<ProbeValue>& values) {
  using Limits = std::numeric_limits<Integer>;
  for (const Integer value :
       {Integer{0}, Integer{1}, Integer{-1}, Integer{7}, Integer{99}, Integer{100}, Integer{-100},
        Limits::min(), static_cast<Integer>(Limits::min() + 1), Limits::max(),
        static_cast<Integer>(Limits::max() - 1), static_cast<Integer>(Limits::max() / 2)}) {
    values.push_back(integer_bytes(value));
  }
  // Where a wider integer leaves the range of the narrower ones.
  if constexpr (sizeof(Integer) == 8) {
    for (const std::int64_t value :
         {2147483647LL, 2147483648LL, -2147483648LL, -2147483649LL, 4294967295LL, 4294967296LL}) {
      values.push_back(integer_bytes(static_cast<Integer>(value)));
    }
  }
}

/// Every length, with bytes that differ, so that each of a hash's words is partly filled once.
void add_lengths(std::vector<ProbeValue>& values) {
  for (std::size_t length = 0; length <= kLongestText; ++length) {
    std::string text;
    for (std::size_t at = 0; at < length; ++at) {
      text += static_cast<char>('a' + (at * 7 + length) % 26);
    }
    values.emplace_back(std::move(text));
  }
}

template <class List>
void add_texts(std::vector<ProbeValue>& values, const List& list) {
  for (const auto& text : list) values.emplace_back(std::string(text));
}

void add_texts_of(std::string_view encoding, std::vector<ProbeValue>& values) {
  add_lengths(values);
  add_texts(values, kSmallestHashes);
  add_texts(values, kAwkwardTexts);
  const bool takes_any_byte = encoding == "SQL_ASCII" || encoding.starts_with("LATIN1");
  if (encoding == "UTF8" || encoding == "SQL_ASCII") add_texts(values, kUtf8Texts);
  if (takes_any_byte) add_texts(values, kSingleByteTexts);
}

std::string random_bytes(std::size_t length, std::mt19937_64& random) {
  std::string bytes;
  for (std::size_t at = 0; at < length; ++at) bytes += static_cast<char>(random() & 0xffU);
  return bytes;
}

std::string random_text(std::mt19937_64& random) {
  std::string text;
  const std::size_t length = random() % kLongestText;
  // Printable ASCII: valid in every encoding of a server.
  for (std::size_t at = 0; at < length; ++at) text += static_cast<char>(' ' + random() % 95);
  return text;
}

}  // namespace

std::vector<ProbeValue> adversarial_values(KeyType type, std::string_view encoding) {
  std::vector<ProbeValue> values = {std::nullopt};
  switch (type) {
    case KeyType::int2:
      add_integers<std::int16_t>(values);
      break;
    case KeyType::int4:
      add_integers<std::int32_t>(values);
      break;
    case KeyType::int8:
      add_integers<std::int64_t>(values);
      break;
    case KeyType::text:
    case KeyType::varchar:
    case KeyType::bpchar:
      add_texts_of(encoding, values);
      break;
    case KeyType::uuid:
      add_texts(values, std::vector{std::string(16, '\0'), std::string(16, '\xff'),
                                    std::string("\x00\x11\x22\x33\x44\x55\x66\x77"
                                                "\x88\x99\xaa\xbb\xcc\xdd\xee\xff",
                                                16)});
      break;
    case KeyType::bytea:
      add_lengths(values);
      add_texts(values, kSmallestHashes);
      add_texts(values, std::vector{std::string(12, '\0'), std::string(13, '\xff')});
      break;
    case KeyType::boolean:
      values.emplace_back(std::string(1, '\0'));
      values.emplace_back(std::string(1, '\1'));
      break;
    default:
      break;
  }
  return values;
}

ProbeValue random_value(KeyType type, std::mt19937_64& random) {
  if (random() % 50 == 0) return std::nullopt;
  switch (type) {
    case KeyType::int2:
      return random_bytes(2, random);
    case KeyType::int4:
      return random_bytes(4, random);
    case KeyType::int8:
      return random_bytes(8, random);
    case KeyType::uuid:
      return random_bytes(16, random);
    case KeyType::bytea:
      return random_bytes(random() % kLongestText, random);
    case KeyType::boolean:
      return std::string(1, static_cast<char>(random() & 1U));
    case KeyType::text:
    case KeyType::varchar:
    case KeyType::bpchar:
      return random_text(random);
    default:
      return std::nullopt;
  }
}

std::vector<ProbeRow> adversarial_rows(const std::vector<KeyType>& types, std::string_view encoding,
                                       std::mt19937_64& random) {
  std::vector<std::vector<ProbeValue>> values;
  for (const KeyType type : types) values.push_back(adversarial_values(type, encoding));
  std::vector<ProbeRow> rows;
  for (std::size_t column = 0; column < types.size(); ++column) {
    for (const ProbeValue& value : values[column]) {
      ProbeRow row;
      for (const auto& others : values) row.push_back(others[random() % others.size()]);
      row[column] = value;
      rows.push_back(std::move(row));
    }
  }
  if (types.empty()) rows.emplace_back();
  return rows;
}

std::string_view probe_type_sql(KeyType type) {
  constexpr std::array<std::string_view, 10> kNames = {"int2",   "int4", "int8",  "text", "varchar",
                                                       "bpchar", "uuid", "bytea", "bool", "text"};
  return kNames[static_cast<std::size_t>(type)];
}

std::string probe_text(KeyType type, const std::string& value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(value.data());
  switch (type) {
    case KeyType::int2:
      return std::to_string(static_cast<std::int16_t>(load_be16(bytes)));
    case KeyType::int4:
      return std::to_string(static_cast<std::int32_t>(load_be32(bytes)));
    case KeyType::int8:
      return std::to_string(static_cast<std::int64_t>(load_be64(bytes)));
    case KeyType::boolean:
      return value[0] == '\0' ? "f" : "t";
    case KeyType::uuid:
    case KeyType::bytea: {
      std::string hex = type == KeyType::bytea ? "\\x" : "";
      for (std::size_t at = 0; at < value.size(); ++at) hex += fmt::format("{:02x}", bytes[at]);
      return hex;
    }
    default:
      return value;
  }
}

std::string probe_literal(KeyType type, const ProbeValue& value) {
  std::string literal = "NULL";
  if (value) {
    literal = "E'";
    for (const char byte : probe_text(type, *value)) {
      const auto code = static_cast<unsigned char>(byte);
      if (byte == '\'' || byte == '\\') literal += byte;
      literal += code < 0x80U ? std::string(1, byte) : fmt::format("\\x{:02x}", code);
    }
    literal += '\'';
  }
  return fmt::format("{}::{}", literal, probe_type_sql(type));
}

}  // namespace pgfanout
