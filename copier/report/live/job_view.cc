#include "copier/report/live/job_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "copier/report/live/job_panel.h"
#include "copier/report/live/leaf_grid.h"
#include "copier/report/live/screen_line.h"
#include "copier/report/text/text.h"
#include "copier/report/text/watch_text.h"

namespace pgfanout {
namespace {

constexpr std::size_t kMostGridRows = 10;
constexpr std::size_t kMostGridColumns = 10;
constexpr std::size_t kMostBodyRows = 13;
/// Lines of the body from which on what explains the grid has room, too.
constexpr std::size_t kRowsForLegend = 8;
constexpr std::size_t kGap = 2;

std::string tables_text(const JobView& view, const Screen& screen) {
  if (view.target.empty()) return view.source;
  return view.source + (screen.unicode ? " → " : " -> ") + view.target;
}

/// One line, or a second one for the tables, if they do not fit and there is room.
std::vector<std::string> title_lines(const JobView& view, const Screen& screen,
                                     std::size_t columns) {
  constexpr unsigned kHeightForTables = 20;
  const std::string time = clock_text(view.seconds);
  ScreenLine line(screen, columns > time.size() + kGap ? columns - time.size() - kGap : 0);
  line.add("pgfanout " + view.command, style::kBold).add(" " + view.job);
  ScreenLine tables(screen, columns);
  tables.add(tables_text(view, screen));
  const bool fits = line.width() + kGap + tables.width() <= line.width() + line.room();
  if (fits) line.add("  ").add(tables);
  ScreenLine all(screen, columns);
  all.add(line).pad(columns - std::min(columns, time.size())).add(time);
  if (fits || screen.height < kHeightForTables) return {all.text()};
  return {all.text(), tables.text()};
}

std::string rate_line(const JobView& view, const Screen& screen, std::size_t columns) {
  static constexpr const char* kUnicode[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr const char* kAscii[] = {"_", ".", "-", "~", "=", "+", "*", "#"};
  constexpr std::size_t kWords = 34;  // Room for what stands around the plot.
  ScreenLine line(screen, columns);
  const std::size_t room = columns > kWords ? columns - kWords : 1;
  // Each column stands for as many of the rates as let all of them be seen.
  const std::size_t merged = std::max<std::size_t>(1, (view.rates.size() + room - 1) / room);
  std::vector<double> plotted;
  for (std::size_t at = 0; at < view.rates.size(); at += merged) {
    const std::size_t end = std::min(at + merged, view.rates.size());
    double sum = 0;
    for (std::size_t each = at; each < end; ++each) sum += view.rates[each];
    plotted.push_back(sum / static_cast<double>(end - at));
  }
  const double peak = *std::max_element(plotted.begin(), plotted.end());
  line.add("rate ");
  std::string plot;
  for (const double rate : plotted) {
    const double height = peak > 0 ? rate / peak * 7 : 0;
    const auto level = static_cast<std::size_t>(std::clamp(std::lround(height), 0L, 7L));
    plot += screen.unicode ? kUnicode[level] : kAscii[level];
  }
  line.add(plot, style::kCyan);
  const double seconds = static_cast<double>(view.rates.size()) * view.rates_every;
  return line
      .add(fmt::format(" {}, most {} rows/s", clock_text(seconds),
                       with_commas(static_cast<std::uint64_t>(std::max(peak, 0.0)))))
      .text();
}

std::string worded(const char* head, const char* look, const std::string& text,
                   const Screen& screen, std::size_t columns) {
  ScreenLine line(screen, columns);
  return line.add(head, look).add(text).text();
}

/// The grid with the panel beside it, in at most `rows` lines.
std::vector<std::string> body_lines(const JobView& view, const Screen& screen, std::size_t rows,
                                    std::size_t columns) {
  const bool has_legend = !view.leaves.empty() && rows >= kRowsForLegend;
  const std::size_t room = rows - (has_legend ? 1 : 0);
  const GridShape shape =
      grid_shape(view.leaves.size(), std::min(kMostGridRows, room), kMostGridColumns);
  const std::vector<ScreenLine> grid = grid_lines(view, shape, screen);
  const std::size_t left = grid.empty() ? 0 : 2 * shape.columns + kGap;
  const std::vector<ScreenLine> panel =
      panel_lines(view, screen, room, columns > left ? columns - left : 0);
  std::vector<std::string> lines;
  for (std::size_t row = 0; row < std::max(grid.size(), panel.size()); ++row) {
    ScreenLine line(screen, columns);
    if (row < grid.size()) line.add(grid[row]);
    if (row < panel.size() && !panel[row].empty()) line.pad(left).add(panel[row]);
    lines.push_back(line.text());
  }
  if (has_legend) lines.push_back(grid_legend(screen, columns).text());
  return lines;
}

}  // namespace

std::vector<std::string> job_view_lines(const JobView& view, const Screen& screen) {
  const std::size_t columns = screen.width > 1 ? screen.width - 1 : 0;
  if (screen.width < kLeastViewWidth || screen.height < kLeastViewHeight) {
    return {live_line(view.now, screen)};
  }
  ProgressSnapshot progress = view.now;
  progress.resident_bytes = 0;  // It has its place in the panel.
  // Title, progress and what Ctrl-C does are always there; then the body, and what is left.
  std::vector<std::string> lines = title_lines(view, screen, columns);
  lines.push_back(live_line(progress, screen));
  std::size_t left = screen.height - 1 - lines.size() - 1;
  const bool has_issue = !view.last_issue.empty() && left >= 5;
  left -= has_issue ? 1 : 0;
  const bool has_rates = view.rates.size() > 1 && left >= 5;
  left -= has_rates ? 1 : 0;
  if (has_rates) lines.push_back(rate_line(view, screen, columns));
  for (std::string& line : body_lines(view, screen, std::min(left, kMostBodyRows), columns)) {
    lines.push_back(std::move(line));
  }
  if (has_issue) {
    lines.push_back(worded("issue  ", style::kYellow, view.last_issue, screen, columns));
  }
  if (!view.on_interrupt.empty()) {
    lines.push_back(worded("Ctrl-C ", style::kDim, view.on_interrupt, screen, columns));
  }
  return lines;
}

}  // namespace pgfanout
