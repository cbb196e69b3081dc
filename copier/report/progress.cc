#include "copier/report/progress.h"

#include "copier/report/issue_text.h"
#include "copier/report/resources.h"
#include "copier/report/terminal.h"
#include "copier/report/text.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds tick_every{100};
constexpr milliseconds patience_for_lines{1000};

}  // namespace

Progress::Progress(const ProgressOptions& options, const Cancellation& cancellation)
    : options_(options),
      cancellation_(cancellation),
      is_live_(options.mode == ProgressMode::automatic && is_live_terminal(options.fd)),
      is_silent_(options.mode == ProgressMode::none),
      screen_{80, locale_is_utf8(), is_live_terminal(options.fd) && color_is_wanted()},
      ticker_([this] { run(); }) {}

Progress::~Progress() {
  finish();
}

void Progress::finish() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    draw("");
  }
  stopping_changed_.notify_all();
  if (ticker_.joinable()) ticker_.join();
}

void Progress::run() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    stopping_changed_.wait_for(lock, tick_every);
    if (!is_stopping_) tick();
  }
}

void Progress::job_started(const std::string& job_id, const JobCounters& counters) {
  const std::lock_guard lock(mutex_);
  counters_ = &counters;
  if (!is_silent_) print_line("job " + printable(job_id));
}

void Progress::stage_started(std::string_view stage) {
  const std::lock_guard lock(mutex_);
  if (!open_.empty()) open_.back().has_inner = true;
  OpenStage open{printable(stage), Clock::now()};
  if (counters_ != nullptr) {
    open.steps_done = counters_->steps_done;
    open.steps_total = counters_->steps_total;
  }
  next_plain_ = open.start + options_.plain_every;
  open_.push_back(std::move(open));
  rates_.restart();
  if (!is_silent_ && !is_live_) print_line(label() + ": started");
}

void Progress::stage_finished(const StageSummary& stage) {
  const std::lock_guard lock(mutex_);
  const ProgressSnapshot last = snapshot();
  // The figures of a stage that had others within it were told with those.
  const bool has_figures = !open_.empty() && !open_.back().has_inner;
  StageSummary shown = stage;
  shown.name = open_.empty() ? printable(stage.name) : label();
  if (!open_.empty()) open_.pop_back();
  rates_.restart();
  if (is_silent_) return;
  print_line(stage_line(shown, has_figures ? last.rows : 0, has_figures ? last.bytes : 0));
}

void Progress::issue_found(const Issue& issue) {
  const std::lock_guard lock(mutex_);
  print_line(issue_text(issue, screen_.color));
}

void Progress::tick() {
  if (cancellation_.is_set()) tell_about_stop();
  if (open_.empty() || is_silent_) return;
  const ProgressSnapshot now = snapshot();
  if (is_live_) {
    Screen screen = screen_;
    screen.width = terminal_width(options_.fd);
    draw(live_line(now, screen));
  } else if (Clock::now() >= next_plain_) {
    next_plain_ += options_.plain_every;
    print_line(plain_line(now));
  }
}

void Progress::tell_about_stop() {
  if (has_told_stop_) return;
  has_told_stop_ = true;
  print_line(
      "stopping: at the next good place (an epoch is finished first); Ctrl-C again stops at once");
}

/// The open stages, outermost first: "copy/read-back".
std::string Progress::label() const {
  std::string text;
  for (const OpenStage& open : open_) text += (text.empty() ? "" : "/") + open.name;
  return text;
}

ProgressSnapshot Progress::snapshot() {
  ProgressSnapshot now;
  if (open_.empty()) return now;
  const OpenStage& open = open_.back();
  now.stage = label();
  now.stage_seconds = std::chrono::duration<double>(Clock::now() - open.start).count();
  now.is_stopping = cancellation_.is_set();
  if (is_live_) now.resident_bytes = resident_bytes();
  if (counters_ == nullptr) return now;
  const JobCounters& count = *counters_;
  now.rows_rejected = count.rows_rejected;
  const std::uint64_t steps_done = count.steps_done;
  const std::uint64_t steps_total = count.steps_total;
  if (steps_done != open.steps_done || steps_total != open.steps_total) {
    now.steps_done = steps_done;
    now.steps_total = steps_total;
    now.build_blocks_done = count.build_blocks_done;
    now.build_blocks_total = count.build_blocks_total;
  }
  if (open.name == "copy") {
    now.rows = count.rows_read;
    now.bytes = count.bytes_read;
    now.bytes_expected = count.bytes_expected;
    now.is_estimate = true;
    now.leaves_committed = count.leaves_committed;
    now.leaves_total = count.leaves_total;
  } else if (open.name == "data") {
    now.rows = count.rows_read + count.rows_read_back;
    now.bytes = count.bytes_read + count.bytes_read_back;
    now.bytes_expected = count.bytes_expected;
    now.is_estimate = true;
  } else if (open.name == "read-back") {
    now.rows = count.rows_read_back;
    now.bytes = count.bytes_read_back;
    now.bytes_expected = count.bytes_read;
  }
  rates_.add(now.stage_seconds, now.rows, now.bytes);
  now.rows_per_second = rates_.rows_per_second();
  now.bytes_per_second = rates_.bytes_per_second();
  return now;
}

/// A line that stays, above the live line.
void Progress::print_line(std::string_view line) {
  const std::string live = open_.empty() ? "" : drawn_;
  draw("");
  put(std::string(line) + "\n", is_stuck_ ? milliseconds(0) : patience_for_lines);
  draw(live);
}

/// The live line in place of the one that stands; empty: none.
void Progress::draw(std::string_view line) {
  if (!is_live_ || line == drawn_) return;
  put("\r" + std::string(line) + "\x1b[K" + (line.empty() ? "" : "\r"), milliseconds(0));
  drawn_ = line;
}

void Progress::put(std::string_view text, milliseconds patience) {
  is_stuck_ = write_patiently(options_.fd, text, patience).bytes < text.size();
}

}  // namespace pgfanout
