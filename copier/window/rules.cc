#include "copier/window/rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace pgfanout {
namespace {

const StageRecord* record_of(const std::vector<StageRecord>& records, std::string_view stage) {
  const auto found = std::find_if(records.begin(), records.end(),
                                  [&](const StageRecord& each) { return each.name == stage; });
  return found == records.end() ? nullptr : &*found;
}

bool is_unconfirmed(const StageRecord& record, const WindowRequest& request) {
  const auto& gates = request.confirm_at;
  const bool asks = std::find(gates.begin(), gates.end(), record.name) != gates.end();
  return (asks || record.is_waiting) && record.confirmed_by.empty();
}

bool is_swapped_window(const JournalEntry& entry) {
  return entry.command == "run" && entry.state == "swapped";
}

}  // namespace

bool is_done(const std::vector<StageRecord>& records, std::string_view stage) {
  const StageRecord* record = record_of(records, stage);
  return record != nullptr && record->status == "ok";
}

StageSummary summary_of_record(const StageRecord& record) {
  StageSummary summary;
  summary.name = record.name;
  summary.seconds = record.seconds;
  summary.started_at = record.started_at;
  summary.detail = record.detail;
  summary.confirmed_by = record.confirmed_by;
  summary.confirmed_at = record.confirmed_at;
  return summary;
}

RunStart start_of_run(const std::optional<JournalEntry>& entry, bool restart,
                      bool is_same_request) {
  if (!entry) return RunStart::new_job;
  if (entry->is_over()) {
    const bool is_moved = is_swapped_window(*entry) && is_same_request && !restart;
    return is_moved ? RunStart::already_swapped : RunStart::new_job;
  }
  if (entry->command != "run") return restart ? RunStart::replace_copy : RunStart::refuse_copy;
  if (restart) return RunStart::undo_and_begin;
  return entry->is_being_undone ? RunStart::refuse_undone : RunStart::go_on;
}

std::optional<Error> refusal_of(RunStart start, const JournalEntry& entry,
                                const std::string& target) {
  if (start == RunStart::refuse_copy) {
    return refused("unfinished-job",
                   fmt::format("a copy into this target was begun at {} and not finished (job {})",
                               entry.started_at, entry.job),
                   "run the same command with --restart: it drops what that copy made", target);
  }
  if (start != RunStart::refuse_undone) return std::nullopt;
  return refused("unfinished-job",
                 fmt::format("job {} is being rolled back, and that is not finished", entry.job),
                 "'pgfanout rollback' finishes it; or start over with 'pgfanout run --restart', "
                 "which finishes it first",
                 target);
}

bool repeats_preflight(const std::vector<StageRecord>& records, bool copy_goes_on) {
  return !copy_goes_on && !is_done(records, "copy");
}

bool is_plan_settled(const std::vector<StageRecord>& records, const WindowRequest& request) {
  const StageRecord* preflight = record_of(records, "preflight");
  const auto& now = request.confirmed;
  return is_done(records, "prepare") ||
         (preflight != nullptr && !preflight->confirmed_by.empty()) ||
         std::find(now.begin(), now.end(), "preflight") != now.end();
}

bool gate_holds(const std::vector<StageRecord>& records, const WindowRequest& request,
                std::string_view stage) {
  const StageRecord* record = record_of(records, stage);
  return record != nullptr && record->status == "ok" && is_unconfirmed(*record, request);
}

std::string_view gate_before_swap(const std::vector<StageRecord>& records,
                                  const WindowRequest& request) {
  for (const std::string_view stage : kWindowStages) {
    if (stage != "swap" && gate_holds(records, request, stage)) return stage;
  }
  return {};
}

bool gate_behind_swap_holds(const std::vector<StageRecord>& records, const WindowRequest& request) {
  const StageRecord* record = record_of(records, "swap");
  return record != nullptr && is_unconfirmed(*record, request);
}

NextStage next_stage(const std::vector<StageRecord>& records, const WindowRequest& request,
                     bool copy_goes_on) {
  for (const std::string_view stage : kWindowStages) {
    if (stage == "preflight" && !repeats_preflight(records, copy_goes_on)) continue;
    if (stage == "swap" && !request.swap) continue;
    if (!is_done(records, stage)) return {NextStage::Move::run, stage};
    if (gate_holds(records, request, stage)) return {NextStage::Move::wait, stage};
  }
  return {};
}

