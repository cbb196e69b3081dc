// The rollback command: restores the original state, at whatever stage the job is.
#include <fmt/format.h>

#include <algorithm>

#include "copier/base/observer_list.h"
#include "copier/base/pace.h"
#include "copier/catalog/relation_name.h"
#include "copier/copy/abandon_job.h"
#include "copier/journal/job_request.h"
#include "copier/pg/transaction.h"
#include "copier/session/reporting_job.h"
#include "copier/verify/verification.h"
#include "copier/window/commands.h"
#include "copier/window/rules.h"
#include "copier/window/state.h"
#include "copier/window/swap.h"

namespace pgfanout {
namespace {

constexpr const char* kKeepStage = "keep new rows";
/// Named at once; takes a tenth of a gigabyte.
constexpr std::uint64_t kMostNewRows = 1'000'000;

class RollbackJob : ReportingJob {
 public:
  RollbackJob(const JobDescription& job, Observer& observer, const Cancellation& cancellation)
      : ReportingJob("rollback", observer), job_(job), cancellation_(cancellation) {}

  JobResult run() {
    auto ended = run_stages();
    if (!ended) result_.error = std::move(ended).error();
    if (state_ && state_->source().is_open()) {
      const auto stands = state_->stands("source");
      const bool is_swapped = state_->entry() && state_->entry()->state == "swapped";
      result_.writes_refused = is_swapped ? is_live_fenced_ : !stands || *stands;
    }
    return std::move(result_);
  }

 private:
  Result<void> run_stages() {
    PGFANOUT_TRY_ASSIGN(state_, WindowState::open(job_, cancellation_, [this](Issue issue) {
                          report(std::move(issue));
                        }));
    auto& entry = state_->entry();
    if (entry) {
      PGFANOUT_TRY(finish_copy(state_->target(), state_->source(), *entry, state_->patience(),
                               cancellation_));
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
      if (entry && entry->command == "copy") {
        return refused(
            "no-job",
            fmt::format("the copy of job {} was done at {}, and has not touched this table:"
                        " there is nothing to undo",
                        entry->job, entry->finished_at),
            "if its target is not wanted: DROP TABLE " +
                quoted_name(entry->target_schema, entry->target_name),
            job_.table);
      }
      return refused("no-job", "there is no job on this table that could be undone",
                     "'pgfanout status' shows the last one", job_.table);
    }
    result_.job = entry->job;
    // A rollback needs no job file: the job's request is in the journal.
    if (entry->command == "run") job_ = with_request(job_, entry->request);
    observer_.job_started(result_.job, counters_);
    if (start == RollbackStart::backup_gone) {
      return refused("backup-gone",
                     fmt::format("job {} has been cleaned up, at least in part: its backup is gone",
                                 entry->job),
                     "restore from a backup of the server", job_.table);
    }
    if (start == RollbackStart::undone) {
      report({Severity::info, "rolled-back", fmt::format("job {} is undone already", entry->job),
              job_.table});
      result_.verdict = Verdict::match;
      return {};
    }
    if (start == RollbackStart::take_swap_back) {
      PGFANOUT_TRY(clock_.run("new rows", [this] { return check_new_rows(); }));
      PGFANOUT_TRY(clock_.run("swap back", [this] { return take_swap_back(); }));
    }
    PGFANOUT_TRY(clock_.run("undo", [this] { return undo_job(*state_); }));
    result_.verdict = Verdict::match;
    return {};
  }

