#include "copier/report/live/terminal_view.h"

#include <string>

#include "copier/report/text/terminal.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatienceForLines{1000};
constexpr milliseconds kPatienceForView{100};

}  // namespace

TerminalView::TerminalView(int fd, bool is_live) : fd_(fd), is_live_(is_live) {
  screen_.unicode = locale_is_utf8();
  screen_.color = is_live_terminal(fd) && color_is_wanted();
}

void TerminalView::look_at_size() {
  const TerminalSize size = terminal_size(fd_);
  screen_.width = size.columns;
  screen_.height = size.rows;
}

void TerminalView::draw(const JobView& view) {
  if (!is_live_) return;
  look_at_size();
  put(live_.draw(job_view_lines(view, screen_), screen_), kPatienceForView);
}

void TerminalView::print(std::string_view line) {
  if (!is_live_) return put(std::string(line) + "\n", kPatienceForLines);
  look_at_size();
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
