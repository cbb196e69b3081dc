#include "copier/report/live/progress.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/caught.h"
#include "copier/base/counted.h"
#include "copier/report/record/figures.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/output.h"
#include "copier/report/text/text.h"
#include "copier/report/text/watch_text.h"

namespace pgfanout {
namespace {

using StageState = JobView::StageState;

constexpr std::chrono::milliseconds draw_every{250};

}  // namespace

void show_figures(const Figures& now, JobView& view) {
  view.readers = now.readers;
  view.readers_busy = now.readers_busy;
  view.writers = now.writers;
  view.writers_busy = now.writers_busy;
  view.memory_used = now.memory_used;
  if (now.readers > 0) view.memory_budget = now.memory_budget;
  std::uint64_t rows = 0;
  for (std::size_t leaf = 0; leaf < now.leaf_rows.size(); ++leaf) {
    view.leaves.push_back({now.leaf_states[leaf], now.leaf_rows[leaf]});
    rows += now.leaf_rows[leaf];
  }
  // The rows of this call, and those that earlier calls have committed.
  const std::uint64_t earlier = rows > now.rows_written ? rows - now.rows_written : 0;
  if (now.rows_expected > 0) view.rows_expected = now.rows_expected + earlier;
}

void TimeShares::add(double seconds, const Figures& now) {
  constexpr double kShareSeconds = 10;
  times_.push_back(
      {seconds, {now.source_wait_ns, now.work_ns, now.target_wait_ns, now.pace_wait_ns}});
  while (times_.size() > 2 && times_[1].seconds <= seconds - kShareSeconds) times_.pop_front();
}

std::optional<JobView::Shares> TimeShares::shares() const {
  if (times_.size() < 2) return {};
  std::array<double, 4> spent{};
  double all = 0;
  for (std::size_t at = 0; at < spent.size(); ++at) {
    const std::uint64_t before = times_.front().ns[at];
    const std::uint64_t after = times_.back().ns[at];
    spent[at] = after > before ? static_cast<double>(after - before) : 0;
    all += spent[at];
  }
  if (!(all > 0)) return {};
  const double percent = 100 / all;
  return JobView::Shares{spent[0] * percent, spent[1] * percent, spent[2] * percent,
                         spent[3] * percent};
}

StageList::StageList(const std::vector<std::string>& expected) {
  for (const std::string& name : expected) stages_.push_back({name});
}

JobView::Stage& StageList::stage(const std::string& name) {
  const auto found = std::find_if(stages_.begin(), stages_.end(),
                                  [&](const JobView::Stage& each) { return each.name == name; });
  if (found != stages_.end()) return *found;
  stages_.push_back({name});
  return stages_.back();
}

void StageList::started(const std::string& name) {
  stage(name).state = StageState::running;
  for (JobView::Stage& earlier : stages_) {
    if (earlier.name == name) break;
    if (earlier.state == StageState::waiting) earlier.state = StageState::done;
  }
}

void StageList::finished(const StageSummary& summary) {
  JobView::Stage& done = stage(summary.name);
  done.state = summary.status == "ok" ? StageState::done : StageState::failed;
  done.seconds = summary.seconds;
}

void StageList::set_gate(const std::string& name, bool is_waiting) {
  stage(name).state = is_waiting ? StageState::gate : StageState::done;
}

std::vector<JobView::Stage> StageList::stages(double running_seconds) const {
  std::vector<JobView::Stage> all = stages_;
  for (JobView::Stage& each : all) {
    if (each.state == StageState::running) each.seconds = running_seconds;
  }
  return all;
}

Progress::Progress(const ProgressOptions& options, const Cancellation& cancellation)
    : options_(options),
      cancellation_(cancellation),
      is_silent_(options.mode == ProgressMode::none),
      terminal_(options.fd,
                options.mode == ProgressMode::automatic && is_live_terminal(options.fd)),
      stages_(options.label.stages),
      ticker_([this] { run(); }) {}

Progress::~Progress() {
  finish();
}

void Progress::finish() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    terminal_.erase();
  }
  stopping_changed_.notify_all();
  if (ticker_.joinable()) ticker_.join();
}

