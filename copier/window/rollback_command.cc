// The rollback command: restores the original state, at whatever stage the job is.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "copier/base/caught.h"
#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/base/observer_list.h"
#include "copier/base/pace.h"
#include "copier/catalog/relation_name.h"
#include "copier/copy/abandon_job.h"
#include "copier/journal/job_request.h"
#include "copier/pg/transaction.h"
#include "copier/session/job_guard.h"
#include "copier/session/reporting_job.h"
#include "copier/verify/verification.h"
#include "copier/window/commands.h"
#include "copier/window/new_rows.h"
#include "copier/window/rules.h"
#include "copier/window/state.h"
#include "copier/window/swap.h"
#include "copier/window/way_back.h"

namespace pgfanout {
namespace {

constexpr const char* kKeepStage = "keep new rows";
/// Named at once; takes a tenth of a gigabyte.
constexpr std::uint64_t kMostNewRows = 1'000'000;

class RollbackJob : ReportingJob {
 public:
  RollbackJob(const JobDescription& job, JobGuard& guard)
      : ReportingJob("rollback", guard.observer()),
        job_(job),
        cancellation_(guard.cancellation()),
        counters_(guard.counters()) {}

  JobResult run() {
    if (auto ended = run_caught("pgfanout", [this] { return run_stages(); }); !ended) {
      result_.error = std::move(ended).error();
      // No lock is held, so the same command succeeds once the sessions in the way have ended.
      if (result_.error->code == "lock-timeout") {
        result_.error->consequence = Consequence::interrupt;
      }
    }
    if (is_live_fenced_) reopen_live();
    if (fate_ && state_->entry()->state == "swapped") new_rows().reset();
    result_.writes_refused = are_writes_refused();
    return std::move(result_);
  }

