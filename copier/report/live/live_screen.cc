#include "copier/report/live/live_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "copier/report/live/job_view.h"
#include "copier/report/text/output.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatienceForLines{1000};
constexpr milliseconds kPatienceForView{100};
constexpr std::size_t kKept = 100;  // Lines that stay, to redraw a cleared screen.
constexpr const char* kCleanScreen = "\x1b[H\x1b[2J";
constexpr const char* kEndOfLine = "\x1b[K";
constexpr const char* kRestOfScreen = "\x1b[J";

/// Moves the cursor from the last line of a block to its first.
std::string to_first(std::size_t lines) {
  return lines > 1 ? fmt::format("\r\x1b[{}A", lines - 1) : "\r";
}

std::size_t rows_on(const Screen& screen, const std::string& line) {
  const std::size_t columns = columns_shown(line);
  return columns == 0 ? 1 : (columns + screen.width - 1) / screen.width;
}

/// Code points from kFirstWide on may be two columns wide, but for the view's own blocks and
/// arrows.
constexpr std::uint32_t kFirstWide = 0x1100;
constexpr std::uint32_t kFirstSymbol = 0x2010;
constexpr std::uint32_t kEndOfSymbols = 0x2800;

bool is_narrow(std::uint32_t code_point) {
  return code_point < kFirstWide || (code_point >= kFirstSymbol && code_point < kEndOfSymbols);
}

}  // namespace

ScreenLine& ScreenLine::add(std::string_view text, const char* style) {
  const std::string safe = printable(text);
  std::string_view rest = safe;
  std::string shown;
  while (!rest.empty() && room() > 0) {
    const CodePoint point = first_code_point(rest);
    const bool can_show = point.value < 0x80U || (screen_.unicode && is_narrow(point.value));
    shown += can_show ? rest.substr(0, point.bytes) : "?";
    ++width_;
    rest.remove_prefix(point.bytes);
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

/// A terminal that became narrower has wrapped or cut the drawn lines: their place is unknown.
bool LiveScreen::is_rewrapped(const Screen& screen) const {
  return std::any_of(drawn_.begin(), drawn_.end(),
                     [&](const std::string& line) { return columns_shown(line) >= screen.width; });
}

/// Goes to the place of the first drawn line, and erases all below it. Where that place is unknown:
/// clears the screen, and prints as many of the lines that stay as fit.
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

TerminalView::TerminalView(int fd, bool is_live) : fd_(fd), is_live_(is_live) {
  screen_.unicode = locale_is_utf8();
  screen_.color = is_live_terminal(fd) && color_is_wanted();
}

void TerminalView::update_size() {
  const TerminalSize size = terminal_size(fd_);
  screen_.width = size.columns;
  screen_.height = size.rows;
}

void TerminalView::draw(const JobView& view) {
  if (!is_live_) return;
  update_size();
  put(live_.draw(job_view_lines(view, screen_), screen_), kPatienceForView);
}

void TerminalView::print(std::string_view line) {
  if (!is_live_) return put(std::string(line) + "\n", kPatienceForLines);
  update_size();
  put(live_.print(line, screen_), kPatienceForLines);
}

void TerminalView::erase() {
  if (is_live_) put(live_.draw({}, screen_), kPatienceForView);
}

void TerminalView::put(std::string_view text, milliseconds patience) {
  if (text.empty()) return;
  if (is_stuck_) patience = milliseconds(0);
  is_stuck_ = write_patiently(fd_, text, patience).bytes < text.size();
  if (is_stuck_) live_.lost();
}

}  // namespace pgfanout
