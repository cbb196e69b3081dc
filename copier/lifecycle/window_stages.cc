#include "copier/lifecycle/window_stages.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/crash_point.h"

namespace pgfanout {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

Result<void> WindowStages::open_journal(WindowJournal journal) {
  journal_.clear();
  journal_.push_back(std::move(journal));
  PGFANOUT_TRY_ASSIGN(records_, journal_.front().stages());
  for (const std::string& stage : job_.window.confirmed) {
    const auto record = std::find_if(records_.begin(), records_.end(),
                                     [&](const StageRecord& each) { return each.name == stage; });
    if (record == records_.end() || !record->is_waiting) {
      return refused("not-waiting", fmt::format("no gate waits at {}", stage),
                     "'pgfanout status' tells where the job stands", stage);
    }
    PGFANOUT_TRY(journal_.front().confirm(stage));
    observer_.gate_reached(stage, false);
  }
  // Once more: who confirmed, and when, is what the server says.
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

bool WindowStages::is_done(std::string_view stage) const {
  return std::any_of(records_.begin(), records_.end(), [&](const StageRecord& record) {
    return record.name == stage && record.status == "ok";
  });
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
  result_.stages.back().detail = detail;
  return done;
}

Result<bool> WindowStages::record(const std::string& stage) {
  WindowJournal& journal = journal_.front();
  const StageSummary* summary = summary_of(stage);
  PGFANOUT_TRY(journal.record_stage(stage, summary == nullptr ? 0 : summary->seconds,
                                    summary == nullptr ? "" : summary->detail));
  StageRecord record;
  record.name = stage;
  record.status = "ok";
  records_.push_back(record);
  return pass_gate(stage);
}

Result<bool> WindowStages::run(const std::string& stage, const Work& work) {
  if (is_done(stage)) return pass_gate(stage);
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
  std::erase_if(records_, [&](const StageRecord& each) { return each.name == stage; });
  StageRecord record;
  record.name = stage;
  record.status = "ok";
  records_.push_back(record);
  return pass_gate(stage);
}

Result<bool> WindowStages::pass_gate(const std::string& stage) {
  const auto record = std::find_if(records_.begin(), records_.end(),
                                   [&](const StageRecord& each) { return each.name == stage; });
  const bool is_confirmed = record != records_.end() && !record->confirmed_by.empty();
  if (StageSummary* summary = summary_of(stage); is_confirmed && summary != nullptr) {
    summary->confirmed_by = record->confirmed_by;
    summary->confirmed_at = record->confirmed_at;
  }
  if (is_confirmed || !contains(job_.window.confirm_at, stage)) return true;
  PGFANOUT_TRY(journal_.front().set_waiting(stage));
  result_.waiting_at = stage;
  observer_.gate_reached(stage, true);
  return false;
}

}  // namespace pgfanout
