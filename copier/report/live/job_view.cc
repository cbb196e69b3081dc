#include "copier/report/live/job_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "copier/base/amount.h"
#include "copier/report/text/text.h"
#include "copier/report/text/watch_text.h"

namespace pgfanout {
namespace {

using StageState = JobView::StageState;

constexpr double window_seconds = 10;
constexpr std::size_t least_bar = 10;
constexpr std::size_t most_bar = 40;
constexpr std::size_t gap = 2;  // Blanks between two parts of the live line.

/// A part of the live line. Parts of low rank are kept longest.
struct Part {
  unsigned rank;
  std::string text;
  bool is_bar = false;
  bool is_kept = false;
};

bool has_steps(const ProgressSnapshot& now) {
  return now.steps_total > 0 || now.steps_done > 0 || now.build_blocks_total > 0;
}

std::string steps_text(const ProgressSnapshot& now) {
  std::string text = with_commas(now.steps_done);
  if (now.steps_total > 0) text += "/" + with_commas(now.steps_total);
  text += " steps";
  if (now.build_blocks_total > 0) {
    text += fmt::format(
        " (builds at {} %)",
        100 * std::min(now.build_blocks_done, now.build_blocks_total) / now.build_blocks_total);
  }
  return text;
}

std::vector<Part> parts_of(const ProgressSnapshot& now) {
  std::vector<Part> parts;
  const auto percent = percent_of(now);
  const auto left = seconds_left(now);
  parts.push_back({0, now.is_stopping ? "stopping" : now.stage});
  if (percent) parts.push_back({6, std::string(least_bar + 2, ' '), true});
  if (percent) parts.push_back({1, fmt::format("{:3} %", *percent)});
  if (now.rows > 0) parts.push_back({3, rows_text(now.rows)});
  if (has_steps(now)) parts.push_back({3, steps_text(now)});
  if (now.rows_rejected > 0) parts.push_back({4, with_commas(now.rows_rejected) + " rejected"});
  if (now.rows_per_second > 0) {
    parts.push_back({5, with_commas(whole_number(now.rows_per_second)) + " rows/s"});
  }
  if (now.bytes_per_second > 0) {
    parts.push_back({7, bytes_text(now.bytes_per_second) + "/s"});
  }
  if (left) parts.push_back({2, "ETA " + clock_text(*left)});
  parts.push_back({percent ? 8U : 2U, clock_text(now.stage_seconds)});
  if (now.leaves_committed > 0) {
    parts.push_back({9, fmt::format("{}/{} leaves", now.leaves_committed, now.leaves_total)});
  }
  if (now.resident_bytes > 0) {
    parts.push_back({10, "mem " + amount_of_bytes(now.resident_bytes)});
  }
  return parts;
}

/// Marks the parts that fit into `columns`, lowest rank first; the bar takes the rest of the width.
void choose(std::vector<Part>& parts, std::size_t columns) {
  std::size_t used = 0;
  for (unsigned rank = 0; rank <= 10; ++rank) {
    for (Part& part : parts) {
      const std::size_t need = columns_of(part.text) + (used == 0 ? 0 : gap);
      if (part.rank != rank || used + need > columns) continue;
      part.is_kept = true;
      used += need;
    }
  }
  for (Part& part : parts) {
    if (!part.is_bar || !part.is_kept) continue;
    part.text.resize(std::min(part.text.size() + columns - used, most_bar + 2), ' ');
  }
}

/// A bar of `columns` columns, brackets included.
std::string bar(double share, std::size_t columns, const Screen& screen) {
  constexpr std::array<std::string_view, 8> eighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const std::size_t cells = columns - 2;
  const double filled = share * static_cast<double>(cells);
  const auto full = static_cast<std::size_t>(filled);
  std::string inside;
  for (std::size_t i = 0; i < full; ++i) inside += screen.unicode ? "█" : "#";
  std::size_t drawn = full;
  const auto eighth = static_cast<std::size_t>((filled - static_cast<double>(full)) * 8);
  if (screen.unicode && full < cells && eighth > 0) {
    inside += eighths[eighth];
    ++drawn;
  }
  if (screen.color) inside = "\x1b[36m" + inside + "\x1b[0m";
  return "[" + inside + std::string(cells - drawn, screen.unicode ? ' ' : '.') + "]";
}

/// 0 to 1; 0: bytes_expected is unknown.
double share_of(const ProgressSnapshot& now) {
  if (now.bytes_expected == 0) return 0;
  return std::min(1.0, static_cast<double>(now.bytes) / static_cast<double>(now.bytes_expected));
}

constexpr std::size_t kLeastForTwoColumns = 44;
constexpr std::size_t kMostWaits = 3;
constexpr std::size_t kMostGridRows = 10;
constexpr std::size_t kMostGridColumns = 10;
constexpr std::size_t kMostBodyRows = 13;
/// Lines of the body from which on there is room for the grid's legend.
constexpr std::size_t kRowsForLegend = 8;
constexpr std::size_t kGap = 2;

/// How a leaf of one state is drawn.
struct LeafMark {
  const char* with_color;
  const char* unicode;
  const char* ascii;
  const char* style;
};

/// In the order of LeafState. Without colour a letter stands for the state.
constexpr std::array<LeafMark, 6> kLeafMarks = {{{"·", "·", ".", style::kDim},
                                                 {"▃", "▃", "=", style::kYellow},
                                                 {"▆", "C", "C", style::kBlue},
                                                 {"▆", "P", "P", style::kCyan},
                                                 {"▆", "I", "I", style::kMagenta},
                                                 {"▆", "V", "V", style::kGreen}}};
constexpr std::array<const char*, 6> kFilling = {"▁", "▂", "▃", "▄", "▅", "▆"};
constexpr std::array<const char*, 6> kFillingAscii = {"-", "-", "=", "=", "#", "#"};

const LeafMark& mark_of(LeafState state) {
  return kLeafMarks[static_cast<std::size_t>(state)];
}

const char* text_of(const LeafMark& mark, const Screen& screen) {
  return !screen.unicode ? mark.ascii : screen.color ? mark.with_color : mark.unicode;
}

/// The state of several leaves is that of the last of them, but `loading` once one has begun.
struct Cell {
  LeafState state = LeafState::waiting;
  double share = 0;  ///< Of the rows expected.
};

Cell cell_of(const JobView& view, std::size_t begin, std::size_t end) {
  Cell cell{LeafState::verified, 0};
  bool has_begun = false;
  std::uint64_t rows = 0;
  for (std::size_t at = begin; at < end; ++at) {
    const JobView::Leaf& leaf = view.leaves[at];
    cell.state = std::min(cell.state, leaf.state);
    has_begun = has_begun || leaf.state != LeafState::waiting;
    rows += leaf.rows;
  }
  if (has_begun) cell.state = std::max(cell.state, LeafState::loading);
  const double expected = static_cast<double>(view.rows_expected) *
                          static_cast<double>(end - begin) /
                          static_cast<double>(view.leaves.size());
  if (expected > 0) cell.share = static_cast<double>(rows) / expected;
  return cell;
}

void add_cell(ScreenLine& line, const Cell& cell, const Screen& screen) {
  const LeafMark& mark = mark_of(cell.state);
  const char* text = text_of(mark, screen);
  if (cell.state == LeafState::loading && cell.share > 0) {
    const auto level = static_cast<std::size_t>(std::min(5.0, cell.share * 6));
    text = screen.unicode ? kFilling[level] : kFillingAscii[level];
  }
  line.add(text, mark.style).add(" ");
}

/// The characters and their states, as many as fit.
ScreenLine grid_legend(const Screen& screen, std::size_t columns) {
  ScreenLine legend(screen, columns);
  for (std::size_t state = 0; state < kLeafMarks.size(); ++state) {
    const LeafMark& mark = kLeafMarks[state];
    ScreenLine one(screen, columns);
    if (!legend.empty()) one.add("  ");
    one.add(text_of(mark, screen), mark.style).add(" ").add(kLeafStateNames[state]);
    legend.add(one);
  }
  return legend;
}

struct StageMark {
  const char* unicode;
  const char* ascii;
  const char* style;
  const char* name_style;
};

/// In the order of StageState.
constexpr std::array kStageMarks = {StageMark{"· ", ". ", style::kDim, style::kDim},
                                    StageMark{"▸ ", "> ", style::kCyan, style::kBold},
                                    StageMark{"✓ ", "+ ", style::kGreen, style::kPlain},
                                    StageMark{"✗ ", "! ", style::kRed, style::kRed},
                                    StageMark{"? ", "? ", style::kYellow, style::kPlain}};

/// A line of the panel. Those of low rank are kept longest.
struct Ranked {
  unsigned rank;
  ScreenLine line;
};

/// The panel beside the grid: stages, who is busy, where the time goes, thresholds.
class Panel {
 public:
  Panel(const JobView& view, const Screen& screen, std::size_t rows, std::size_t columns)
      : view_(view), screen_(screen), rows_(rows), columns_(columns) {}

