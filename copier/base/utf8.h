// Text in UTF-8, which may hold bytes that are none, and how it is shown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgfanout {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t bytes = 0;  ///< 0: no UTF-8.
};

/// The first code point of `text`, which is not empty. Refuses overlong forms and surrogates.
[[nodiscard]] CodePoint first_code_point(std::string_view text);
/// `text` with control characters (C0, DEL, C1), marks that change the direction of writing, and
/// bytes that are no UTF-8 written as \xHH or \u{HHHH}. A line feed is a control character.
[[nodiscard]] std::string printable(std::string_view text);

[[nodiscard]] inline bool is_utf8_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

}  // namespace pgfanout
