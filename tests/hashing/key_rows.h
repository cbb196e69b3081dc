// Builds batches as KeyExpression::evaluate() takes them, from values as SQL writes them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "copier/base/byte_order.h"
#include "hashing/key_expression.h"

namespace pgfanout {

/// A value as text, in the form that the server prints; nullopt is NULL.
using KeyValue = std::optional<std::string>;

inline std::string binary_integer(std::int64_t value, std::size_t width) {
  std::array<std::uint8_t, 8> bytes{};
  store_be64(bytes.data(), static_cast<std::uint64_t>(value));
  return {reinterpret_cast<const char*>(bytes.data()) + 8 - width, width};
}

inline std::string binary_from_hex(std::string_view text) {
  std::string bytes;
  std::string digits;
  for (const char c : text) {
    if (c == '-') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return bytes;
}

/// The bytes that binary COPY would carry for `text`.
inline std::string binary_value(KeyType type, const std::string& text) {
  switch (type) {
    case KeyType::int2:
      return binary_integer(std::stoll(text), 2);
    case KeyType::int4:
      return binary_integer(std::stoll(text), 4);
    case KeyType::int8:
      return binary_integer(std::stoll(text), 8);
    case KeyType::boolean:
      return std::string(1, text == "t" || text == "true" ? '\1' : '\0');
    case KeyType::uuid:
      return binary_from_hex(text);
    case KeyType::bytea:
      return binary_from_hex(text.substr(2));  // \x...
    default:
      return text;
  }
}

/// Rows of fields in the order in which they are added.
class KeyRows {
 public:
  void add_field(const std::optional<std::string>& binary) {
    FieldRef field;
    field.offset = static_cast<std::uint32_t>(bytes_.size());
    if (binary) {
      field.length = static_cast<std::int32_t>(binary->size());
      bytes_.insert(bytes_.end(), binary->begin(), binary->end());
    }
    fields_.push_back(field);
  }

  [[nodiscard]] const std::uint8_t* base() const { return bytes_.data(); }
  [[nodiscard]] const std::vector<FieldRef>& fields() const { return fields_; }
  [[nodiscard]] std::vector<FieldRef>& fields() { return fields_; }

 private:
  std::vector<std::uint8_t> bytes_;
  std::vector<FieldRef> fields_;
};

struct KeyAnswers {
  std::vector<std::int64_t> keys;
  std::vector<KeyState> states;
};

/// Evaluates over `rows`, each of which has a value for every one of `columns`.
inline KeyAnswers evaluate_rows(const KeyExpression& expression,
                                const std::vector<KeyColumn>& columns,
                                const std::vector<std::vector<KeyValue>>& rows,
                                KeyScratch& scratch) {
  KeyRows batch;
  for (const auto& row : rows) {
    for (const std::size_t column : expression.used_columns()) {
      const KeyValue& value = row[column];
      batch.add_field(value ? KeyValue(binary_value(columns[column].type, *value)) : std::nullopt);
    }
  }
  KeyAnswers answers{std::vector<std::int64_t>(rows.size()), std::vector<KeyState>(rows.size())};
  expression.evaluate(batch.base(), batch.fields(), rows.size(), scratch, answers.keys,
                      answers.states);
  return answers;
}

/// A column of every type that can be used, and one that cannot.
inline const std::vector<KeyColumn>& all_key_columns() {
  static const std::vector<KeyColumn> columns = {
      {"i2", KeyType::int2, "smallint"},
      {"i4", KeyType::int4, "integer"},
      {"i8", KeyType::int8, "bigint"},
      {"t", KeyType::text, "text"},
      {"v", KeyType::varchar, "character varying"},
      {"c", KeyType::bpchar, "character(8)"},
      {"u", KeyType::uuid, "uuid"},
      {"bo", KeyType::boolean, "boolean"},
      {"b", KeyType::bytea, "bytea"},
      {"j", KeyType::other, "jsonb"},
      {"Odd \"Name", KeyType::text, "text"},
      {"e\xc3\xa9", KeyType::int4, "integer"},
  };
  return columns;
}

}  // namespace pgfanout
