// The live view on a file descriptor, and lines that stay above it. A terminal that is stopped, or
// a reader that does not read, does not stop the job: output that is not read is dropped.
#pragma once

#include <chrono>
#include <string_view>

#include "copier/report/live/job_view.h"
#include "copier/report/live/live_screen.h"

namespace pgfanout {

class TerminalView {
 public:
  /// Without `is_live` there are lines that stay, and nothing else.
  TerminalView(int fd, bool is_live);

  [[nodiscard]] bool is_live() const { return is_live_; }
  [[nodiscard]] bool has_color() const { return screen_.color; }
  /// In place of the one that stands, for the terminal's size at this moment.
  void draw(const JobView& view);
  /// A line that stays, of one or several lines.
  void print(std::string_view line);
  /// Leaves nothing but the lines that stay.
  void erase();

 private:
  void look_at_size();
  void put(std::string_view text, std::chrono::milliseconds patience);

  const int fd_;
  const bool is_live_;
  Screen screen_;
  LiveScreen live_;
  bool is_stuck_ = false;  ///< Nobody took the last output.
};

}  // namespace pgfanout
