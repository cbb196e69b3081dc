// The rollback command: back to the original state, from wherever the job stands.
#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "copier/base/observer_list.h"
#include "copier/catalog/relation_name.h"
#include "copier/copy/give_up.h"
#include "copier/journal/job_request.h"
#include "copier/session/reporting_job.h"
#include "copier/verify/verify_job.h"
#include "copier/window/swap_stage.h"
#include "copier/window/undo_window.h"
#include "copier/window/window_commands.h"
#include "copier/window/window_rules.h"
#include "copier/window/window_state.h"

namespace pgfanout {
namespace {

/// A tenth of a gigabyte is needed for that many.
constexpr const char* kKeepStage = "keep new rows";
constexpr std::uint64_t kMostNewRows = 1'000'000;

class RollbackJob : ReportingJob {
 public:
  RollbackJob(const JobDescription& job, Observer& observer, const Cancellation& cancellation)
      : ReportingJob("rollback", observer), job_(job), cancellation_(cancellation) {}

  JobResult run() {
    auto ended = run_stages();
    if (!ended) result_.error = std::move(ended).error();
    if (state_ && state_->source().is_open()) {
      const auto stands = state_->fence("source").stands(state_->source());
      const bool is_swapped = state_->entry() && state_->entry()->state == "swapped";
      result_.writes_refused = is_swapped ? is_live_fenced_ : !stands || *stands;
    }
    return std::move(result_);
  }

 private:
  Result<void> run_stages();
  Result<void> look_for_new_rows();
  Result<void> look_for_new_rows_in(const Table& live, const LiveTable& found,
                                    const std::string& other_columns);
  Result<void> keep_new_rows(const Table& live, std::uint64_t count, const std::string& what);
  Result<bool> began_to_keep();
  Result<std::string> columns_changed(const Table& live);
  Result<JobResult> compare(bool applies);
  Result<void> take_swap_back();
  Error let_live_go(Error error);

