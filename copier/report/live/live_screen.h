// Lines at the bottom of a terminal that are drawn in place, with lines that stay above them: what
// to write, given what was written before. Pure but for what it remembers.
//
// The cursor rests at the beginning of the last drawn line, is never hidden, and no mode of the
// terminal is changed: whatever ends the process, there is nothing to restore.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "copier/report/live/progress_view.h"

namespace pgfanout {

class LiveScreen {
 public:
  /// The bytes that replace the lines on the screen by `lines`; no lines: that erase them. Empty if
  /// nothing changes.
  [[nodiscard]] std::string draw(std::vector<std::string> lines, const Screen& screen);
  /// The bytes that put a line that stays above the lines on the screen.
  [[nodiscard]] std::string print(std::string_view line, const Screen& screen);
  /// The last bytes were not written: the next writing begins with an empty screen.
  void lost() { is_lost_ = true; }

 private:
  [[nodiscard]] std::string begin(const Screen& screen);
  [[nodiscard]] std::string block() const;
  [[nodiscard]] bool is_rewrapped(const Screen& screen) const;

  std::vector<std::string> drawn_;
  std::deque<std::string> stayed_;  ///< The last lines that stay, for a screen that is redrawn.
  bool is_lost_ = false;
};

/// Columns of a line that may have escape codes.
[[nodiscard]] std::size_t columns_shown(std::string_view line);

}  // namespace pgfanout