/// The job does not need its live view: a failure ends the view alone.
void Progress::run() {
  const auto shown = run_caught("the live view", [this] {
    std::unique_lock lock(mutex_);
    while (!is_stopping_) {
      stopping_changed_.wait_for(lock, options_.tick_every);
      if (!is_stopping_) tick();
    }
  });
  if (shown) return;
  [[maybe_unused]] const auto told = run_caught("", [&] {
    const std::lock_guard lock(mutex_);
    terminal_.print(shown.error().message + "; the job continues");
  });
}

void Progress::job_started(const std::string& job_id, const JobCounters& counters) {
  const std::lock_guard lock(mutex_);
  counters_ = &counters;
  job_ = job_id;
  began_ = Clock::now();
  if (!is_silent_) terminal_.print("job " + printable(job_id));
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
  if (open_.empty()) stages_.started(open.name);
  open_.push_back(std::move(open));
  rates_.restart();
  if (terminal_.is_live()) draw();
  if (!is_silent_ && !terminal_.is_live()) terminal_.print(label() + ": started");
}

void Progress::stage_finished(const StageSummary& stage) {
  const std::lock_guard lock(mutex_);
  const ProgressSnapshot last = snapshot();
  if (is_planning() && open_.size() == 1 && notes_ > 0) {
    terminal_.print(fmt::format(
        "{}{}; 'pgfanout plan' shows them before a job begins, --report and --json at its end",
        counted(notes_, "note", "notes"),
        warnings_ == 0 ? "" : ", " + counted(warnings_, "warning", "warnings")));
    notes_ = warnings_ = 0;
  }
  // A stage with inner stages has no figures of its own: those showed them.
  const bool has_figures = !open_.empty() && !open_.back().has_inner;
  StageSummary shown = stage;
  shown.name = open_.empty() ? printable(stage.name) : label();
  if (!open_.empty()) open_.pop_back();
  if (open_.empty()) stages_.finished(stage);
  rates_.restart();
  if (is_silent_) return;
  terminal_.print(stage_line(shown, has_figures ? last.rows : 0, has_figures ? last.bytes : 0));
}

void Progress::issue_found(const Issue& issue) {
  {
    const std::lock_guard lock(mutex_);
    if (is_planning()) {
      const bool is_note = issue.severity == Severity::info;
      ++(is_note ? notes_ : warnings_);
      if (is_note) return;
    }
  }
  tell(issue);
}

bool Progress::is_planning() const {
  return options_.label.command == "run" && !open_.empty() && open_.front().name == "preflight";
}

void Progress::tell(const Issue& issue) {
  const std::lock_guard lock(mutex_);
  terminal_.print(issue_text(issue, terminal_.has_color()));
  last_issue_ = issue.message;
}

void Progress::gate_reached(std::string_view stage, bool is_waiting) {
  const std::lock_guard lock(mutex_);
  stages_.set_gate(std::string(stage), is_waiting);
  if (is_silent_) return;
  terminal_.print("gate: " + printable(stage) +
                  (is_waiting ? " waits for a person" : " was confirmed"));
}

void Progress::sampled(const WatchSample& sample) {
  const std::lock_guard lock(mutex_);
  if (!is_silent_) tell_changes(sample);
  sample_ = sample;
}

/// Logs changes of the job's speed, and of whether it will make its deadline.
void Progress::tell_changes(const WatchSample& sample) {
  const Speed before = sample_ ? sample_->speed : Speed::full;
  if (sample.speed != before) terminal_.print("speed: " + speed_text(sample.speed));
  const bool had_deadline = sample_ && sample_->deadline;
  if (!sample.deadline) return;
  const auto outlook = sample.deadline->outlook;
  const auto known = had_deadline ? sample_->deadline->outlook : DeadlineState::Outlook::unknown;
  if (outlook != known) terminal_.print(deadline_line(*sample.deadline));
}

void Progress::threshold_changed(const ThresholdState& threshold) {
  const std::lock_guard lock(mutex_);
  terminal_.print(threshold_line(threshold));
}

