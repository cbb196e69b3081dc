#include "copier/report/live/live_screen.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

constexpr std::size_t kKept = 100;  // Lines that stay, kept for a screen that is redrawn.
constexpr const char* kCleanScreen = "\x1b[H\x1b[2J";
constexpr const char* kEndOfLine = "\x1b[K";
constexpr const char* kRestOfScreen = "\x1b[J";

/// From the last line of a block to its first.
std::string to_first(std::size_t lines) {
  return lines > 1 ? fmt::format("\r\x1b[{}A", lines - 1) : "\r";
}

std::size_t rows_on(const Screen& screen, const std::string& line) {
  const std::size_t columns = columns_shown(line);
  return columns == 0 ? 1 : (columns + screen.width - 1) / screen.width;
}

}  // namespace

std::size_t columns_shown(std::string_view line) {
  std::string plain;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] != '\x1b') {
      plain += line[at];
      continue;
    }
    const std::size_t end = line.find('m', at);
    if (end == std::string_view::npos) break;
    at = end;
  }
  return columns_of(plain);
}

/// A terminal that became narrower has broken the drawn lines into several, or cut them: their
/// place is unknown.
bool LiveScreen::is_rewrapped(const Screen& screen) const {
  return std::any_of(drawn_.begin(), drawn_.end(),
                     [&](const std::string& line) { return columns_shown(line) >= screen.width; });
}

/// To the place of the first line, all below it erased. Where that place is lost, on an empty
/// screen with as many of the lines that stay as have room.
std::string LiveScreen::begin(const Screen& screen) {
  if (!is_lost_ && !is_rewrapped(screen)) {
    return drawn_.empty() ? "" : to_first(drawn_.size()) + kRestOfScreen;
  }
  is_lost_ = false;
  std::size_t room = screen.height > drawn_.size() + 1 ? screen.height - drawn_.size() - 1 : 0;
  std::size_t first = stayed_.size();
  while (first > 0 && rows_on(screen, stayed_[first - 1]) <= room) {
    --first;
    room -= rows_on(screen, stayed_[first]);
  }
  std::string text = kCleanScreen;
  for (; first < stayed_.size(); ++first) text += stayed_[first] + "\r\n";
  return text;
}

std::string LiveScreen::block() const {
  std::string text;
  for (std::size_t at = 0; at < drawn_.size(); ++at) {
    text += (at == 0 ? "" : "\r\n") + drawn_[at];
  }
  return text.empty() ? text : text + "\r";
}

std::string LiveScreen::draw(std::vector<std::string> lines, const Screen& screen) {
  const bool is_in_place = !is_lost_ && !is_rewrapped(screen) && lines.size() == drawn_.size();
  if (is_in_place && lines == drawn_) return {};
  if (!is_in_place) {
    std::string text = begin(screen);
    drawn_ = std::move(lines);
    return text + block();
  }
  std::string text = to_first(lines.size());
  for (std::size_t at = 0; at < lines.size(); ++at) {
    if (at > 0) text += "\r\n";
    if (lines[at] != drawn_[at]) text += lines[at] + kEndOfLine;
  }
  drawn_ = std::move(lines);
  return text + "\r";
}

std::string LiveScreen::print(std::string_view line, const Screen& screen) {
  std::string text = begin(screen);
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find('\n', at), line.size());
    stayed_.emplace_back(line.substr(at, end - at));
    text += stayed_.back() + "\r\n";
    at = end + 1;
  }
  while (stayed_.size() > kKept) stayed_.pop_front();
  return text + block();
}

}  // namespace pgfanout