  /// At most `rows` lines of at most `columns`.
  std::vector<ScreenLine> lines() {
    add_stages();
    add_line(9);
    add_busy();
    add_memory();
    add_shares();
    add_waits("source");
    add_waits("target");
    add_session_waits();
    add_thresholds();
    add_deadline();
    return chosen();
  }

 private:
  ScreenLine& add_line(unsigned rank, std::string_view title = {}) {
    ranked_.push_back({rank, ScreenLine(screen_, columns_)});
    return ranked_.back().line.add(title, style::kDim);
  }

  [[nodiscard]] ScreenLine stage_text(const JobView::Stage& stage, std::size_t columns) const {
    constexpr std::size_t kName = 14;
    ScreenLine line(screen_, columns);
    const StageMark& mark = kStageMarks.at(static_cast<std::size_t>(stage.state));
    line.mark(mark.unicode, mark.ascii, mark.style).add(stage.name, mark.name_style);
    if (stage.state == StageState::waiting) return line;
    if (stage.state == StageState::gate) return line.pad(kName).add("gate", style::kYellow);
    line.pad(kName);
    if (!stage.seconds) return line.add("earlier", style::kDim);
    const bool runs = stage.state == StageState::running;
    return line.add(runs ? clock_text(*stage.seconds) : seconds_text(*stage.seconds));
  }