void Progress::wait_changed(const SessionWait& wait, WaitChange change) {
  const std::lock_guard lock(mutex_);
  terminal_.print(wait_line(wait, change));
}

void Progress::tick() {
  if (cancellation_.is_set()) tell_about_stop();
  if (open_.empty() || is_silent_) return;
  if (terminal_.is_live()) {
    if (Clock::now() >= next_draw_) draw();
  } else if (Clock::now() >= next_plain_) {
    next_plain_ += options_.plain_every;
    terminal_.print(plain_line(snapshot()));
  }
}

void Progress::draw() {
  next_draw_ = Clock::now() + draw_every;
  terminal_.draw(view(snapshot()));
}

/// A stage is open, so the counters exist.
JobView Progress::view(ProgressSnapshot now) {
  JobView view;
  view.command = options_.label.command;
  view.source = options_.label.source;
  view.target = options_.label.target;
  view.job = job_;
  view.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  const auto in_stage = Clock::now() - open_.front().start;
  view.stages = stages_.stages(std::chrono::duration<double>(in_stage).count());
  view.now = std::move(now);
  view.last_issue = last_issue_;
  view.on_interrupt =
      cancellation_.is_set()
          ? "again stops at once"
          : interrupt_text(options_.label.command, view.now.stage, options_.label.commits);
  if (counters_ != nullptr) {
    const Figures figures = figures_of(*counters_);
    // A stage that reads again counts from zero.
    plot_.add(view.seconds, figures.rows_read + figures.rows_read_back, 1);
    shares_.add(view.seconds, figures);
    show_figures(figures, view);
  }
  view.rates = plot_.rates();
  view.shares = shares_.shares();
  if (sample_) {
    view.waits = sample_->waits;
    view.session_waits = sample_->session_waits;
    view.thresholds = sample_->thresholds;
    view.deadline = sample_->deadline;
    view.speed = sample_->speed;
  }
  return view;
}

/// At once, again after three seconds, then every ten.
void Progress::tell_about_stop() {
  constexpr std::chrono::seconds kAgain{3};
  constexpr std::chrono::seconds kEvery{10};
  const auto now = Clock::now();
  if (cancellation_.at_once().is_set()) {
    if (!std::exchange(has_told_at_once_, true)) {
      terminal_.print("stopping at once: ends within two seconds");
    }
    return;
  }
  if (now < next_stop_line_) return;
  const bool is_first = next_stop_line_ == Clock::time_point();
  next_stop_line_ = now + (is_first ? kAgain : kEvery);
  // The counters live as long as a stage is open. By leaf a stop ends the copy before its rows are
  // committed.
  const JobCounters* counters = open_.empty() ? nullptr : counters_;
  std::uint64_t leaves = 0;
  if (counters != nullptr && open_.back().name == "copy" &&
      (!is_first || options_.label.commits == CommitMode::by_epoch)) {
    const std::uint64_t committed = counters->leaves_committed;
    leaves = counters->leaves_total - std::min<std::uint64_t>(counters->leaves_total, committed);
  }
  terminal_.print(stopping_line(leaves,
                                counters == nullptr ? std::nullopt : counters->lock_waits.longest(),
                                ServerWaits::all().open(), now));
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
  if (terminal_.is_live()) now.resident_bytes = resident_bytes();
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
  if (open.name == "copy" || open.name == "data") {
    now.rows = count.rows_read;
    now.bytes = count.bytes_read;
    now.bytes_expected = count.bytes_expected;
    now.is_estimate = true;
  }
  if (open.name == "copy") {
    now.leaves_committed = count.leaves_committed;
    now.leaves_total = count.leaves_total;
  } else if (open.name == "data" || open.name == "read-back") {
    now.rows += count.rows_read_back;
    now.bytes += count.bytes_read_back;
  }
  if (open.name == "read-back") now.bytes_expected = count.bytes_read;
  rates_.add(now.stage_seconds, now.rows, now.bytes);
  now.rows_per_second = rates_.rows_per_second();
  now.bytes_per_second = rates_.bytes_per_second();
  return now;
}

}  // namespace pgfanout