 private:
  Result<void> run_stages() {
    IssueSink sink;
    if (!job_.dry_run) sink = [this](Issue issue) { report(std::move(issue)); };
    PGFANOUT_TRY_ASSIGN(state_, WindowState::open(job_, cancellation_, std::move(sink)));
    state_->tell_waits(counters_.lock_waits);
    auto& entry = state_->entry();
    if (entry && !job_.dry_run) {
      PGFANOUT_TRY(finish_copy(state_->target(), state_->source(), *entry, state_->patience(),
                               cancellation_));
    }
    RollbackStart start = start_of_rollback(entry);
    const bool is_undone = start == RollbackStart::undone;
    bool has_earlier = false;
    if (entry && (start == RollbackStart::no_job || is_undone)) {
      // A copy that came after a swap does not hide it. A job that is undone does, unless asked:
      // the same command twice does no harm.
      PGFANOUT_TRY_ASSIGN(const auto swapped, Journal(state_->target())
                                                  .find_swapped(state_->target_name().schema,
                                                                state_->target_name().name));
      has_earlier = !swapped.empty();
      if (has_earlier && (!is_undone || job_.window.earlier)) {
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
      report(
          {Severity::info, "rolled-back", fmt::format("job {} is undone already", entry->job),
           job_.table,
           has_earlier ? "an earlier job swapped this table: --earlier takes that swap back" : ""});
      result_.verdict = Verdict::match;
      return {};
    }
    if (job_.dry_run) {
      PGFANOUT_TRY_ASSIGN(result_.statements,
                          undo_statements(*state_, start == RollbackStart::take_swap_back));
      result_.verdict = Verdict::match;
      return {};
    }
    if (start == RollbackStart::take_swap_back) {
      // A rollback that was killed has left its fence.
      PGFANOUT_TRY_ASSIGN(is_live_fenced_, state_->stands("live"));
      PGFANOUT_TRY(clock_.run("new rows", [this] { return check_new_rows(); }));
      PGFANOUT_TRY(clock_.run("swap back", [this] { return take_swap_back(); }));
    }
    PGFANOUT_TRY(clock_.run("undo", [this] { return undo_job(*state_, job_.window.force); }));
    result_.verdict = Verdict::match;
    return {};
  }

  using UseDifferences = std::function<Result<void>(const VerifyPlan&, const FoundDifferences&)>;

  /// As the job's own verification: the backup is the source, the live table its copy.
  Result<Differences> compare(const UseDifferences& use = {}) {
    PGFANOUT_TRY_ASSIGN(const Table backup, state_->source_table());
    PGFANOUT_TRY_ASSIGN(const Table live, state_->target_table());
    TableRequest tables = job_;
    tables.table = backup.qualified;
    tables.into = live.qualified;
    VerifyInput input{job_, tables, job_, job_.verify, false, result_.job, true, use};
    input.request.rules.clear();  // They are about the new table, whatever rows it has.
    input.request.fail_on = Severity::error;
    input.request.scope = VerifyScope::data;
    input.request.repair = false;
    ObserverList no_observers;
    const Pace full_speed;
    JobCounters counters;
    JobResult compared = verify_tables(input, no_observers, cancellation_, counters, full_speed);
    if (compared.error) {
      if (compared.error->code == "cancelled") compared.error->consequence = Consequence::interrupt;
      return *std::move(compared.error);
    }
    const Differences* differences = differences_of(compared);
    if (differences == nullptr || final_verdict(compared) == Verdict::unproven) {
      return unproven("not-compared",
                      "could not determine whether rows were written since the swap",
                      "call rollback again", live.qualified);
    }
    return *differences;
  }

  /// How new rows would get into the old table.
  Result<WayBack> find_way_back(const Table& live) {
    PGFANOUT_TRY_ASSIGN(const Table backup, state_->source_table());
    if (job_.window.keep_new_rows) {
      PGFANOUT_TRY(check_rollback_map(state_->target(), job_, backup, new_columns_of(live)));
    }
    std::string key_column = state_->entry()->key_column.value_or(job_.key_column);
    if (!job_.layout.by.empty()) key_column.clear();
    std::string key_sql = state_->entry()->key_sql_on_target;
    if (backup.find(key_column) != nullptr) {
      TableRequest tables = job_;
      tables.table = backup.qualified;
      tables.into = live.qualified;
      PGFANOUT_TRY_ASSIGN(const VerifyPlan plan,
                          make_verify_plan(tables, job_, state_->source(), state_->target()));
      if (!plan.source_key_column) key_sql.clear();
    }
    return plan_way_back(job_, backup, new_columns_of(live), key_column, key_sql);
  }

  /// Rows written since the swap would be lost: a person has to decide that. The application can
  /// write until that is decided; then they are counted again behind a fence.
  Result<void> check_new_rows() {
    PGFANOUT_TRY_ASSIGN(const Table live, state_->target_table());
    LiveTable found;
    PGFANOUT_TRY_ASSIGN(found.keep_began, began_to_keep());
    PGFANOUT_TRY_ASSIGN(const std::string other_columns, columns_changed(live));
    found.is_altered = !other_columns.empty();
    if (!found.is_altered && !job_.window.force) {
      PGFANOUT_TRY_ASSIGN(way_, find_way_back(live));
    }
    found.has_no_way_back = !way_.obstacles.empty();
    switch (check_live(found, job_.window)) {
      case LiveCheck::refuse_to_keep:
        return refused("cannot-keep",
                       fmt::format("what was written since the swap cannot be written back into "
                                   "the old columns: {}",
                                   fmt::join(way_.obstacles, "; ")),
                       "give them values by [rollback.map] in the job file, or save the rows in a "
                       "table by --save-new-rows",
                       live.qualified);
      case LiveCheck::refuse_half_kept:
        return refused(
            "keep-began",
            "an earlier rollback has applied rows that were written since the swap to the "
            "old table, and was interrupted",
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
    PGFANOUT_TRY_ASSIGN(const Differences differences, compare());
    PGFANOUT_TRY_ASSIGN(const NewRows fate, judge(differences, live));
    if (fate == NewRows::lose) {
      NewRowsOutcome lost = outcome_of(differences, "lost");
      fate_ = {
          Severity::warning, "new-rows-lost",
          fmt::format("rows written since the swap are lost, as --force allows: {}", text_of(lost)),
          live.qualified};
      new_rows() = std::move(lost);
      return {};
    }
    PGFANOUT_TRY(
        state_->fence("live").raise(state_->target(), live, state_->patience(), cancellation_));
    is_live_fenced_ = true;
    counters_.fence_stands = true;
    crash_point("live-fenced");
    if (fate == NewRows::keep) return keep_new_rows(live, differences.total());
    if (fate == NewRows::save) return save_rows(live, differences.total());
    PGFANOUT_TRY_ASSIGN(const Differences since, compare());
    // Rows that were written while it compared.
    if (job_.window.keep_new_rows && since.total() > 0) return keep_new_rows(live, since.total());
    if (job_.window.save_new_rows && since.total() > 0) return save_rows(live, since.total());
    if (auto judged = judge(since, live); !judged) return std::move(judged).error();
    return {};
  }

  Result<NewRows> judge(const Differences& differences, const Table& live) {
    const NewRows fate = fate_of_new_rows(differences.total(), job_.window);
    if (fate != NewRows::refuse) return fate;
    std::get<RollbackResult>(result_.details).differences = differences;
    return refused(
        "new-rows",
        fmt::format("rows were written since the swap: {}", text_of(outcome_of(differences, ""))),
        fmt::format(
            "{}--save-new-rows saves them in a table; --force rolls back "
            "without them",
            way_.obstacles.empty() ? "--keep-new-rows applies them to the restored table; " : ""),
        live.qualified);
  }

  std::optional<NewRowsOutcome>& new_rows() {
    return std::get<RollbackResult>(result_.details).new_rows;
  }

  /// All of them have to be named, however many there are, and those that came since.
  void name_all(std::uint64_t count) {
    const std::uint64_t least = job_.verify.max_differences;
    job_.verify.max_differences = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(count + least, least, std::max(least, kMostNewRows)));
  }

  Result<void> keep_new_rows(const Table& live, std::uint64_t count) {
    name_all(count);
    PGFANOUT_TRY(tell_whether_triggers_fire(live));
    std::set<RowAddress> applied;
    PGFANOUT_TRY_ASSIGN(
        const Differences kept,
        compare([&](const VerifyPlan& plan, const FoundDifferences& found) -> Result<void> {
          // Without mappings there is no row that comes back otherwise.
          if (way_.changes_columns) applied = live_places(found);
          PGFANOUT_TRY_ASSIGN(Connection connection, state_->connect_target("keep"));
          const auto record = [&] {
            return WindowJournal(connection, state_->job_id()).begin_stage(kKeepStage);
          };
          return apply_new_rows(connection, plan, found, way_, record, cancellation_);
        }));
    // It counts as applied only when everything has been read again.
    bool is_proven = true;
    std::uint64_t converted = 0;
    PGFANOUT_TRY_ASSIGN(const Differences left,
                        compare([&](const VerifyPlan&, const FoundDifferences& found) {
                          is_proven = only_applied_differ(applied, found);
                          converted = found.counts.extra + found.counts.changed;
                          return Result<void>();
                        }));
    if (!is_proven) {
      std::get<RollbackResult>(result_.details).differences = left;
      return interrupted("not-kept",
                         "what was written since the swap could not be applied to the old table "
                         "completely",
                         "call rollback again, as a superuser if triggers fired", live.qualified);
    }
    if (!way_.left_alone.empty() && kept.extra > 0 && kept.missing > 0) {
      report(
          {Severity::warning, "new-rows-default",
           fmt::format("{} that the job skipped: {} have the default there, among them any whose "
                       "key was changed since the swap, which counts as a row deleted and one "
                       "inserted",
                       fmt::join(way_.left_alone, ", "),
                       counted(kept.extra, "inserted row", "inserted rows")),
           live.qualified, "compare these rows with a backup of the server if the values matter"});
    }
    NewRowsOutcome outcome = outcome_of(kept, "kept");
    fate_ = {
        Severity::info, "new-rows-kept",
        fmt::format("rows written since the swap are in the restored table: {}{}", text_of(outcome),
                    converted == 0 ? ""
                                   : fmt::format("; {} got values from [rollback.map] that "
                                                 "the job's mapping does not give back",
                                                 rows_text(converted))),
        job_.table};
    new_rows() = std::move(outcome);
    return {};
  }

  Result<void> save_rows(const Table& live, std::uint64_t count) {
    name_all(count);
    PGFANOUT_TRY_ASSIGN(
        const Differences saved,
        compare([&](const VerifyPlan& plan, const FoundDifferences& found) -> Result<void> {
          PGFANOUT_TRY_ASSIGN(
              saved_in_, save_new_rows(state_->target(), plan, found, stamp_now(), cancellation_));
          return {};
        }));
    if (saved_in_.empty()) return {};
    NewRowsOutcome outcome = outcome_of(saved, "saved");
    outcome.table = saved_in_;
    fate_ = {
        Severity::info, "new-rows-saved",
        fmt::format("rows written since the swap are saved in {}: {}", saved_in_, text_of(outcome)),
        live.qualified, "column pgfanout_change says which; insert them yourself, and drop it"};
    new_rows() = std::move(outcome);
    return {};
  }

  /// apply_new_rows() goes on without the right to switch triggers off.
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

  /// The swap stays in effect, or its fence was left by an earlier call: the application writes on,
  /// also after Ctrl-C or if this command's session was lost.
  void reopen_live() {
    if (!state_->target().is_open()) {
      auto again = state_->connect_target("target");
      if (!again) return;
      state_->target() = *std::move(again);
      if (!state_->read_entry()) return;
    }
    if (state_->entry()->state != "swapped") {  // It was lost after the swap back was committed.
      if (fate_) report(*fate_);
      return;
    }
    // Nothing has changed: the rows are where they were.
    if (!saved_in_.empty()) (void)state_->target().run("DROP TABLE " + saved_in_);
    const Fence fence = state_->fence("live");
    constexpr LockPatience kBrief{std::chrono::milliseconds(100), std::chrono::seconds(1)};
    const auto lowered = fence.lower(state_->target(), kBrief, cancellation_.at_once());
    const auto stands = fence.stands(state_->target());
    is_live_fenced_ = !stands || *stands;
    if (lowered) return;
    report({Severity::warning, "live-fence-left",
            fmt::format("{}: {}",
                        is_live_fenced_ ? "the fence on the live table was not lowered"
                                        : "the triggers of the fence are still on the live table, "
                                          "and let all writes pass",
                        lowered.error().message),
            job_.table,
            is_live_fenced_ ? "the next rollback lowers it, and so does 'pgfanout run --release'"
                            : "the next rollback or 'pgfanout run --release' drops them"});
  }

  /// A session that was lost leaves a fence of which nobody can ask.
  bool are_writes_refused() {
    if (!state_ || !state_->entry()) return false;
    if (state_->entry()->state == "swapped") return is_live_fenced_;
    const auto stands = state_->stands("source");
    return !stands || *stands;
  }

  Result<void> take_swap_back() {
    PGFANOUT_TRY_ASSIGN(const SwapBackOutcome swapped, swap_back(*state_));
    is_live_fenced_ = false;
    counters_.fence_stands = false;
    state_->entry()->state = "open";
    report({Severity::info, "swapped-back",
            fmt::format("the old table has its name again; locked for {:.0f} ms",
                        swapped.locked_seconds * 1000),
            job_.table});
    if (fate_) report(*std::exchange(fate_, std::nullopt));
    // Until here a rollback without these rows would not have given back the old table as it was.
    if (new_rows() && new_rows()->fate == "kept") {
      PGFANOUT_TRY(state_->journal().end_stage(kKeepStage, "ok", text_of(*new_rows())));
    }
    for (const UnvalidatedKey& key : swapped.unvalidated) {
      const bool is_inbound = key.table_oid != state_->entry()->source_oid;
      const char* code = is_inbound ? "orphan-rows" : "old-rows-refer";
      auto issue = issue_of(state_->target(), key, code);
      if (!issue && !state_->target().is_open()) return std::move(issue).error();
      report(issue ? *std::move(issue)
                   : Issue{Severity::warning, code,
                           fmt::format("foreign key {} is back, but NOT VALID; the rows that "
                                       "violate it could not be read: {}",
                                       display_name(key.name), issue.error().message),
                           job_.table,
                           "find and correct them, then ALTER TABLE ... VALIDATE CONSTRAINT"});
    }
    return {};
  }

  JobDescription job_;
  const Cancellation& cancellation_;
  JobCounters& counters_;
  std::optional<WindowState> state_;
  WayBack way_;                // check_new_rows
  std::optional<Issue> fate_;  // check_new_rows: of the new rows, once the old table is back
  std::string saved_in_;       // save_rows: a table, qualified
  bool is_live_fenced_ = false;
};

}  // namespace

JobResult run_rollback(const JobDescription& job, Observer& observer,
                       const Cancellation& cancellation) {
  JobGuard guard(job, "rollback", observer, cancellation);
  return guard.settled(
      without_exceptions("rollback", [&] { return RollbackJob(job, guard).run(); }));
}

}  // namespace pgfanout
