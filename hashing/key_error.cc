#include "hashing/key_error.h"

#include <algorithm>
#include <utility>

namespace pgfanout::keyexpr {
namespace {

constexpr std::size_t whole_line_bytes = 160;
constexpr std::size_t bytes_before_place = 60;
constexpr std::size_t bytes_after_place = 60;

bool continues_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U;
}

/// The nearest start of a character at or before `offset`.
std::size_t character_start(std::string_view sql, std::size_t offset) {
  while (offset > 0 && offset < sql.size() && continues_character(sql[offset])) --offset;
  return offset;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return !continues_character(byte); }));
}

/// The expression (the part around the place, if it is long) and under it a caret.
std::string show_place(std::string_view sql, std::size_t offset) {
  const std::size_t place = character_start(sql, std::min(offset, sql.size()));
  std::size_t from = 0;
  std::size_t to = sql.size();
  if (sql.size() > whole_line_bytes) {
    from = character_start(sql, place - std::min(place, bytes_before_place));
    to = character_start(sql, std::min(sql.size(), place + bytes_after_place));
  }
  std::string line = from > 0 ? "..." : "";
  const std::size_t column = line.size() + count_characters(sql.substr(from, place - from));
  line += sql.substr(from, to - from);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  if (to < sql.size()) line += "...";
  return line + '\n' + std::string(column, ' ') + '^';
}

}  // namespace

Error key_error(std::string_view sql, std::size_t offset, std::string message, std::string hint) {
  return refused("key-expression", std::move(message), std::move(hint), show_place(sql, offset));
}

}  // namespace pgfanout::keyexpr
