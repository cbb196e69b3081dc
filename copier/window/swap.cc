#include "copier/window/swap.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/base/pause.h"
#include "copier/carry/source_facts.h"
#include "copier/copy/abandon_job.h"
#include "copier/window/rules.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// For every lock after the first: while some are held, waiting for another could deadlock with
/// the application, whose sessions the server would then end after deadlock_timeout (1 s).
constexpr milliseconds kNextLocks{150};

/// Tables that the source's outgoing foreign keys refer to: dropping the keys locks them. Where
/// this role may not lock them itself, the server does it then.
Result<std::vector<std::string>> referenced_tables(Connection& connection, std::uint32_t oid) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query("SELECT DISTINCT format('%I.%I', n.nspname, c.relname) FROM pg_constraint k"
                       " JOIN pg_class c ON c.oid = k.confrelid"
                       " JOIN pg_namespace n ON n.oid = c.relnamespace"
                       " WHERE k.contype = 'f' AND k.conrelid = $1 AND k.confrelid <> $1"
                       " AND has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE') ORDER BY 1",
                       {std::to_string(oid)}));
  std::vector<std::string> tables;
  for (int row = 0; row < rows.size(); ++row) tables.push_back(rows.str(row, 0));
  return tables;
}

LockAttempts attempts_of(const WindowState& state, const Table& one, const Table& other) {
  const WindowRequest& request = state.job().window;
  LockAttempts attempts;
  attempts.patience = {request.swap_lock_timeout, request.swap_within, state.patience().waits};
  attempts.option = "--swap-within";
  attempts.relations = {one.oid, other.oid};
  for (const Table* table : {&one, &other}) {
    for (const Leaf& leaf : table->leaves) attempts.relations.push_back(leaf.oid);
  }
  attempts.end_blockers = request.end_blockers;
  attempts.tell_blocked = [&state](const std::string& blockers) {
    state.report({Severity::info,
                  "swap-blocked",
                  "could not acquire a lock of the swap; retrying",
                  {},
                  blockers});
  };
  return attempts;
}

std::vector<std::string> lock_statements(const Table& live, const Table& other,
                                         const std::vector<std::string>& referenced) {
  std::vector<std::string> locks{
      fmt::format("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", live.qualified),
      fmt::format("SET LOCAL lock_timeout = {}", kNextLocks.count()),
      fmt::format("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", other.qualified)};
  for (const std::string& table : referenced) {
    locks.push_back(fmt::format("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE", table));
  }
  return locks;
}

/// Some at a time, since each answer that is awaited prolongs the locks: with 1,000 leaves there
/// are thousands of statements.
Result<void> run_all(Connection& connection, const std::vector<std::string>& statements) {
  constexpr std::size_t kAtOnce = 100;
  for (std::size_t begin = 0; begin < statements.size(); begin += kAtOnce) {
    const auto first = statements.begin() + static_cast<std::ptrdiff_t>(begin);
    const std::size_t count = std::min(kAtOnce, statements.size() - begin);
    auto done = connection.run(
        fmt::format("{}", fmt::join(first, first + static_cast<std::ptrdiff_t>(count), ";\n")));
    if (done) continue;
    Error error = std::move(done).error();
    if (error.where.empty()) {
      error.where = *first + (count > 1 ? fmt::format(", or {} after it", count - 1) : "");
    }
    return error;
  }
  return {};
}

/// Old routines and materialized views first: they depend on the old table.
std::vector<BackupRelation> backup_of(const Table& source, const CarryPlan& carry,
                                      const std::string& backup_name,
                                      const std::vector<NameHolder>& holders,
                                      const std::string& stamp) {
  std::vector<BackupRelation> backup;
  for (const RoutineSetAside& routine : carry.routines) {
    backup.push_back({"ROUTINE", routine.oid, routine.schema, routine.name});
  }
  for (const NameHolder& holder : holders) {
    if (holder.kind != "MATERIALIZED VIEW" || !holder.is_of_source) continue;
    backup.push_back(
        {holder.kind, holder.oid, holder.schema, suffixed_name(holder.name, "_backup_" + stamp)});
  }
  backup.push_back({"TABLE", source.oid, source.schema, backup_name});
  return backup;
}

