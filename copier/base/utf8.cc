#include "copier/base/utf8.h"

#include <fmt/format.h>

#include <algorithm>

namespace pgfanout {
namespace {

bool is_harmless(std::uint32_t code_point) {
  const bool controls = code_point < 0x20U || (code_point >= 0x7FU && code_point < 0xA0U);
  const bool turns = code_point == 0x200EU || code_point == 0x200FU || code_point == 0x061CU ||
                     (code_point >= 0x202AU && code_point <= 0x202EU) ||
                     (code_point >= 0x2066U && code_point <= 0x2069U);
  const bool breaks_line = code_point == 0x2028U || code_point == 0x2029U;
  return !controls && !turns && !breaks_line;
}

}  // namespace

CodePoint first_code_point(std::string_view text) {
  const auto head = static_cast<unsigned char>(text.front());
  if (head < 0x80U) return {head, 1};
  const std::size_t bytes = head >= 0xF0U ? 4 : head >= 0xE0U ? 3 : 2;
  if (head < 0xC2U || head > 0xF4U || text.size() < bytes) return {};
  std::uint32_t value = head & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if (!is_utf8_continuation(text[i])) return {};
    value = (value << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  const std::uint32_t least = bytes == 4 ? 0x10000U : bytes == 3 ? 0x800U : 0x80U;
  const bool is_surrogate = value >= 0xD800U && value <= 0xDFFFU;
  if (value < least || value > 0x10FFFFU || is_surrogate) return {};
  return {value, bytes};
}

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    const std::size_t bytes = std::max<std::size_t>(point.bytes, 1);
    if (point.bytes > 0 && is_harmless(point.value)) {
      safe += text.substr(0, bytes);
    } else if (bytes == 1) {
      safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    } else {
      safe += fmt::format("\\u{{{:04x}}}", point.value);
    }
    text.remove_prefix(bytes);
  }
  return safe;
}

}  // namespace pgfanout