  /// As the job's own verification: the backup is the source, the live table its copy. Applying is
  /// the other way round, and needs the same columns on both sides.
  Result<JobResult> compare(bool applies) {
    PGFANOUT_TRY_ASSIGN(const Table backup, state_->source_table());
    PGFANOUT_TRY_ASSIGN(const Table live, state_->target_table());
    TableRequest tables = job_;
    tables.table = backup.qualified;
    tables.into = live.qualified;
    if (applies) {
      std::swap(tables.table, tables.into);
      tables.key = state_->entry()->key_sql_on_target;
      if (state_->entry()->key_column && backup.find(*state_->entry()->key_column) == nullptr) {
        tables.skip.push_back(quoted_name(*state_->entry()->key_column));
      }
    }
    VerifyInput input{job_, tables, job_, job_.verify, false, result_.job, true};
    input.request.scope = VerifyScope::data;
    input.request.repair = applies;
    ObserverList no_observers;
    const Pace full_speed;
    JobCounters counters;
    return verify_tables(input, no_observers, cancellation_, counters, full_speed);
  }

  /// Rows written since the swap would be lost: a person has to decide that.
  Result<void> check_new_rows() {
    PGFANOUT_TRY_ASSIGN(const Table live, state_->target_table());
    PGFANOUT_TRY(
        state_->fence("live").raise(state_->target(), live, state_->patience(), cancellation_));
    is_live_fenced_ = true;
    LiveTable found;
    found.has_other_columns = !job_.map.empty() || !job_.skip.empty();
    PGFANOUT_TRY_ASSIGN(found.keep_began, began_to_keep());
    PGFANOUT_TRY_ASSIGN(const std::string other_columns, columns_changed(live));
    found.is_altered = !other_columns.empty();
    auto settled = check_new_rows_in(live, found, other_columns);
    if (!settled) return release_live(std::move(settled).error());
    return {};
  }