/// A rollback that ends with other names than those before the swap has not rolled back.
Result<void> check_names(Connection& connection, const JournalEntry& entry) {
  PGFANOUT_TRY_ASSIGN(
      const Rows names,
      connection.query("SELECT count(*) FROM pg_class c"
                       " JOIN pg_namespace n ON n.oid = c.relnamespace"
                       " WHERE (c.oid = $1 AND n.nspname = $2 AND c.relname = $3)"
                       " OR (n.nspname = $4 AND c.relname = $5 AND EXISTS (SELECT 1"
                       "  FROM pgfanout.made_relation m WHERE m.job = $6 AND m.relation = c.oid))",
                       {std::to_string(entry.source_oid), entry.source_schema, entry.source_name,
                        entry.target_schema, entry.target_name, entry.job}));
  if (names.integer(0, 0) == 2) return {};
  return refused("journal-damaged",
                 "the journal's record of the swap does not restore the old names: nothing was "
                 "changed",
                 "the swap is still in effect; examine pgfanout.undo and pgfanout.job",
                 entry.source_name);
}

}  // namespace

std::string stamp_now() {
  return fmt::format("{:%Y%m%d_%H%M%S}", fmt::gmtime(std::time(nullptr)));
}

Result<void> check_fence(WindowState& state, const std::string& side, const Table& table) {
  WindowJournal journal = state.journal();
  PGFANOUT_TRY_ASSIGN(const auto then, journal.fence(side));
  PGFANOUT_TRY_ASSIGN(const auto now,
                      state.fence(side).facts(state.connection_of(side), table.oid));
  if (then.empty()) {
    return refused("no-fence", "the journal has no record of the fence around the table",
                   "start over with --restart", table.qualified);
  }
  const std::string broken = broken_facts(then, now);
  if (broken.empty()) return {};
  return refused("fence-broken",
                 fmt::format("the {} may have been changed since it was copied: {}", side, broken),
                 "start over with --restart: the copy is not reliable", table.qualified);
}

Result<void> check_still_fenced(WindowState& state, const std::vector<StageRecord>& records) {
  if (!is_done(records, "prepare")) return {};
  PGFANOUT_TRY_ASSIGN(const bool stands, state.stands("source"));
  if (stands) return {};
  return refused(
      "fence-lifted",
      "the fence around the source was lifted: the source may have changed since it was copied",
      "start over with 'pgfanout run --restart', or undo the job with 'pgfanout rollback'",
      state.job().table);
}

Result<void> check_definition(WindowState& state, const Table& source) {
  PGFANOUT_TRY_ASSIGN(const auto then, state.journal().fence("carry"));
  PGFANOUT_TRY_ASSIGN(const auto now, read_source_facts(state.source(), source.oid));
  const std::string changes = changed_facts(then, now);
  if (changes.empty()) return {};
  return refused("definition-changed",
                 "the definition of the source was changed since the job was planned: " + changes,
                 "change it back and run the same command again; or start over with 'pgfanout run "
                 "--restart', which plans for the source as it is now",
                 source.qualified);
}

