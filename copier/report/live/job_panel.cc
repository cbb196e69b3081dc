#include "copier/report/live/job_panel.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/report/text/text.h"
#include "copier/report/text/watch_text.h"

namespace pgfanout {
namespace {

using StageState = JobView::StageState;

constexpr std::size_t kLeastForTwoColumns = 44;
constexpr std::size_t kMostWaits = 3;

/// Lines of low rank are kept longest.
struct Ranked {
  unsigned rank;
  ScreenLine line;
};

class Panel {
 public:
  Panel(const JobView& view, const Screen& screen, std::size_t rows, std::size_t columns)
      : view_(view), screen_(screen), rows_(rows), columns_(columns) {}

  std::vector<ScreenLine> lines() {
    add_stages();
    put(9, blank());
    add_busy();
    add_memory();
    add_shares();
    add_waits("source");
    add_waits("target");
    add_thresholds();
    add_deadline();
    return chosen();
  }

 private:
  [[nodiscard]] ScreenLine blank() const { return {screen_, columns_}; }
  void put(unsigned rank, ScreenLine line) { ranked_.push_back({rank, std::move(line)}); }
  [[nodiscard]] ScreenLine stage_text(const JobView::Stage& stage, std::size_t columns) const;
  void add_stages();
  void add_busy();
  void add_memory();
  void add_shares();
  void add_waits(const char* side);
  void add_thresholds();
  void add_deadline();
  std::vector<ScreenLine> chosen();

