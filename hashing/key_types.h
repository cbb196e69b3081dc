// The types of a key expression and the server's hash functions that it may call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "hashing/key_expression.h"

namespace pgfanout::keyexpr {

[[nodiscard]] constexpr bool is_integer(KeyType type) {
  return type == KeyType::int2 || type == KeyType::int4 || type == KeyType::int8;
}

/// The types that the server turns into each other without being asked.
[[nodiscard]] constexpr bool is_textual(KeyType type) {
  return type == KeyType::text || type == KeyType::varchar || type == KeyType::bpchar;
}

/// Held in registers as an int64; all other types are views of bytes.
[[nodiscard]] constexpr bool is_held_as_integer(KeyType type) {
  return is_integer(type) || type == KeyType::boolean;
}

/// int2 < int4 < int8.
[[nodiscard]] constexpr KeyType wider(KeyType left, KeyType right) {
  return static_cast<KeyType>(
      std::max(static_cast<std::uint8_t>(left), static_cast<std::uint8_t>(right)));
}

/// Whether the server casts `from` to `to` in a function call without being asked.
[[nodiscard]] bool casts_implicitly(KeyType from, KeyType to);

/// Whether `value` is in the range of an integer type.
[[nodiscard]] bool fits(std::int64_t value, KeyType type);

/// The number in a string literal that becomes an integer: blanks around it and a sign are allowed.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text);

/// As format_type() prints it: "bigint", "character varying".
[[nodiscard]] std::string_view display_name(KeyType type);

/// The type's name in pg_type: "int8", "varchar".
[[nodiscard]] std::string_view catalog_name(KeyType type);

/// The type that a cast to `name` means, or `other`. Words that are grammar (`integer`) count only
/// if `keyword_allowed`: quoted or behind pg_catalog, they are no type's name.
[[nodiscard]] KeyType castable_type(std::string_view name, bool keyword_allowed);

struct HashFunction {
  std::string_view name;
  KeyType argument;  ///< Of the first parameter; the second, if any, is an int8 seed.
  bool extended;     ///< Takes a seed and returns int8; else int4.
};

/// The function called `name`, or nullptr.
[[nodiscard]] const HashFunction* find_hash_function(std::string_view name);

}  // namespace pgfanout::keyexpr
