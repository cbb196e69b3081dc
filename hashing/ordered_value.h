// The order of a type's values by their bytes in binary COPY, and those bytes from a value's text:
// so a row's field is compared with the bounds of partitions that the server states as text.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "hashing/key_expression.h"

namespace pgfanout {

/// A value such that both parts together order it among others of its type. A view of its bytes.
struct OrderedValue {
  std::int64_t number = 0;
  /// Equal numbers are ordered by these as memcmp() does; below zero the other way round.
  std::string_view bytes;

  friend std::strong_ordering operator<=>(const OrderedValue& left, const OrderedValue& right) {
    if (left.number != right.number) return left.number <=> right.number;
    const int order =
        left.number < 0 ? right.bytes.compare(left.bytes) : left.bytes.compare(right.bytes);
    return order <=> 0;
  }
  friend bool operator==(const OrderedValue&, const OrderedValue&) = default;
};

/// Reads a field that is not NULL. False: the bytes are none of that type, or it is `other`. Text
/// of every kind is taken as in collation "C": in other ones its order, and in nondeterministic
/// ones its equality, is the server's to decide.
[[nodiscard]] bool read_ordered(KeyType type, const std::uint8_t* at, std::int32_t length,
                                OrderedValue& value);

/// The bytes in binary COPY of a value, from the text that the server prints with
/// DateStyle ISO and bytea_output hex. Absent: `text` is no value of that type, or it is `other`.
/// A numeric keeps zeros that the server leaves off, which does not change its order.
[[nodiscard]] std::optional<std::string> binary_form(KeyType type, std::string_view text);

/// Both: the value of a text. Its bytes go into `bytes`, whose elements do not move.
[[nodiscard]] std::optional<OrderedValue> ordered_value(KeyType type, std::string_view text,
                                                        std::deque<std::string>& bytes);

}  // namespace pgfanout
