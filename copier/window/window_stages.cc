#include "copier/window/window_stages.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/crash_point.h"
#include "copier/window/window_rules.h"

namespace pgfanout {

Result<void> WindowStages::open_journal(WindowJournal journal) {
  journal_.clear();
  journal_.push_back(std::move(journal));
  PGFANOUT_TRY_ASSIGN(records_, journal_.front().stages());
  for (const std::string& stage : job_.window.confirmed) {
    if (!is_waiting(records_, stage)) {
      return refused("not-waiting", fmt::format("no gate waits at {}", stage),
                     "'pgfanout status' tells where the job stands", stage);
    }
    PGFANOUT_TRY(journal_.front().confirm(stage));
    observer_.gate_reached(stage, false);
  }
  // Reads the stages again: the server says who confirmed, and when.
  if (!job_.window.confirmed.empty()) {
    PGFANOUT_TRY_ASSIGN(records_, journal_.front().stages());
  }
  for (const StageRecord& record : records_) {
    if (record.status != "ok" || summary_of(record.name) != nullptr) continue;
    StageSummary summary;
    summary.name = record.name;
    summary.seconds = record.seconds;
    summary.started_at = record.started_at;
    summary.detail = record.detail;
    summary.confirmed_by = record.confirmed_by;
    summary.confirmed_at = record.confirmed_at;
    result_.stages.push_back(summary);
  }
  return {};
}

StageSummary* WindowStages::summary_of(std::string_view stage) {
  for (StageSummary& summary : result_.stages) {
    if (summary.name == stage) return &summary;
  }
  return nullptr;
}

Result<void> WindowStages::run_unrecorded(const std::string& stage, const Work& work) {
  std::string detail;
  std::erase_if(result_.stages, [&](const StageSummary& each) { return each.name == stage; });
  auto done = clock_.run(stage, [&]() -> Result<void> {
    PGFANOUT_TRY_ASSIGN(detail, work());
    return {};
  });
  StageSummary& summary = result_.stages.back();
  summary.detail = detail;
  // A preflight that is repeated was confirmed in an earlier call.
  for (const StageRecord& record : records_) {
    if (record.name != stage || record.status != "ok") continue;
    summary.confirmed_by = record.confirmed_by;
    summary.confirmed_at = record.confirmed_at;
  }
  return done;
}

void WindowStages::set_done(const std::string& stage) {
  std::erase_if(records_, [&](const StageRecord& each) { return each.name == stage; });
  StageRecord record;
  record.name = stage;
  record.status = "ok";
  records_.push_back(record);
}

Result<void> WindowStages::record(const std::string& stage) {
  const StageSummary* summary = summary_of(stage);
  PGFANOUT_TRY(journal_.front().record_stage(stage, summary == nullptr ? 0 : summary->seconds,
                                             summary == nullptr ? "" : summary->detail));
  set_done(stage);
  return {};
}

Result<void> WindowStages::run(const std::string& stage, const Work& work) {
  WindowJournal& journal = journal_.front();
  PGFANOUT_TRY(journal.begin_stage(stage));
  auto done = run_unrecorded(stage, work);
  const StageSummary& summary = result_.stages.back();
  // Of a connection that is lost the journal cannot hear; the stage then counts as not done.
  auto written =
      journal.end_stage(stage, summary.status, done ? summary.detail : done.error().message);
  if (!done) return std::move(done).error();
  PGFANOUT_TRY(std::move(written));
  crash_point("stage-recorded");
  set_done(stage);
  return {};
}

Result<void> WindowStages::wait_at(const std::string& stage) {
  PGFANOUT_TRY(journal_.front().set_waiting(stage));
  result_.waiting_at = stage;
  observer_.gate_reached(stage, true);
  return {};
}

}  // namespace pgfanout