  /// After an error the swap is still in effect.
  Result<void> check_new_rows_in(const Table& live, const LiveTable& found,
                                 const std::string& other_columns) {
    switch (check_live(found, job_.window)) {
      case LiveCheck::refuse_to_keep:
        return refused(
            "cannot-keep",
            "columns were mapped: what was written since the swap cannot be written back "
            "into the old columns",
            "save those rows yourself, then call rollback without --keep-new-rows", live.qualified);
      case LiveCheck::refuse_half_kept:
        return refused("keep-began",
                       "an earlier rollback has applied some of what was written since the swap to "
                       "the old table, and not all of it",
                       "call rollback with --keep-new-rows: it applies the rest", live.qualified);
      case LiveCheck::refuse_alteration:
        return refused(
            "live-changed",
            "columns of the live table were changed since the swap, and a rollback loses "
            "that: " +
                other_columns,
            "take the change back, or roll back without it with --force", live.qualified);
      case LiveCheck::lose_alteration:
        report({Severity::warning, "live-changed",
                "changed columns of the live table are lost, as --force allows: " + other_columns,
                live.qualified});
        return {};
      case LiveCheck::compare:
        break;
    }
    PGFANOUT_TRY_ASSIGN(JobResult compared, compare(false));
    if (compared.error) return *std::move(compared.error);
    const Differences* found_rows = differences_of(compared);
    if (found_rows == nullptr || final_verdict(compared) == Verdict::unproven) {
      return unproven("not-compared",
                      "could not determine whether rows were written since the swap",
                      "call rollback again", live.qualified);
    }
    const Differences differences = *found_rows;
    const std::string what = fmt::format("{} inserted, {} updated, {} deleted", differences.extra,
                                         differences.changed, differences.missing);
    switch (fate_of_new_rows(differences.total(), job_.window)) {
      case NewRows::none:
        return {};
      case NewRows::lose:
        report({Severity::warning, "new-rows-lost",
                fmt::format("rows written since the swap are lost, as --force allows: {}", what),
                live.qualified});
        return {};
      case NewRows::refuse:
        std::get<RollbackResult>(result_.details).differences = differences;
        return refused(
            "new-rows", fmt::format("rows were written since the swap: {}", what),
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

  Result<void> keep_new_rows(const Table& live, std::uint64_t count, const std::string& what) {
    // All of them have to be named, however many there are.
    job_.verify.max_differences = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(count, job_.verify.max_differences, kMostNewRows));
    PGFANOUT_TRY(tell_whether_triggers_fire(live));
    PGFANOUT_TRY(state_->journal().begin_stage(kKeepStage));
    PGFANOUT_TRY_ASSIGN(JobResult applied, compare(true));
    if (applied.error) return *std::move(applied.error);
    if (applied.verdict != Verdict::match) {
      if (const Differences* left = differences_of(applied)) {
        std::get<RollbackResult>(result_.details).differences = *left;
      }
      for (Issue& issue : applied.issues) report(std::move(issue));
      return interrupted("not-kept",
                         "what was written since the swap could not be applied to the old table "
                         "completely",
                         "call rollback again", live.qualified);
    }
    PGFANOUT_TRY(state_->journal().end_stage(kKeepStage, "ok", what));
    report({Severity::info, "new-rows-kept",
            fmt::format("rows written since the swap are in the restored table: {}", what),
            job_.table});
    return {};
  }

  /// run_repair() goes on without the right to switch triggers off.
  Result<void> tell_whether_triggers_fire(const Table& live) {
    Connection& target = state_->target();
    const auto off = in_transaction(target, {"BEGIN", TransactionEnd::roll_back}, [&] {
      return target.run("SET LOCAL session_replication_role = replica");
    });
    if (off) return {};
    if (off.error().sqlstate != "42501") return off;
    report({Severity::warning, "trigger-fires",
            "this role may not set session_replication_role: triggers fire once more for the rows "
            "that are applied, and foreign keys are checked",
            live.qualified,
            "undo what the triggers did twice; a superuser, or from version 15 on GRANT SET ON "
            "PARAMETER session_replication_role, avoids it"});
    return {};
  }

  /// Whether an earlier call began to apply rows and did not finish.
  Result<bool> began_to_keep() {
    PGFANOUT_TRY_ASSIGN(const auto stages, state_->journal().stages());
    return std::any_of(stages.begin(), stages.end(), [](const StageRecord& stage) {
      return stage.name == kKeepStage && stage.status != "ok";
    });
  }

  /// The differences between the live table's columns and those that were swapped in, in words.
  Result<std::string> columns_changed(const Table& live) {
    PGFANOUT_TRY_ASSIGN(auto then, state_->journal().fence("target"));
    PGFANOUT_TRY_ASSIGN(auto now, state_->fence("target").facts(state_->target(), live.oid));
    const std::string of_live = fmt::format("columns of {}:", live.oid);
    for (auto* facts : {&then, &now}) {
      std::erase_if(*facts, [&](const std::string& fact) { return !fact.starts_with(of_live); });
    }
    return broken_facts(then, now);
  }

  /// The swap stays in effect: the application continues with the live table.
  Error release_live(Error error) {
    if (state_->target().is_open()) {
      is_live_fenced_ = !state_->lower_fence("live");
    }
    if (error.sqlstate == "23503") {
      error.code = "old-rows-refer";
      error.message = "rows of the old table refer to rows that are gone: " + error.message;
      error.hint =
          "insert those rows into the referenced table again, then call rollback again; the swap "
          "is in effect until then";
    }
    return error;
  }

  Result<void> take_swap_back() {
    auto swapped = swap_back(*state_);
    if (!swapped) return release_live(std::move(swapped).error());
    const double seconds = *swapped;
    is_live_fenced_ = false;
    state_->entry()->state = "open";
    report({Severity::info, "swapped-back",
            fmt::format("the old table has its name again; locked for {:.0f} ms", seconds * 1000),
            job_.table});
    return {};
  }

  JobDescription job_;
  const Cancellation& cancellation_;
  JobCounters counters_;
  std::optional<WindowState> state_;
  bool is_live_fenced_ = false;
};

}  // namespace

JobResult run_rollback(const JobDescription& job, Observer& observer,
                       const Cancellation& cancellation) {
  return without_exceptions("rollback",
                            [&] { return RollbackJob(job, observer, cancellation).run(); });
}

}  // namespace pgfanout