  const JobView& view_;
  const Screen& screen_;
  const std::size_t rows_;
  const std::size_t columns_;
  std::vector<Ranked> ranked_;
};

ScreenLine Panel::stage_text(const JobView::Stage& stage, std::size_t columns) const {
  constexpr std::size_t kName = 14;
  ScreenLine line(screen_, columns);
  switch (stage.state) {
    case StageState::waiting:
      line.mark("· ", ". ", style::kDim).add(stage.name, style::kDim);
      return line;
    case StageState::running:
      line.mark("▸ ", "> ", style::kCyan).add(stage.name, style::kBold);
      break;
    case StageState::done:
      line.mark("✓ ", "+ ", style::kGreen).add(stage.name);
      break;
    case StageState::failed:
      line.mark("✗ ", "! ", style::kRed).add(stage.name, style::kRed);
      break;
    case StageState::gate:
      return line.add("? ", style::kYellow).add(stage.name).pad(kName).add("gate", style::kYellow);
  }
  line.pad(kName);
  if (!stage.seconds) return line.add("earlier", style::kDim);
  const bool runs = stage.state == StageState::running;
  return line.add(runs ? clock_text(*stage.seconds) : seconds_text(*stage.seconds));
}

/// All of them, or, where there are not the rows for that, the one that runs among them.
void Panel::add_stages() {
  const std::vector<JobView::Stage>& stages = view_.stages;
  const bool is_wide = columns_ >= kLeastForTwoColumns;
  const std::size_t half = is_wide ? (stages.size() + 1) / 2 : stages.size();
  if (half + 2 <= rows_) {
    for (std::size_t at = 0; at < half; ++at) {
      ScreenLine line = blank();
      line.add(stage_text(stages[at], is_wide ? columns_ / 2 : columns_));
      if (is_wide && half + at < stages.size()) {
        line.pad(columns_ / 2).add(stage_text(stages[half + at], columns_ - columns_ / 2));
      }
      put(0, std::move(line));
    }
    return;
  }
  const auto running = std::find_if(stages.begin(), stages.end(), [](const JobView::Stage& stage) {
    return stage.state != StageState::done && stage.state != StageState::waiting;
  });
  if (running == stages.end()) return;
  ScreenLine line = blank();
  line.add(fmt::format("stage {}/{}: ", running - stages.begin() + 1, stages.size()))
      .add(stage_text(*running, line.room()));
  put(0, std::move(line));
}

void Panel::add_busy() {
  const bool is_held = view_.speed != Speed::full;
  if (view_.readers == 0 && view_.writers == 0 && !is_held) return;
  ScreenLine line = blank();
  line.add("busy   ", style::kDim);
  if (view_.readers > 0) {
    line.add(fmt::format("readers {}/{}", view_.readers_busy, view_.readers));
  }
  if (view_.writers > 0) {
    line.add(fmt::format("{}lanes {}/{}", view_.readers > 0 ? "  " : "", view_.writers_busy,
                         view_.writers));
  }
  if (is_held) line.add("  " + speed_text(view_.speed), style::kYellow);
  put(2, std::move(line));
}

void Panel::add_memory() {
  const std::uint64_t resident = view_.now.resident_bytes;
  if (view_.memory_budget == 0 && resident == 0) return;
  ScreenLine line = blank();
  line.add("memory ", style::kDim);
  if (view_.memory_budget > 0) {
    line.add(fmt::format("rows {} of {}", bytes_text(static_cast<double>(view_.memory_used)),
                         bytes_text(static_cast<double>(view_.memory_budget))));
  }
  if (resident > 0) {
    line.add(fmt::format("{}process {}", view_.memory_budget > 0 ? "  " : "",
                         bytes_text(static_cast<double>(resident))));
  }
  put(4, std::move(line));
}

void Panel::add_shares() {
  if (!view_.shares) return;
  const JobView::Shares& shares = *view_.shares;
  ScreenLine line = blank();
  line.add("time   ", style::kDim);
  const auto add = [&](const char* what, double percent) {
    line.add(fmt::format("{} {:.0f} %  ", what, percent));
  };
  add("source", shares.source);
  add("work", shares.work);
  add("target", shares.target);
  if (shares.held > 0) add("held", shares.held);
  put(3, std::move(line));
}

void Panel::add_waits(const char* side) {
  const std::string text = waits_text(view_.waits, side, kMostWaits);
  if (text.empty()) return;
  ScreenLine line = blank();
  line.add(std::string(side) + " ", style::kDim).add(text);
  put(5, std::move(line));
}

/// One behind the other, as many lines as they need; who is crossed comes first, and goes last.
void Panel::add_thresholds() {
  std::vector<ThresholdState> all = view_.thresholds;
  std::stable_partition(all.begin(), all.end(),
                        [](const ThresholdState& each) { return each.is_crossed; });
  ScreenLine line = blank();
  unsigned rank = 6;
  for (const ThresholdState& each : all) {
    if (each.action == WatchAction::off) continue;
    const std::string limit = measure_text(each.measure, each.limit);
    const std::string value = each.value ? measure_text(each.measure, *each.value) : "not measured";
    ScreenLine one(screen_, columns_);
    one.add(name_of(each.measure), style::kDim)
        .add(" " + value, each.is_crossed ? style::kRed
                          : each.value    ? ""
                                          : style::kDim)
        .add((each.value ? "/" + limit + " " : " ") + name_of(each.action));
    if (!line.empty() && line.room() < one.width() + 2) {
      put(std::exchange(rank, 6), std::exchange(line, blank()));
    }
    if (!line.empty()) line.add("  ");
    line.add(one);
    if (each.is_crossed) rank = 1;
  }
  if (!line.empty()) put(rank, std::move(line));
}

void Panel::add_deadline() {
  if (!view_.deadline) return;
  const auto outlook = view_.deadline->outlook;
  ScreenLine line = blank();
  line.add(deadline_line(*view_.deadline), outlook == DeadlineState::Outlook::misses ? style::kRed
                                           : outlook == DeadlineState::Outlook::close
                                               ? style::kYellow
                                               : style::kPlain);
  put(1, std::move(line));
}

std::vector<ScreenLine> Panel::chosen() {
  std::vector<bool> is_kept(ranked_.size(), false);
  std::size_t kept = 0;
  for (unsigned rank = 0; rank <= 9; ++rank) {
    for (std::size_t at = 0; at < ranked_.size() && kept < rows_; ++at) {
      if (ranked_[at].rank != rank) continue;
      is_kept[at] = true;
      ++kept;
    }
  }
  std::vector<ScreenLine> lines;
  for (std::size_t at = 0; at < ranked_.size(); ++at) {
    if (is_kept[at]) lines.push_back(std::move(ranked_[at].line));
  }
  return lines;
}

}  // namespace

std::vector<ScreenLine> panel_lines(const JobView& view, const Screen& screen, std::size_t rows,
                                    std::size_t columns) {
  return Panel(view, screen, rows, columns).lines();
}

}  // namespace pgfanout