  /// All of them; where the rows do not suffice, only the running one.
  void add_stages() {
    const std::vector<JobView::Stage>& stages = view_.stages;
    const bool is_wide = columns_ >= kLeastForTwoColumns;
    const std::size_t half = is_wide ? (stages.size() + 1) / 2 : stages.size();
    if (half + 2 <= rows_) {
      for (std::size_t at = 0; at < half; ++at) {
        ScreenLine& line = add_line(0);
        line.add(stage_text(stages[at], is_wide ? columns_ / 2 : columns_));
        if (is_wide && half + at < stages.size()) {
          line.pad(columns_ / 2).add(stage_text(stages[half + at], columns_ - columns_ / 2));
        }
      }
      return;
    }
    const auto running =
        std::find_if(stages.begin(), stages.end(), [](const JobView::Stage& stage) {
          return stage.state != StageState::done && stage.state != StageState::waiting;
        });
    if (running == stages.end()) return;
    ScreenLine& line = add_line(0);
    line.add(fmt::format("stage {}/{}: ", running - stages.begin() + 1, stages.size()));
    line.add(stage_text(*running, line.room()));
  }

  void add_busy() {
    const bool is_held = view_.speed != Speed::full;
    if (view_.readers == 0 && view_.writers == 0 && !is_held) return;
    ScreenLine& line = add_line(2, "busy   ");
    if (view_.readers > 0) {
      line.add(fmt::format("readers {}/{}", view_.readers_busy, view_.readers));
    }
    if (view_.writers > 0) {
      line.add(fmt::format("{}lanes {}/{}", view_.readers > 0 ? "  " : "", view_.writers_busy,
                           view_.writers));
    }
    if (is_held) line.add("  " + speed_text(view_.speed), style::kYellow);
  }

  void add_memory() {
    const std::uint64_t resident = view_.now.resident_bytes;
    if (view_.memory_budget == 0 && resident == 0) return;
    ScreenLine& line = add_line(4, "memory ");
    if (view_.memory_budget > 0) {
      line.add(fmt::format("rows {} of {}", amount_of_bytes(view_.memory_used),
                           amount_of_bytes(view_.memory_budget)));
    }
    if (resident > 0) {
      line.add(fmt::format("{}process {}", view_.memory_budget > 0 ? "  " : "",
                           amount_of_bytes(resident)));
    }
  }

  void add_shares() {
    if (!view_.shares) return;
    const JobView::Shares& shares = *view_.shares;
    ScreenLine& line = add_line(3, "time   ");
    const auto add = [&](const char* what, double percent) {
      line.add(fmt::format("{} {:.0f} %  ", what, percent));
    };
    add("source", shares.source);
    add("work", shares.work);
    add("target", shares.target);
    if (shares.held > 0) add("held", shares.held);
  }

  void add_waits(const char* side) {
    const std::string text = waits_text(view_.waits, side, kMostWaits);
    if (!text.empty()) add_line(5, std::string(side) + " ").add(text);
  }

