#include "copier/base/shell_word.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/utf8.h"

namespace pgfanout {
namespace {

bool is_plain(std::string_view word) {
  constexpr std::string_view kOthers = "-_./:=@%+,";
  return !word.empty() && std::ranges::all_of(word, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

/// $'...', in which every byte that cannot be shown is an octal escape: those have three digits
/// always, so what follows cannot be taken for a part of them.
std::string escaped_word(std::string_view word) {
  std::string quoted = "$'";
  while (!word.empty()) {
    const std::string_view point =
        word.substr(0, std::max<std::size_t>(1, first_code_point(word).bytes));
    if (point == "'" || point == "\\") {
      quoted += "\\";
      quoted += point;
    } else if (printable(point) == point) {
      quoted += point;
    } else {
      for (const char byte : point) {
        quoted += fmt::format("\\{:03o}", static_cast<unsigned char>(byte));
      }
    }
    word.remove_prefix(point.size());
  }
  return quoted + "'";
}

}  // namespace

std::string shell_word(std::string_view word) {
  if (is_plain(word)) return std::string(word);
  if (printable(word) != word) return escaped_word(word);
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

}  // namespace pgfanout
