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
  stage_ = printable(stage);
  stage_start_ = Clock::now();
  next_plain_ = stage_start_ + options_.plain_every;
  rates_.restart();
  if (!is_silent_ && !is_live_) print_line(stage_ + ": started");
}

void Progress::stage_finished(const StageSummary& stage) {
  const std::lock_guard lock(mutex_);
  const ProgressSnapshot last = snapshot();
  stage_.clear();
  if (!is_silent_) print_line(stage_line(stage, last.rows, last.bytes));
}

void Progress::issue_found(const Issue& issue) {
  const std::lock_guard lock(mutex_);
  print_line(issue_text(issue, screen_.color));
}

void Progress::tick() {
  if (cancellation_.is_set()) tell_about_stop();
  if (stage_.empty() || is_silent_) return;
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
  print_line("stopping: waiting for the servers to let go; Ctrl-C ends at once");
}

ProgressSnapshot Progress::snapshot() {
  ProgressSnapshot now;
  now.stage = stage_;
  now.stage_seconds = std::chrono::duration<double>(Clock::now() - stage_start_).count();
  now.is_stopping = cancellation_.is_set();
  if (is_live_) now.resident_bytes = resident_bytes();
  if (counters_ == nullptr) return now;
  const JobCounters& count = *counters_;
  now.rows_rejected = count.rows_rejected;
  if (stage_ == "copy") {
    now.rows = count.rows_read;
    now.bytes = count.bytes_read;
    now.bytes_expected = count.bytes_expected;
    now.is_estimate = true;
    now.leaves_committed = count.leaves_committed;
    now.leaves_total = count.leaves_total;
  } else if (stage_ == "data") {
    now.rows = count.rows_read + count.rows_read_back;
    now.bytes = count.bytes_read + count.bytes_read_back;
    now.bytes_expected = count.bytes_expected;
    now.is_estimate = true;
  } else if (stage_ == "read-back") {
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
  const std::string live = stage_.empty() ? "" : drawn_;
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