  void add_session_waits() {
    for (const SessionWait& wait : view_.session_waits) {
      add_line(0, "waits  ").add(wait_text(wait), style::kRed);
    }
  }

  /// Crossed ones first, as many lines as they need.
  void add_thresholds() {
    std::vector<ThresholdState> all = view_.thresholds;
    std::stable_partition(all.begin(), all.end(),
                          [](const ThresholdState& each) { return each.is_crossed; });
    ScreenLine* line = nullptr;
    for (const ThresholdState& each : all) {
      if (each.action == WatchAction::off) continue;
      const std::string limit = measure_text(each.measure, each.limit);
      const std::string value =
          each.value ? measure_text(each.measure, *each.value) : "not measured";
      const char* const value_style = each.is_crossed ? style::kRed
                                      : each.value    ? style::kPlain
                                                      : style::kDim;
      ScreenLine one(screen_, columns_);
      one.add(name_of(each.measure), style::kDim)
          .add(" " + value, value_style)
          .add((each.value ? "/" + limit + " " : " ") + name_of(each.action));
      if (line == nullptr || line->room() < one.width() + 2) line = &add_line(6);
      if (!line->empty()) line->add("  ");
      line->add(one);
      if (each.is_crossed) ranked_.back().rank = 1;
    }
  }

  void add_deadline() {
    if (!view_.deadline) return;
    const auto outlook = view_.deadline->outlook;
    add_line(1).add(deadline_line(*view_.deadline),
                    outlook == DeadlineState::Outlook::misses  ? style::kRed
                    : outlook == DeadlineState::Outlook::close ? style::kYellow
                                                               : style::kPlain);
  }

  std::vector<ScreenLine> chosen() {
    while (ranked_.size() > rows_) {
      const auto least = std::max_element(
          ranked_.rbegin(), ranked_.rend(),
          [](const Ranked& left, const Ranked& right) { return left.rank < right.rank; });
      ranked_.erase(std::next(least).base());
    }
    std::vector<ScreenLine> lines;
    for (Ranked& each : ranked_) lines.push_back(std::move(each.line));
    return lines;
  }

  const JobView& view_;
  const Screen& screen_;
  const std::size_t rows_;
  const std::size_t columns_;
  std::vector<Ranked> ranked_;
};

std::string tables_text(const JobView& view, const Screen& screen) {
  if (view.target.empty()) return view.source;
  return view.source + (screen.unicode ? " → " : " -> ") + view.target;
}

/// One line; a second one for the tables if they do not fit and there is room.
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
  constexpr std::size_t kWords = 34;  // Columns of the text around the plot.
  ScreenLine line(screen, columns);
  const std::size_t room = columns > kWords ? columns - kWords : 1;
  // Each column is the mean of as many rates as are needed to show all of them.
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

std::string worded(const char* head, const char* style, const std::string& text,
                   const Screen& screen, std::size_t columns) {
  ScreenLine line(screen, columns);
  return line.add(head, style).add(text).text();
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
      Panel(view, screen, room, columns > left ? columns - left : 0).lines();
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

GridShape grid_shape(std::size_t leaves, std::size_t most_rows, std::size_t most_columns) {
  if (leaves == 0 || most_rows == 0 || most_columns == 0) return {};
  const auto side = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(leaves))));
  GridShape shape;
  shape.rows = std::min(side, most_rows);
  shape.columns = std::min((leaves + shape.rows - 1) / shape.rows, most_columns);
  const std::size_t cells = shape.rows * shape.columns;
  shape.leaves_a_cell = (leaves + cells - 1) / cells;
  // With several leaves a cell, fewer cells may suffice.
  const std::size_t used = (leaves + shape.leaves_a_cell - 1) / shape.leaves_a_cell;
  shape.rows = (used + shape.columns - 1) / shape.columns;
  return shape;
}

