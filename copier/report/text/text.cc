#include "copier/report/text/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "copier/base/amount.h"

namespace pgfanout {
namespace {

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

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
    if (!is_continuation(text[i])) return {};
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

std::string printable_lines(std::string_view text, std::size_t indent) {
  std::string lines;
  while (true) {
    const std::size_t end = text.find('\n');
    lines += printable(text.substr(0, end));
    if (end == std::string_view::npos || end + 1 == text.size()) return lines;
    lines += '\n';
    lines.append(indent, ' ');
    text.remove_prefix(end + 1);
  }
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !is_continuation(byte); }));
}

std::string bytes_text(double bytes) {
  return amount_of_bytes(whole_number(bytes));
}

std::string rates_text(double rows_per_second, double bytes_per_second) {
  return fmt::format("{} rows/s, {}/s", with_commas(whole_number(rows_per_second)),
                     bytes_text(bytes_per_second));
}

std::uint64_t whole_number(double number) {
  return number > 0 ? static_cast<std::uint64_t>(std::round(std::min(number, 1.8e19))) : 0;
}

std::string seconds_text(double seconds) {
  if (!(seconds > 0)) return "0.00 s";
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  return clock_text(seconds);
}

std::string clock_text(double seconds) {
  constexpr double most = 3600.0 * 9999;
  const auto whole = static_cast<std::uint64_t>(std::lround(std::clamp(seconds, 0.0, most)));
  const std::uint64_t hours = whole / 3600;
  const std::uint64_t minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

}  // namespace pgfanout
