// Lines for a terminal: ScreenLine keeps to a width, LiveScreen draws lines in place below lines
// that stay, TerminalView writes them to a file descriptor.
//
// The cursor rests at the beginning of the last drawn line, is never hidden, and no mode of the
// terminal is changed: whatever ends the process, there is nothing to restore.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace pgfanout {

struct JobView;

/// Size and abilities of a terminal.
struct Screen {
  unsigned width = 80;
  bool unicode = false;
  bool color = false;
  unsigned height = 24;
};

/// Colours by their SGR parameters.
namespace style {
inline constexpr const char* kPlain = "";
inline constexpr const char* kDim = "2";
inline constexpr const char* kBold = "1";
inline constexpr const char* kRed = "31";
inline constexpr const char* kGreen = "32";
inline constexpr const char* kYellow = "33";
inline constexpr const char* kBlue = "34";
inline constexpr const char* kMagenta = "35";
inline constexpr const char* kCyan = "36";
}  // namespace style

/// Text that is never wider than `columns`, whatever is added to it.
class ScreenLine {
 public:
  ScreenLine(const Screen& screen, std::size_t columns) : screen_(screen), columns_(columns) {}

  /// Appends as much of `text` as fits. A code point takes one column; those that may take two, or
  /// that the terminal cannot show, become question marks.
  ScreenLine& add(std::string_view text, const char* style = style::kPlain);
  /// Appends a line of the same screen if all of it fits, else nothing.
  ScreenLine& add(const ScreenLine& other);
  /// Appends blanks up to that column.
  ScreenLine& pad(std::size_t column);
  /// Appends `unicode`, or `ascii` where the terminal does not show that.
  ScreenLine& mark(std::string_view unicode, std::string_view ascii,
                   const char* style = style::kPlain) {
    return add(screen_.unicode ? unicode : ascii, style);
  }

  [[nodiscard]] std::size_t width() const { return width_; }
  [[nodiscard]] std::size_t room() const { return columns_ - width_; }
  [[nodiscard]] bool empty() const { return width_ == 0; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  Screen screen_;
  std::size_t columns_;
  std::size_t width_ = 0;
  std::string text_;
};

/// Lines at the bottom of a terminal, drawn in place, below lines that stay: the bytes to write,
/// given those that were written before. Does no I/O.
class LiveScreen {
 public:
  /// The bytes that replace the drawn lines by `lines`. Empty if nothing changes.
  [[nodiscard]] std::string draw(std::vector<std::string> lines, const Screen& screen);
  /// The bytes that insert a line that stays above the drawn lines.
  [[nodiscard]] std::string print(std::string_view line, const Screen& screen);
  /// The last bytes were not written: the next ones clear the screen first.
  void lost() { is_lost_ = true; }

 private:
  [[nodiscard]] std::string begin(const Screen& screen);
  [[nodiscard]] std::string block() const;
  [[nodiscard]] bool is_rewrapped(const Screen& screen) const;

  std::vector<std::string> drawn_;
  std::deque<std::string> stayed_;  ///< The last lines that stay, to redraw a cleared screen.
  bool is_lost_ = false;
};

/// Width of a line that may have escape codes.
[[nodiscard]] std::size_t columns_shown(std::string_view line);

/// The live view on a file descriptor, and lines that stay above it. Output that nobody reads is
/// dropped: neither a stopped terminal nor a slow reader stops the job.
class TerminalView {
 public:
  /// Without `is_live` only the lines that stay are written.
  TerminalView(int fd, bool is_live);

  [[nodiscard]] bool is_live() const { return is_live_; }
  [[nodiscard]] bool has_color() const { return screen_.color; }
  /// Replaces the drawn view, for the terminal's size at this moment.
  void draw(const JobView& view);
  /// Text that stays, of one or several lines.
  void print(std::string_view line);
  /// Removes the drawn view.
  void erase();

 private:
  void update_size();
  void put(std::string_view text, std::chrono::milliseconds patience);

  const int fd_;
  const bool is_live_;
  Screen screen_;
  LiveScreen live_;
  bool is_stuck_ = false;  ///< Nobody read the last output.
};

}  // namespace pgfanout