std::vector<ScreenLine> grid_lines(const JobView& view, const GridShape& shape,
                                   const Screen& screen) {
  std::vector<ScreenLine> lines;
  std::size_t begin = 0;
  for (std::size_t row = 0; row < shape.rows; ++row) {
    ScreenLine line(screen, 2 * shape.columns);
    for (std::size_t column = 0; column < shape.columns && begin < view.leaves.size(); ++column) {
      const std::size_t end = std::min(begin + shape.leaves_a_cell, view.leaves.size());
      add_cell(line, cell_of(view, begin, end), screen);
      begin = end;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> job_view_lines(const JobView& view, const Screen& screen) {
  const std::size_t columns = screen.width > 1 ? screen.width - 1 : 0;
  if (screen.width < kLeastViewWidth || screen.height < kLeastViewHeight) {
    return {live_line(view.now, screen)};
  }
  ProgressSnapshot progress = view.now;
  progress.resident_bytes = 0;  // The panel shows it.
  // Title, progress and the effect of Ctrl-C are always shown.
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

std::optional<unsigned> percent_of(const ProgressSnapshot& snapshot) {
  if (snapshot.bytes_expected == 0) return {};
  const double most = snapshot.is_estimate ? 99 : 100;
  return static_cast<unsigned>(std::min(share_of(snapshot) * 100, most));
}

std::optional<double> seconds_left(const ProgressSnapshot& snapshot) {
  const bool knows_end = snapshot.bytes_expected > snapshot.bytes && snapshot.bytes > 0;
  if (!knows_end || !(snapshot.bytes_per_second > 0)) return {};
  return static_cast<double>(snapshot.bytes_expected - snapshot.bytes) / snapshot.bytes_per_second;
}

std::string live_line(const ProgressSnapshot& snapshot, const Screen& screen) {
  const std::size_t columns = screen.width > 1 ? screen.width - 1 : 0;
  std::vector<Part> parts = parts_of(snapshot);
  choose(parts, columns);
  std::string line;
  for (const Part& part : parts) {
    if (!part.is_kept) continue;
    if (!line.empty()) line.append(gap, ' ');
    line += part.is_bar ? bar(share_of(snapshot), part.text.size(), screen) : part.text;
  }
  if (!line.empty()) return line;
  line = parts.front().text;
  while (columns_of(line) > columns) line.pop_back();
  return line;
}

std::string plain_line(const ProgressSnapshot& now) {
  std::string line = now.stage + ":";
  if (now.is_stopping) line += " stopping,";
  if (const auto percent = percent_of(now)) line += fmt::format(" {} %,", *percent);
  if (now.rows > 0) line += fmt::format(" {},", rows_text(now.rows));
  if (has_steps(now)) line += " " + steps_text(now) + ",";
  if (now.rows_rejected > 0) line += fmt::format(" {} rejected,", with_commas(now.rows_rejected));
  if (now.rows_per_second > 0) {
    line += fmt::format(" {},", rates_text(now.rows_per_second, now.bytes_per_second));
  }
  line += fmt::format(" {} so far", clock_text(now.stage_seconds));
  if (const auto left = seconds_left(now)) line += ", ETA " + clock_text(*left);
  return line;
}

std::string stage_line(const StageSummary& stage, std::uint64_t rows, std::uint64_t bytes) {
  const std::string how = stage.status == "ok" ? "done in" : stage.status + " after";
  std::string line = fmt::format("{}: {} {}", stage.name, how, seconds_text(stage.seconds));
  if (rows == 0) return line;
  line += fmt::format(", {}, {}", rows_text(rows), amount_of_bytes(bytes));
  if (!(stage.seconds > 0)) return line;
  return line + ", " +
         rates_text(static_cast<double>(rows) / stage.seconds,
                    static_cast<double>(bytes) / stage.seconds);
}

void RateWindow::add(double seconds, std::uint64_t rows, std::uint64_t bytes) {
  samples_.push_back({seconds, rows, bytes});
  while (samples_.size() > 2 && samples_[1].seconds <= seconds - window_seconds) {
    samples_.pop_front();
  }
}

double RateWindow::rate_of(std::uint64_t Sample::*count) const {
  const double time = samples_.empty() ? 0 : samples_.back().seconds - samples_.front().seconds;
  if (!(time > 0)) return 0;
  return static_cast<double>(samples_.back().*count - samples_.front().*count) / time;
}

void RateSeries::restart(double seconds, std::uint64_t rows) {
  rates_.clear();
  seconds_ = seconds;
  rows_ = rows;
}

void RateSeries::add(double seconds, std::uint64_t rows, double every) {
  constexpr std::size_t kMost = 300;
  if (seconds < seconds_ + every || !(seconds > seconds_)) return;
  const std::uint64_t more = rows > rows_ ? rows - rows_ : 0;
  if (!rates_.empty() || more > 0) {
    rates_.push_back(static_cast<double>(more) / (seconds - seconds_));
  }
  if (rates_.size() > kMost) rates_.pop_front();
  rows_ = rows;
  seconds_ = seconds;
}

}  // namespace pgfanout