Release release_of(const std::optional<JournalEntry>& entry) {
  if (!entry) return Release::no_job;
  if (entry->state == "swapped") return Release::live;
  return entry->is_over() ? Release::no_job : Release::source_and_target;
}

SwapStart start_of_swap(const std::optional<JournalEntry>& entry, bool has_left) {
  if (!entry) return SwapStart::no_job;
  if (entry->state == "swapped") return has_left ? SwapStart::settle : SwapStart::already_swapped;
  return entry->command != "run" || entry->is_over() ? SwapStart::no_job : SwapStart::swap;
}

std::string_view missing_before_swap(const std::vector<StageRecord>& records) {
  for (const std::string_view stage : kWindowStages) {
    if (stage != "swap" && !is_done(records, stage)) return stage;
  }
  return {};
}

RollbackStart start_of_rollback(const std::optional<JournalEntry>& entry) {
  if (!entry || (entry->command != "run" && entry->is_over())) return RollbackStart::no_job;
  if (entry->state == "cleaned up" || entry->state == "cleaning up") {
    return RollbackStart::backup_gone;
  }
  if (entry->state == "rolled back") return RollbackStart::undone;
  return entry->state == "swapped" ? RollbackStart::take_swap_back : RollbackStart::undo;
}

LiveCheck check_live(const LiveTable& live, const WindowRequest& request) {
  if (live.has_no_way_back && request.keep_new_rows) return LiveCheck::refuse_to_keep;
  if (live.keep_began && !request.keep_new_rows) return LiveCheck::refuse_half_kept;
  if (!live.is_altered) return LiveCheck::compare;
  return request.force ? LiveCheck::lose_alteration : LiveCheck::refuse_alteration;
}

NewRows fate_of_new_rows(std::uint64_t count, const WindowRequest& request) {
  if (count == 0) return NewRows::none;
  if (request.force) return NewRows::lose;
  if (request.save_new_rows) return NewRows::save;
  return request.keep_new_rows ? NewRows::keep : NewRows::refuse;
}

std::vector<std::size_t> backups_to_drop(const std::vector<KeptBackup>& backups, bool force) {
  std::vector<std::size_t> indexes;
  for (std::size_t at = 0; at < backups.size(); ++at) {
    // From its first drop on a backup is no way back: what is left of it may always go.
    const bool is_begun = backups[at].state == "cleaning up";
    if (force || is_begun || backups[at].is_time_over) indexes.push_back(at);
  }
  return indexes;
}

Error not_waiting(const std::string& stage) {
  return refused("not-waiting", fmt::format("no gate waits at {}", stage),
                 "'pgfanout status' shows the job", stage);
}

std::string shown_status(const StageRecord& record, bool is_active) {
  if (record.is_waiting) return "waiting";
  if (!record.confirmed_by.empty()) return "confirmed";
  return record.status == "running" && !is_active ? "interrupted" : record.status;
}

std::string next_command(const JournalEntry& entry, const std::vector<StageRecord>& records,
                         bool is_active) {
  const bool is_copy = entry.command != "run";
  const auto waiting = std::find_if(records.rbegin(), records.rend(),
                                    [](const StageRecord& each) { return each.is_waiting; });
  const std::string confirm = waiting == records.rend() ? "" : " --confirm " + waiting->name;
  if (entry.state == "swapped") {
    return fmt::format("pgfanout cleanup{}, from {} on; pgfanout rollback takes the swap back",
                       confirm, entry.keep_until);
  }
  if (entry.state == "cleaning up") return "pgfanout cleanup";
  if (entry.state == "cleaned up" || entry.state == "rolled back") return "none";
  if (entry.state == "done") {
    return entry.is_fenced && is_copy ? "pgfanout copy" : "pgfanout verify";
  }
  if (is_active) return "none while it runs";
  if (entry.is_being_undone) return "pgfanout rollback";
  if (is_copy) return entry.is_fenced ? "pgfanout copy" : "pgfanout copy --restart";
  return (is_done(records, "verify") ? "pgfanout swap" : "pgfanout run") + confirm;
}

}  // namespace pgfanout
