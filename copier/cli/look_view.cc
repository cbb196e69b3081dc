#include "copier/cli/look_view.h"

#include <algorithm>

namespace pgfanout {
namespace {

using StageState = JobView::StageState;

constexpr std::size_t kMostRates = 300;

StageState state_of(const std::string& status) {
  if (status == "running") return StageState::running;
  if (status == "waiting") return StageState::gate;
  if (status == "ok" || status == "confirmed") return StageState::done;
  return StageState::failed;
}

}  // namespace

void LookView::show_stages(const JobSnapshot& look, JobView& view) const {
  for (const StageSummary& stage : look.status.stages) {
    view.stages.push_back({stage.name, state_of(stage.status), stage.seconds});
    view.seconds += stage.seconds;
    if (stage.status == "running") view.now.stage_seconds = stage.seconds;
  }
  if (view.stages.empty()) {  // A copy that stands alone journals none.
    const StageState state = look.is_over          ? StageState::done
                             : !look.stage.empty() ? StageState::running
                                                   : StageState::failed;
    view.stages.push_back({"copy", state, {}});
    return;
  }
  for (const std::string_view name : kWindowStages) {
    const bool is_there =
        std::any_of(view.stages.begin(), view.stages.end(),
                    [&](const JobView::Stage& each) { return each.name == name; });
    if (!is_there && !look.is_over) view.stages.push_back({std::string(name)});
  }
}

void LookView::show_progress(const JobSnapshot& look, double seconds, JobView& view) {
  ProgressSnapshot& now = view.now;
  now.stage = look.stage;
  if (look.stage != stage_ || look.status.job != job_seen_) {
    if (look.status.job != job_seen_) rates_.clear();
    job_seen_ = look.status.job;
    stage_ = look.stage;
    rows_before_ = rows_then_ = look.rows_seen;
    bytes_before_ = look.bytes_seen;
    recent_.restart();
  }
  const bool is_copying = look.stage == "copy";
  // By epoch the journal knows what is in; what readers read before the watch began, nobody does.
  now.rows = look.rows_seen - rows_before_;
  now.bytes = look.bytes_seen - bytes_before_;
  if (is_copying && !look.by_leaf) now.rows = look.rows_committed;
  if (is_copying && look.bytes_expected > 0) {
    now.bytes = look.bytes_done;
    now.bytes_expected = look.bytes_expected;
    now.is_estimate = true;
  }
  now.steps_done = look.steps_done;
  now.build_blocks_done = look.build_blocks_done;
  now.build_blocks_total = look.build_blocks_total;
  recent_.add(seconds, look.rows_seen, now.bytes);
  now.rows_per_second = recent_.rows_per_second();
  now.bytes_per_second = recent_.bytes_per_second();
  const double passed = seconds - seconds_then_;
  if (seconds_then_ > 0 && passed > 0) {
    const std::uint64_t more = look.rows_seen > rows_then_ ? look.rows_seen - rows_then_ : 0;
    rates_every_ = passed;
    if (!rates_.empty() || more > 0) rates_.push_back(static_cast<double>(more) / passed);
    if (rates_.size() > kMostRates) rates_.pop_front();
  }
  seconds_then_ = seconds;
  rows_then_ = look.rows_seen;
}

JobView LookView::view(const JobSnapshot& look, double seconds) {
  JobView view;
  view.command = "status";
  view.job = look.status.job;
  view.source = job_.table;
  view.target = job_.into.empty() ? job_.table + "_new" : job_.into;
  show_stages(look, view);
  show_progress(look, seconds, view);
  for (const JobSnapshot::Leaf& leaf : look.leaves) view.leaves.push_back({leaf.state, leaf.rows});
  view.rows_expected = look.rows_expected;
  view.rates = {rates_.begin(), rates_.end()};
  view.rates_every = rates_every_;
  view.readers = look.readers;
  view.readers_busy = look.readers_busy;
  view.writers = look.writers;
  view.writers_busy = look.writers_busy;
  view.waits = look.waits;
  const JobStatus* status = job_status_of(look.status);
  if (status != nullptr && status->active.empty() && !look.is_over) {
    const std::string& gate = status->waiting_at;
    view.last_issue =
        (gate.empty() ? "no session is at work on it" : "gate " + gate + " waits for a person") +
        "; next: " + status->next;
  }
  view.on_interrupt = "ends the watching; the job goes on";
  return view;
}

}  // namespace pgfanout
