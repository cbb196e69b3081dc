#include "copier/report/live/screen_line.h"

#include <algorithm>
#include <cstdint>

#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

/// Letters beyond these may be two columns wide. Blocks and arrows of the view itself are below.
constexpr std::uint32_t kFirstWide = 0x1100;
constexpr std::uint32_t kFirstSymbol = 0x2010;
constexpr std::uint32_t kEndOfSymbols = 0x2800;

/// Of text that printable() has let through.
std::uint32_t code_point_of(std::string_view bytes) {
  const auto head = static_cast<unsigned char>(bytes.front());
  if (bytes.size() == 1) return head;
  std::uint32_t value = head & (0x7FU >> bytes.size());
  for (const char byte : bytes.substr(1)) {
    value = (value << 6U) | (static_cast<unsigned char>(byte) & 0x3FU);
  }
  return value;
}

bool is_narrow(std::uint32_t code_point) {
  return code_point < kFirstWide || (code_point >= kFirstSymbol && code_point < kEndOfSymbols);
}

std::size_t length_of(std::string_view text) {
  std::size_t bytes = 1;
  while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) ++bytes;
  return bytes;
}

}  // namespace

ScreenLine& ScreenLine::add(std::string_view text, const char* style) {
  const std::string safe = printable(text);
  std::string_view rest = safe;
  std::string shown;
  while (!rest.empty() && room() > 0) {
    const std::string_view one = rest.substr(0, length_of(rest));
    const std::uint32_t code_point = code_point_of(one);
    const bool can_show = code_point < 0x80U || (screen_.unicode && is_narrow(code_point));
    shown += can_show ? one : std::string_view("?");
    ++width_;
    rest.remove_prefix(one.size());
  }
  const bool has_style = screen_.color && *style != '\0' && !shown.empty();
  text_ += has_style ? "\x1b[" + std::string(style) + "m" + shown + "\x1b[0m" : shown;
  return *this;
}

ScreenLine& ScreenLine::add(const ScreenLine& other) {
  if (other.width_ > room()) return *this;
  text_ += other.text_;
  width_ += other.width_;
  return *this;
}

ScreenLine& ScreenLine::pad(std::size_t column) {
  const std::size_t until = std::min(column, columns_);
  if (until > width_) add(std::string(until - width_, ' '));
  return *this;
}

}  // namespace pgfanout
