#include "copier/report/text/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "copier/base/amount.h"

namespace pgfanout {

namespace {

/// The name within the quotes of an identifier as U&"..." has it; absent if it is no UTF-8.
std::optional<std::string> unicode_name(std::string_view name) {
  std::string escaped;
  while (!name.empty()) {
    const CodePoint point = first_code_point(name);
    if (point.bytes == 0) return std::nullopt;
    const std::string_view letter = name.substr(0, point.bytes);
    if (letter == "\\") {
      escaped += "\\\\";
    } else if (printable(letter) == letter) {
      escaped += letter;
    } else {
      const bool is_long = point.value > 0xFFFFU;
      escaped += fmt::format("\\{}{:0{}x}", is_long ? "+" : "", point.value, is_long ? 6 : 4);
    }
    name.remove_prefix(point.bytes);
  }
  return escaped;
}

/// Writes quoted identifiers with characters that cannot be shown as U&"...", which a server reads
/// as the same names: statements in hints can be pasted.
std::string with_shown_names(std::string_view text) {
  std::string shown;
  while (true) {
    const std::size_t begin = text.find('"');
    std::size_t end = begin == std::string_view::npos ? begin : text.find('"', begin + 1);
    while (end != std::string_view::npos && text.substr(end + 1).starts_with('"')) {
      end = text.find('"', end + 2);
    }
    if (end == std::string_view::npos) return shown.append(text);
    const std::string_view name = text.substr(begin + 1, end - begin - 1);
    const auto escaped = printable(name) == name ? std::nullopt : unicode_name(name);
    shown += text.substr(0, begin);
    shown += escaped ? fmt::format("U&\"{}\"", *escaped) : fmt::format("\"{}\"", name);
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string printable_lines(std::string_view source, std::size_t indent) {
  const std::string shown = with_shown_names(source);
  std::string_view text = shown;
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
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return !is_utf8_continuation(byte); }));
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
