#include "copier/report/live/progress_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

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

std::uint64_t whole_number(double number) {
  return number > 0 ? static_cast<std::uint64_t>(std::llround(std::min(number, 1e18))) : 0;
}

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
    parts.push_back({10, "mem " + bytes_text(static_cast<double>(now.resident_bytes))});
  }
  return parts;
}

/// Marks the parts that fit into `columns`, best rank first; what is left over widens the bar.
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

/// 0 to 1; 0 where nothing is expected.
double share_of(const ProgressSnapshot& now) {
  if (now.bytes_expected == 0) return 0;
  return std::min(1.0, static_cast<double>(now.bytes) / static_cast<double>(now.bytes_expected));
}

std::string fitted(std::string text, std::size_t columns) {
  while (columns_of(text) > columns) text.pop_back();
  return text;
}

}  // namespace

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
  return line.empty() ? fitted(parts.front().text, columns) : line;
}

std::string plain_line(const ProgressSnapshot& now) {
  std::string line = now.stage + ":";
  if (now.is_stopping) line += " stopping,";
  if (const auto percent = percent_of(now)) line += fmt::format(" {} %,", *percent);
  if (now.rows > 0) line += fmt::format(" {},", rows_text(now.rows));
  if (has_steps(now)) line += " " + steps_text(now) + ",";
  if (now.rows_rejected > 0) line += fmt::format(" {} rejected,", with_commas(now.rows_rejected));
  if (now.rows_per_second > 0) {
    line += fmt::format(" {} rows/s, {}/s,", with_commas(whole_number(now.rows_per_second)),
                        bytes_text(now.bytes_per_second));
  }
  line += fmt::format(" {} so far", clock_text(now.stage_seconds));
  if (const auto left = seconds_left(now)) line += ", ETA " + clock_text(*left);
  return line;
}

std::string stage_line(const StageSummary& stage, std::uint64_t rows, std::uint64_t bytes) {
  const std::string how = stage.status == "ok" ? "done in" : stage.status + " after";
  std::string line = fmt::format("{}: {} {}", stage.name, how, seconds_text(stage.seconds));
  if (rows == 0) return line;
  line += fmt::format(", {}, {}", rows_text(rows), bytes_text(static_cast<double>(bytes)));
  if (!(stage.seconds > 0)) return line;
  return line + fmt::format(", {} rows/s, {}/s",
                            with_commas(whole_number(static_cast<double>(rows) / stage.seconds)),
                            bytes_text(static_cast<double>(bytes) / stage.seconds));
}

void RateWindow::restart() {
  samples_.clear();
}

void RateWindow::add(double seconds, std::uint64_t rows, std::uint64_t bytes) {
  samples_.push_back({seconds, rows, bytes});
  while (samples_.size() > 2 && samples_[1].seconds <= seconds - window_seconds) {
    samples_.pop_front();
  }
}

double RateWindow::seconds() const {
  return samples_.empty() ? 0 : samples_.back().seconds - samples_.front().seconds;
}

double RateWindow::rows_per_second() const {
  const double time = seconds();
  if (!(time > 0)) return 0;
  return static_cast<double>(samples_.back().rows - samples_.front().rows) / time;
}

double RateWindow::bytes_per_second() const {
  const double time = seconds();
  if (!(time > 0)) return 0;
  return static_cast<double>(samples_.back().bytes - samples_.front().bytes) / time;
}

}  // namespace pgfanout