  JobDescription job_;
  const Cancellation& cancellation_;
  JobCounters counters_;
  std::optional<WindowState> state_;
  bool is_live_fenced_ = false;
};

Result<void> RollbackJob::run_stages() {
  PGFANOUT_TRY_ASSIGN(state_, WindowState::open(job_, true));
  auto& entry = state_->entry();
  if (entry) {
    PGFANOUT_TRY(
        finish_copy(state_->target(), state_->source(), *entry, state_->patience(), cancellation_));
  }
  RollbackStart start = start_of_rollback(entry);
  if (entry && start == RollbackStart::no_job) {
    // A copy that came after a swap does not hide it.
    PGFANOUT_TRY_ASSIGN(const auto swapped, Journal(state_->target())
                                                .find_swapped(state_->target_name().schema,
                                                              state_->target_name().name));
    if (!swapped.empty()) {
      entry = swapped.back();
      start = start_of_rollback(entry);
      PGFANOUT_TRY(state_->take_job(entry->job));
    }
  }
  if (start == RollbackStart::no_job) {
    return refused("no-job", "there is no job on this table that could be undone",
                   "'pgfanout status' tells where the last one stands", job_.table);
  }
  result_.job = entry->job;
  // A rollback needs no job file: the job's request is in the journal.
  if (entry->command == "run") job_ = with_request(job_, entry->request);
  observer_.job_started(result_.job, counters_);
  if (start == RollbackStart::backup_gone) {
    return refused(
        "backup-gone",
        fmt::format("job {} has been cleaned up, at least in part: its backup is gone", entry->job),
        "restore from a backup of the server", job_.table);
  }
  if (start == RollbackStart::undone) {
    report({Severity::info,
            "rolled-back",
            fmt::format("job {} is undone already", entry->job),
            job_.table,
            {}});
    result_.verdict = Verdict::match;
    return {};
  }
  if (start == RollbackStart::take_swap_back) {
    PGFANOUT_TRY(clock_.run("new rows", [this] { return look_for_new_rows(); }));
    PGFANOUT_TRY(clock_.run("swap back", [this] { return take_swap_back(); }));
  }
  PGFANOUT_TRY(clock_.run("undo", [this] {
    return undo_window(job_, *state_, cancellation_,
                       [this](Issue issue) { report(std::move(issue)); });
  }));
  result_.verdict = Verdict::match;
  return {};
}

/// As the job's own verification: the backup is the source, the live table its copy. Applying is
/// the other way round, and needs the same columns on both sides.
Result<JobResult> RollbackJob::compare(bool applies) {
  PGFANOUT_TRY_ASSIGN(const Table backup, state_->source_table());
  PGFANOUT_TRY_ASSIGN(const Table live, state_->target_table());
  JobDescription inner = job_;
  inner.within_job = result_.job;
  inner.verify.scope = VerifyScope::data;
  inner.verify.repair = applies;
  inner.dry_run = false;
  inner.watch = {};  // Nothing stops a rollback.
  // A key that the old table stores is that of an earlier layout.
  inner.on_key_mismatch = KeyMismatchPolicy::fix;
  inner.table = backup.qualified;
  inner.into = live.qualified;
  if (applies) {
    std::swap(inner.table, inner.into);
    inner.key = state_->entry()->key_sql_on_target;
    if (state_->entry()->key_column && backup.find(*state_->entry()->key_column) == nullptr) {
      inner.skip.push_back(quoted_name(*state_->entry()->key_column));
    }
  }
  ObserverList nobody;
  return run_verify(inner, nobody, cancellation_);
}

/// Rows written since the swap would be lost: a person has to decide that.
Result<void> RollbackJob::look_for_new_rows() {
  PGFANOUT_TRY_ASSIGN(const Table live, state_->target_table());
  const Fence fence = state_->fence("live");
  PGFANOUT_TRY(fence.raise(state_->target(), live, state_->patience(), cancellation_));
  is_live_fenced_ = true;
  LiveTable found;
  found.has_other_columns = !job_.map.empty() || !job_.skip.empty();
  PGFANOUT_TRY_ASSIGN(found.keep_began, began_to_keep());
  PGFANOUT_TRY_ASSIGN(const std::string other_columns, columns_changed(live));
  found.is_altered = !other_columns.empty();
  auto settled = look_for_new_rows_in(live, found, other_columns);
  if (!settled) return let_live_go(std::move(settled).error());
  return {};
}

/// An error means that the swap stands.
Result<void> RollbackJob::look_for_new_rows_in(const Table& live, const LiveTable& found,
                                               const std::string& other_columns) {
  switch (check_live(found, job_.window)) {
    case LiveCheck::refuse_to_keep:
      return refused("cannot-keep",
                     "columns were mapped: what was written since the swap cannot be written back "
                     "into the old columns",
                     "save those rows yourself, then call rollback without --keep-new-rows",
                     live.qualified);
    case LiveCheck::refuse_half_kept:
      return refused("keep-began",
                     "an earlier rollback has applied some of what was written since the swap to "
                     "the old table, and not all of it",
                     "call rollback with --keep-new-rows: it applies the rest", live.qualified);
    case LiveCheck::refuse_alteration:
      return refused("live-changed",
                     "columns of the live table were changed since the swap, and a rollback loses "
                     "that: " +
                         other_columns,
                     "take the change back, or roll back without it with --force", live.qualified);
    case LiveCheck::lose_alteration:
      report({Severity::warning,
              "live-changed",
              "changed columns of the live table are lost, as --force asks for: " + other_columns,
              live.qualified,
              {}});
      return {};
    case LiveCheck::compare:
      break;
  }
  PGFANOUT_TRY_ASSIGN(JobResult compared, compare(false));
  if (compared.error) return *std::move(compared.error);
  if (!compared.differences || compared.verdict == Verdict::unproven) {
    Error error = interrupted("not-compared",
                              "whether rows were written since the swap could not be found out",
                              "call rollback again", live.qualified);
    error.consequence = Consequence::unproven;
    return error;
  }
  const Differences differences = *compared.differences;
  const std::string what = fmt::format("{} inserted, {} updated, {} deleted", differences.extra,
                                       differences.changed, differences.missing);
  switch (fate_of_new_rows(differences.total(), job_.window)) {
    case NewRows::none:
      return {};
    case NewRows::lose:
      report({Severity::warning,
              "new-rows-lost",
              fmt::format("what was written since the swap is lost, as --force asks for: {}", what),
              live.qualified,
              {}});
      return {};
    case NewRows::refuse:
      result_.differences = differences;
      return refused("new-rows", fmt::format("rows were written since the swap: {}", what),
                     found.has_other_columns
                         ? "save them yourself; --force rolls back without them"
                         : "--keep-new-rows applies them to the restored table; --force rolls back "
                           "without them",
                     live.qualified);
    case NewRows::keep:
      break;
  }
  return keep_new_rows(live, differences.total(), what);
}

Result<void> RollbackJob::keep_new_rows(const Table& live, std::uint64_t count,
                                        const std::string& what) {
  // All of them have to be named, however many there are.
  job_.verify.max_differences = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(count, job_.verify.max_differences, kMostNewRows));
  PGFANOUT_TRY(state_->journal().begin_stage(kKeepStage));
  PGFANOUT_TRY_ASSIGN(JobResult applied, compare(true));
  if (applied.error) return *std::move(applied.error);
  if (applied.verdict != Verdict::match) {
    result_.differences = applied.differences;
    for (Issue& issue : applied.issues) report(std::move(issue));
    return interrupted("not-kept",
                       "what was written since the swap could not be applied to the old table "
                       "completely",
                       "call rollback again", live.qualified);
  }
  PGFANOUT_TRY(state_->journal().end_stage(kKeepStage, "ok", what));
  report({Severity::info,
          "new-rows-kept",
          fmt::format("what was written since the swap is in the restored table: {}", what),
          job_.table,
          {}});
  return {};
}

/// Whether an earlier call began to apply rows and did not finish.
Result<bool> RollbackJob::began_to_keep() {
  PGFANOUT_TRY_ASSIGN(const auto stages, state_->journal().stages());
  return std::any_of(stages.begin(), stages.end(), [](const StageRecord& stage) {
    return stage.name == kKeepStage && stage.status != "ok";
  });
}

/// The differences between the live table's columns and those that were swapped in, in words.
Result<std::string> RollbackJob::columns_changed(const Table& live) {
  PGFANOUT_TRY_ASSIGN(auto then, state_->journal().fence("target"));
  PGFANOUT_TRY_ASSIGN(auto now, state_->fence("target").facts(state_->target(), live.oid));
  const std::string of_live = fmt::format("columns of {}:", live.oid);
  for (auto* facts : {&then, &now}) {
    std::erase_if(*facts, [&](const std::string& fact) { return !fact.starts_with(of_live); });
  }
  return broken_facts(then, now);
}

/// The swap stands: the application continues with the live table.
Error RollbackJob::let_live_go(Error error) {
  if (state_->target().is_open()) {
    is_live_fenced_ =
        !state_->fence("live").lower(state_->target(), state_->patience(), cancellation_);
  }
  if (error.sqlstate == "23503") {
    error.code = "old-rows-refer";
    error.message = "rows of the old table refer to rows that are gone: " + error.message;
    error.hint =
        "put those rows back into the table that is referred to, then call rollback again; the "
        "swap stands until then";
  }
  return error;
}

Result<void> RollbackJob::take_swap_back() {
  auto swapped =
      swap_back(job_, *state_, cancellation_, [this](Issue issue) { report(std::move(issue)); });
  if (!swapped) return let_live_go(std::move(swapped).error());
  const double seconds = *swapped;
  is_live_fenced_ = false;
  state_->entry()->state = "open";
  report({Severity::info,
          "swapped-back",
          fmt::format("the old table is in its place again; locked for {:.0f} ms", seconds * 1000),
          job_.table,
          {}});
  return {};
}

}  // namespace

JobResult run_rollback(const JobDescription& job, Observer& observer,
                       const Cancellation& cancellation) {
  try {
    return RollbackJob(job, observer, cancellation).run();
  } catch (const std::exception& exception) {
    return stopped_by(exception, "rollback");
  }
}

}  // namespace pgfanout
