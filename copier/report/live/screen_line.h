// A line for a terminal that is never wider than it may be, whatever is put into it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "copier/report/live/progress_view.h"

namespace pgfanout {

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

class ScreenLine {
 public:
  /// `columns` is its greatest width.
  ScreenLine(const Screen& screen, std::size_t columns) : screen_(screen), columns_(columns) {}

  /// Appends as much of `text` as fits. Text has one column a code point; what may have two, or
  /// cannot be shown at all, becomes a question mark.
  ScreenLine& add(std::string_view text, const char* style = style::kPlain);
  /// Appends the line, which has the same screen, or what fits of it: nothing, if it does not.
  ScreenLine& add(const ScreenLine& other);
  /// Blanks up to that column.
  ScreenLine& pad(std::size_t column);
  /// `unicode` or its stand-in, by what the screen shows.
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

}  // namespace pgfanout