namespace {

/// Refuses where no swap is possible. The names have their stamp.
Result<MadeTarget> tables_to_swap(WindowState& state) {
  if (!state.same_database()) {
    return refused("two-databases", "a swap needs source and target in one database",
                   "switch the application to the target's database instead");
  }
  PGFANOUT_TRY_ASSIGN(Table source, state.source_table());
  PGFANOUT_TRY(check_definition(state, source));
  PGFANOUT_TRY_ASSIGN(MadeTarget made, examine_made_target(state, std::move(source)));
  if (made.source.schema != made.target.schema) {
    return refused("two-schemas", "a swap needs source and target in one schema",
                   "name a target in the source's schema with --into", made.target.qualified);
  }
  // A swap within the same second has taken the names.
  constexpr int kMostAttempts = 3;
  for (int attempt = 1;; ++attempt) {
    made.names.stamp = stamp_now();
    PGFANOUT_TRY_ASSIGN(
        const FoundRelation taken,
        find_relation(state.target(), {made.source.schema, backup_name_of(made.names)}));
    if (taken.oid == 0 || attempt == kMostAttempts) return made;
    pause_unless(state.cancellation(), std::chrono::seconds(1));
    if (state.cancellation().is_set()) return cancelled();
  }
}

/// The statements of a swap whose tables nothing has passed the fences of.
struct CheckedSwap {
  std::vector<NameHolder> holders;
  SwapScript script;
  std::vector<std::string> lower;  ///< The target's fence.
};

Result<CheckedSwap> check_swap(WindowState& state, const MadeTarget& made) {
  PGFANOUT_TRY(check_definition(state, made.source));
  PGFANOUT_TRY(check_fence(state, "source", made.source));
  PGFANOUT_TRY(check_fence(state, "target", made.target));
  CheckedSwap swap;
  PGFANOUT_TRY_ASSIGN(swap.holders,
                      find_swap_holders(state.target(), made.names, made.carry, made.source.oid));
  PGFANOUT_TRY_ASSIGN(swap.script, make_swap_script(made.names, made.carry, swap.holders));
  PGFANOUT_TRY_ASSIGN(swap.lower, state.fence("target").lower_statements(state.target()));
  return swap;
}

void append(std::vector<std::string>& to, const std::vector<std::string>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

Result<std::vector<std::string>> swap_statements(WindowState& state) {
  PGFANOUT_TRY_ASSIGN(const MadeTarget made, tables_to_swap(state));
  PGFANOUT_TRY_ASSIGN(const CheckedSwap swap, check_swap(state, made));
  PGFANOUT_TRY_ASSIGN(const auto referenced, referenced_tables(state.target(), made.source.oid));
  std::vector<std::string> statements{"-- swap, together with rows in the journal", "BEGIN"};
  append(statements, lock_statements(made.source, made.target, referenced));
  append(statements, swap.lower);
  append(statements, swap.script.forward);
  statements.emplace_back("COMMIT");
  if (swap.script.after.empty()) return statements;
  statements.emplace_back("-- after the swap");
  append(statements, swap.script.after);
  return statements;
}

Result<SwapOutcome> swap_tables(WindowState& state) {
  PGFANOUT_TRY_ASSIGN(const MadeTarget made, tables_to_swap(state));
  Connection& connection = state.target();
  WindowJournal journal = state.journal();
  PGFANOUT_TRY_ASSIGN(const auto referenced, referenced_tables(connection, made.source.oid));
  SwapOutcome outcome;
  Clock::time_point began;
  auto swapped = with_lock_attempts(
      connection, attempts_of(state, made.source, made.target), state.cancellation(),
      [&]() -> Result<void> {
        began = Clock::now();
        PGFANOUT_TRY(run_all(connection, lock_statements(made.source, made.target, referenced)));
        PGFANOUT_TRY_ASSIGN(const CheckedSwap swap, check_swap(state, made));
        const SwapScript& script = swap.script;
        PGFANOUT_TRY(run_all(connection, swap.lower));
        PGFANOUT_TRY(run_all(connection, script.forward));
        std::vector<std::string> undo = script.backward;
        std::reverse(undo.begin(), undo.end());
        PGFANOUT_TRY(journal.add_undo(UndoPhase::swap, undo));
        PGFANOUT_TRY(journal.set_after(script.after));
        PGFANOUT_TRY(journal.set_swapped(script.backup_name, state.job().window.retention_days,
                                         backup_of(made.source, made.carry, script.backup_name,
                                                   swap.holders, made.names.stamp)));
        outcome.backup_name = script.backup_name;
        crash_point("swap-renamed");
        return {};
      });
  if (!swapped) return std::move(swapped).error();
  crash_point("swap-committed");
  outcome.locked_seconds = std::chrono::duration<double>(Clock::now() - began).count();
  PGFANOUT_TRY_ASSIGN(outcome.backup_qualified,
                      qualified_name(connection, made.source.schema, outcome.backup_name));
  return outcome;
}

Result<SwapBackOutcome> swap_back(WindowState& state) {
  Connection& connection = state.target();
  WindowJournal journal = state.journal();
  PGFANOUT_TRY_ASSIGN(const Table source, state.source_table());
  PGFANOUT_TRY_ASSIGN(const Table target, state.target_table());
  PGFANOUT_TRY_ASSIGN(const auto referenced, referenced_tables(connection, target.oid));
  PGFANOUT_TRY_ASSIGN(const auto undo, journal.undo(UndoPhase::swap));
  SwapBackOutcome outcome;
  Clock::time_point began;
  const auto take_back = [&]() -> Result<void> {
    began = Clock::now();
    outcome.unvalidated.clear();
    PGFANOUT_TRY(run_all(connection, lock_statements(target, source, referenced)));
    // The journal does not have the fences' triggers: those that are there are dropped.
    for (const char* side : {"live", "source"}) {
      PGFANOUT_TRY_ASSIGN(const auto lower, state.fence(side).lower_statements(connection));
      PGFANOUT_TRY(run_all(connection, lower));
    }
    for (const std::string& sql : undo) {
      auto done = run_undo(connection, sql, outcome.unvalidated);
      if (done) continue;
      Error error = std::move(done).error();
      if (error.where.empty()) error.where = sql;
      return error;
    }
    PGFANOUT_TRY(check_names(connection, *state.entry()));
    PGFANOUT_TRY(journal.clear_swap());
    PGFANOUT_TRY(journal.begin_stage(kUndoStage));
    return Journal(connection).set_state(state.job_id(), "open");
  };
  PGFANOUT_TRY(with_lock_attempts(connection, attempts_of(state, target, source),
                                  state.cancellation(), take_back));
  crash_point("names-taken-back");
  outcome.locked_seconds = std::chrono::duration<double>(Clock::now() - began).count();
  return outcome;
}

Result<std::vector<std::string>> undo_statements(WindowState& state, bool takes_swap_back) {
  Connection& connection = state.target();
  PGFANOUT_TRY_ASSIGN(const auto lower, state.fence("source").lower_statements(state.source()));
  std::vector<std::string> statements;
  if (takes_swap_back) {
    PGFANOUT_TRY_ASSIGN(const Table source, state.source_table());
    PGFANOUT_TRY_ASSIGN(const Table target, state.target_table());
    PGFANOUT_TRY_ASSIGN(const auto referenced, referenced_tables(connection, target.oid));
    PGFANOUT_TRY_ASSIGN(const auto undo, state.journal().undo(UndoPhase::swap));
    const Fence live = state.fence("live");
    PGFANOUT_TRY_ASSIGN(const bool is_up, live.stands(connection));
    statements.emplace_back("-- new rows: writes are refused, then both tables are compared");
    if (!is_up) append(statements, live.raise_statements(target));
    statements.emplace_back("-- swap back, together with rows in the journal");
    statements.emplace_back("BEGIN");
    append(statements, lock_statements(target, source, referenced));
    append(statements, live.lower_statements(target));
    append(statements, lower);
    append(statements, undo);
    statements.emplace_back("COMMIT");
    statements.emplace_back("-- undo");
  } else {
    PGFANOUT_TRY_ASSIGN(const auto target, state.fence("target").lower_statements(connection));
    statements.emplace_back("-- undo");
    append(statements, target);
  }
  PGFANOUT_TRY_ASSIGN(const auto drops, drop_steps(connection, *state.entry(), takes_swap_back));
  for (const DropStep& step : drops) append(statements, step.statements);
  if (!takes_swap_back) append(statements, lower);
  return statements;
}

Result<void> undo_job(WindowState& state, bool may_be_lost) {
  const JournalEntry& entry = *state.entry();
  PGFANOUT_TRY(check_fence_place(state.target(), state.source(), entry));
  PGFANOUT_TRY(check_nothing_stays(state.target(), entry));
  Journal journal(state.target());
  PGFANOUT_TRY(journal.bring_up_to_date());
  if (!may_be_lost) PGFANOUT_TRY(check_source_has_its_rows(state.target(), state.source(), entry));
  PGFANOUT_TRY(state.journal().begin_stage(kUndoStage));
  PGFANOUT_TRY(state.lower_fence("target"));
  if (!entry.made.empty()) {
    PGFANOUT_TRY(drop_made(state.target(), entry, JournalRemains::job));
    state.report({Severity::info, "dropped",
                  counted(entry.made.size(), "table that the job had made was dropped",
                          "tables that the job had made were dropped"),
                  state.target_qualified()});
  }
  // Last: until here nothing could change what the copy was made of.
  PGFANOUT_TRY(state.lower_fence("source"));
  PGFANOUT_TRY(journal.set_unfenced(entry.job));
  PGFANOUT_TRY(state.journal().end_stage(kUndoStage, "ok", ""));
  return journal.set_state(entry.job, "rolled back");
}

}  // namespace pgfanout
