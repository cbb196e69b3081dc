#include "copier/copy/table_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "copier/copy/abandon_job.h"
#include "copier/copy/copy_load.h"
#include "copier/copy/copy_rules.h"
#include "copier/copy/target_leaves.h"
#include "copier/journal/reject_table.h"
#include "copier/journal/window_journal.h"
#include "copier/pg/transaction.h"
#include "copier/pipeline/read_back.h"
#include "copier/preflight/preflight.h"
#include "copier/reconcile/balance.h"
#include "copier/session/fence.h"

namespace pgfanout {
namespace {

/// A leaf that was read back to its end holds what the ledger says. Of one that was never written
/// to, it says nothing.
bool is_as_written(const LeafAccount& leaf) {
  MultisetDigest added = leaf.read_back;
  added.subtract(leaf.before);
  return leaf.is_committed && added == leaf.taken() && leaf.wrong_key == 0 && leaf.wrong_leaf == 0;
}

/// Refuses unless the fence has stood since it was journaled.
Result<void> check_fence(CopyState& state, Connection& source, const Table& table) {
  const Fence fence(state.entry->job, "source");
  PGFANOUT_TRY_ASSIGN(const auto then,
                      WindowJournal(*state.target, state.entry->job).fence("source"));
  PGFANOUT_TRY_ASSIGN(const bool stands, fence.stands(source));
  std::optional<std::vector<std::string>> now;
  if (stands) {
    PGFANOUT_TRY_ASSIGN(now, fence.facts(source, table.oid));
  }
  return check_fence_stood(then, now, table.qualified);
}

/// Raises the fence around the source; for a job that is resumed, refuses unless the fence has
/// stood all the time.
Result<void> fence_source(CopyState& state, Connection& source, const Table& table) {
  const Fence fence(state.entry->job, "source");
  WindowJournal journal(*state.target, state.entry->job);
  PGFANOUT_TRY_ASSIGN(const auto then, journal.fence("source"));
  if (then.empty()) {
    // Rows read before the fence was journaled do not count. A fence raised then may have been
    // lifted since.
    PGFANOUT_TRY(fence.lower(source, state.patience(), state.cancellation));
    auto raised = fence.raise(source, table, state.patience(), state.cancellation);
    if (!raised) {
      Error error = std::move(raised).error();
      if (error.code == "cannot-fence") {
        error.hint +=
            "; with --no-fence a lock is enough, but an interrupted copy then starts over";
      }
      return error;
    }
    crash_point("fence-raised");
    PGFANOUT_TRY_ASSIGN(const auto facts, fence.facts(source, table.oid));
    PGFANOUT_TRY(journal.set_fence("source", facts));
    crash_point("fence-journaled");
    return {};
  }
  return check_fence(state, source, table);
}

class TableCopy {
 public:
  TableCopy(CopyState& state, Connection source, Table table, StageClock& clock)
      : state_(state), connection_(std::move(source)), table_(std::move(table)), clock_(clock) {}

  CopyOutcome run() {
    try {
      if (auto ended = run_stages(); !ended) outcome_.error = std::move(ended).error();
      sum_up();
      close_source();
    } catch (const std::exception& exception) {
      outcome_.error = internal_error(exception);
    }
    outcome_.source_session = std::move(connection_);
    return std::move(outcome_);
  }

 private:
  Result<void> run_stages() {
    PGFANOUT_TRY(clock_.run("preflight", [this] { return preflight(); }));
    if (job().dry_run) return {};
    PGFANOUT_TRY(clock_.run("prepare", [this] { return prepare(); }));
    PGFANOUT_TRY(clock_.run("copy", [this] { return copy(); }));
    PGFANOUT_TRY(clock_.run("read-back", [this] { return read_back(); }));
    if (state_.is_attached()) return {};
    return clock_.run("attach", [this] { return attach(); });
  }

  Result<void> preflight() {
    if (state_.raises_fence()) {
      state_.may_undo = !state_.entry;
      if (!state_.entry) PGFANOUT_TRY(begin_fenced_job());
      auto fenced = fence_source(state_, *connection_, table_);
      if (!fenced) {
        // It could not start: what it made before goes again.
        const bool is_late = fenced.error().code == "lock-timeout";
        if (is_late) fenced.error().consequence = Consequence::refuse;
        return fenced;
      }
      state_.counters.fence_stands = true;
    }
    PGFANOUT_TRY(open_source());
    PGFANOUT_TRY(plan_copy());
    PGFANOUT_TRY(plan_progress());
    if (state_.is_resumed && state_.stands_alone) {
      PGFANOUT_TRY(check_before_resuming(job(), *state_.plan, CheckScope::resumed_copy,
                                         state_.source->connection(), *state_.target,
                                         state_.cancellation, state_.report));
    }
    if (state_.stands_alone) {
      for (const Issue& issue : state_.plan->issues) state_.report(issue);
    }
    if (job().dry_run) {
      std::vector<std::string> fence;
      TableLock lock = TableLock::against_writes;
      if (job().assume_quiet) {
        lock = TableLock::none;
      } else if (job().fence) {
        fence = Fence("<job>", "source").raise_statements(table_);
        lock = TableLock::behind_fence;
      }
      outcome_.statements = copy_statements(*state_.plan, state_.progress, fence, lock);
      outcome_.verdict = Verdict::match;  // Nothing was to be proven.
    }
    return stop_if_cancelled(state_);
  }

  /// Writes the job down before it changes anything. Plans first: a copy that would be refused
  /// anyway must not keep anybody from writing.
  Result<void> begin_fenced_job() {
    PGFANOUT_TRY_ASSIGN(const CopyPlan plan, make_copy_plan(job(), *connection_, *state_.target));
    PGFANOUT_TRY(plan.target.layout->prove(*connection_, plan.source));
    PGFANOUT_TRY(Fence(state_.job_id, "source").check_free(*connection_, table_));
    PGFANOUT_TRY(stop_if_cancelled(state_));
    JournalEntry entry =
        new_entry(state_.job_id, *connection_, table_, {plan.target.schema, plan.target.name},
                  plan.key.expression.sql());
    record_key(plan, job(), entry);
    entry.state = "loading";
    entry.is_fenced = true;
    Journal journal(*state_.target);
    auto recorded = in_transaction(*state_.target, {}, [&]() -> Result<void> {
      PGFANOUT_TRY(journal.prepare());
      return journal.begin_job(entry);
    });
    if (!recorded) return std::move(recorded).error();
    crash_point("job-journaled");
    state_.entry = std::move(entry);
    return {};
  }

  Result<void> open_source() {
    TableLock lock = TableLock::against_writes;
    if (state_.is_fenced()) lock = TableLock::behind_fence;
    if (job().assume_quiet || job().dry_run) lock = TableLock::none;
    PGFANOUT_TRY_ASSIGN(state_.source,
                        SourceSession::open(std::move(*connection_), {{&table_, lock}},
                                            state_.patience(), state_.cancellation));
    connection_.reset();
    crash_point("source-locked");
    return {};
  }

  Result<void> plan_copy() {
    Connection& source = state_.source->connection();
    std::vector<std::uint32_t> made;
    std::optional<CopyProgress> progress;
    if (state_.entry) {
      PGFANOUT_TRY_ASSIGN(Table now, describe_table(source, table_.oid));
      table_ = std::move(now);
      CopyJournal journal(*state_.target, state_.job_id);
      PGFANOUT_TRY(Journal(*state_.target).bring_up_to_date());
      PGFANOUT_TRY_ASSIGN(progress, journal.load(table_));
      made = parts_of(state_.entry->made, &MadeRelation::oid);
    }
    state_.is_resumed = progress.has_value();
    state_.may_undo = !state_.is_resumed;
    JobDescription as_asked = job();
    // The rows that the target holds now may be those of this job.
    if (state_.is_resumed) as_asked.append = true;
    // Leaves by the source's rows are settled once.
    if (state_.entry && !job().layout.by.empty()) as_asked.key = state_.entry->key;
    PGFANOUT_TRY_ASSIGN(state_.plan, make_copy_plan(as_asked, source, *state_.target, made));
    if (progress) state_.progress = *std::move(progress);
    const bool is_proven = state_.raises_fence() && !state_.is_resumed;
    if (!is_proven) PGFANOUT_TRY(state_.plan->target.layout->prove(source, state_.plan->source));
    const CopyPlan& plan = *state_.plan;
    outcome_.source = {plan.source.qualified, 0, {}, source.server_version_text()};
    outcome_.target = {plan.target.qualified, 0, {}, state_.target->server_version_text()};
    outcome_.rows.readers = plan.connections.readers;
    outcome_.rows.writers = plan.connections.writers;
    return {};
  }

  /// How the source is cut, and what of it is done.
  Result<void> plan_progress() {
    CopyPlan& plan = *state_.plan;
    CopyProgress& progress = state_.progress;
    if (!state_.is_resumed) {
      progress = progress_of(plan);
    } else {
      PGFANOUT_TRY(check_leaves());
      outcome_.rows.rows_resumed = progress.rows_committed();
    }
    std::uint64_t& expected_rows = plan.source.estimated_rows;
    state_.counters.rows_expected =
        expected_rows > outcome_.rows.rows_resumed ? expected_rows - outcome_.rows.rows_resumed : 0;
    state_.counters.leaves_total = plan.target.leaves.size();
    if (!job().dry_run) state_.counters.leaves.open(state_.leaf_names());
    state_.counters.bytes_expected = sum_of(progress.ranges, &SourceRange::estimated_bytes);
    return {};
  }

  Result<void> check_leaves() {
    const CopyPlan& plan = *state_.plan;
    PGFANOUT_TRY_ASSIGN(const Rows oids,
                        query_each(*state_.target, "to_regclass(name)::oid",
                                   parts_of(plan.target.leaves, &TargetLeaf::qualified)));
    std::vector<LeafNow> now;
    for (const TargetLeaf& leaf : plan.target.leaves) {
      const int row = static_cast<int>(now.size());
      now.push_back({leaf.qualified, {}});
      if (plan.target.is_new && !oids.is_null(row, 0)) now.back().oid = oids.oid(row, 0);
    }
    return check_same_leaves(state_.progress.leaf_names, now, plan.target.is_new, *state_.entry,
                             plan.target.qualified);
  }

  Result<void> prepare() {
    PGFANOUT_TRY(stop_if_cancelled(state_));
    if (!state_.is_resumed) {
      PGFANOUT_TRY(take_baseline());
      PGFANOUT_TRY(create_tables());
      crash_point("tables-created");
    } else if (state_.plan->target.is_new && !state_.is_attached()) {
      PGFANOUT_TRY(add_checks(*state_.target, *state_.plan));
    }
    return CopyLoad(state_).restore();
  }

  Result<void> create_tables() {
    CopyPlan& plan = *state_.plan;
    if (state_.amend) PGFANOUT_TRY(state_.amend(plan));
    JournalEntry entry =
        new_entry(state_.job_id, state_.source->connection(), plan.source,
                  {plan.target.schema, plan.target.name}, plan.key.expression.sql());
    record_key(plan, job(), entry);
    entry.is_fenced = false;
    if (state_.entry) entry = *state_.entry;
    entry.made.clear();
    entry.state = "loading";
    PGFANOUT_TRY(create_target(*state_.target, plan, entry, state_.progress, attempts_on_target(),
                               state_.cancellation));
    state_.entry = std::move(entry);
    return {};
  }

  /// Digests the rows that an accepted target holds already, so that they can be told apart
  /// afterwards.
  Result<void> take_baseline() {
    if (!job().append || state_.plan->target.is_new) return {};
    Ledger before(0, state_.plan->target.leaves.size());
    PGFANOUT_TRY(read_target(before));
    const auto leaves = before.leaves();
    for (std::uint32_t leaf = 0; leaf < leaves.size(); ++leaf) {
      state_.progress.leaves[leaf].before = leaves[leaf].read_back;
    }
    state_.counters.rows_read_back = 0;
    state_.counters.bytes_read_back = 0;
    return {};
  }

  Result<void> copy() {
    state_.may_undo = true;
    PGFANOUT_TRY(CopyLoad(state_).run());
    is_committed_ = true;
    const std::uint64_t rejected = state_.counters.rows_rejected;
    if (rejected == 0) return {};
    state_.report({Severity::warning, "rows-rejected",
                   counted(rejected, "row was", "rows were") + " set aside",
                   fmt::format("{}.{}", state_.plan->target.schema,
                               reject_table_name(state_.plan->target.name)),
                   "the table says the reason for each"});
    return {};
  }

  /// Reads all leaves of the target into the read-back columns of `ledger`.
  Result<void> read_target(Ledger& ledger) {
    const CopyPlan& plan = *state_.plan;
    PGFANOUT_TRY_ASSIGN(const std::vector<LeafSize> sizes,
                        leaf_sizes(state_.leaf_sessions(), plan.target));
    const std::vector<SourceRange> ranges = cut_ranges_for(sizes, plan.connections.readers);
    for (std::size_t server = 0; server < plan.target.servers.size(); ++server) {
      PGFANOUT_TRY(read_server(server, ranges, ledger));
    }
    return {};
  }

  /// Reads the ranges of the leaves on one server.
  Result<void> read_server(std::size_t server, const std::vector<SourceRange>& all,
                           Ledger& ledger) {
    const CopyPlan& plan = *state_.plan;
    std::vector<SourceRange> ranges;
    std::ranges::copy_if(all, std::back_inserter(ranges), [&](const SourceRange& range) {
      return plan.target.leaves[range.leaf].server == server;
    });
    const auto connect = [options =
                              state_.connect_options(plan.target.servers[server].dsn, "reader")] {
      return connect_again(options);
    };
    const std::string begin =
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = " +
        plan.target.application_path;
    const auto select = [&plan](const SourceRange& range) {
      return target_select(plan.stream, plan.target, range);
    };
    PGFANOUT_TRY_ASSIGN(auto sources, make_server_sources(plan.connections.readers, connect, begin,
                                                          select, state_.cancellation));
    return run_read_back({ranges, plan.stream.read_back_layout, plan.key.expression,
                          *plan.target.layout, std::move(sources), job().memory_bytes, &state_.pace,
                          [&](std::uint32_t leaf) {
                            if (is_as_written(ledger.leaf(leaf))) {
                              state_.counters.leaves.set_state(leaf, LeafState::proven);
                            }
                          }},
                         ledger, state_.counters, state_.cancellation);
  }

  [[nodiscard]] LockAttempts attempts_on_target() const {
    LockAttempts attempts;
    attempts.patience = state_.patience();
    attempts.referenced = state_.referenced;
    attempts.relations = parts_of(state_.plan->target.leaves, &TargetLeaf::oid);
    return attempts;
  }

  Result<void> read_back() {
    PGFANOUT_TRY_ASSIGN(leaf_lock_, LeafLock::take(state_.leaf_sessions(), state_.plan->target,
                                                   attempts_on_target(), state_.cancellation));
    crash_point("leaves-locked");
    PGFANOUT_TRY(read_target(*state_.ledger));
    const Balance balance = balance_after_read_back(*state_.ledger, state_.leaf_names());
    for (const Issue& issue : balance.issues) state_.report(issue);
    outcome_.verdict = balance.verdict;
    if (outcome_.verdict == Verdict::match) state_.counters.leaves.set_all(LeafState::proven);
    outcome_.source->rows = balance.source.rows();
    outcome_.source->digest = balance.source.hex();
    outcome_.target->rows = balance.target.rows();
    outcome_.target->digest = balance.target.hex();
    crash_point("read-back");
    if (state_.is_attached()) return state_.leaf_sessions().run("COMMIT");
    return {};
  }

  /// The target shows leaves, and the journal says that the copy is done, only once both sides have
  /// been judged as well: within the transaction that attaches the leaves.
  Result<void> attach() {
    Connection& target = *state_.target;
    if (outcome_.verdict != Verdict::match) return leave_unattached();
    PGFANOUT_TRY(
        attach_leaves(target, state_.plan->ddl, attempts_on_target(), state_.cancellation));
    crash_point("leaves-attached");
    if (auto doubt = leaf_lock_->doubt(state_.leaf_sessions(), state_.plan->target)) {
      if (doubt->severity == Severity::critical) outcome_.verdict = Verdict::unproven;
      state_.report(*std::move(doubt));
    }
    close_source();
    if (outcome_.verdict != Verdict::match) return leave_unattached();
    crash_point("source-judged");
    PGFANOUT_TRY(Journal(target).finish_job(state_.job_id, state_.stands_alone ? "done" : "open",
                                            outcome_.target->rows, outcome_.target->digest));
    PGFANOUT_TRY(state_.leaf_sessions().run("COMMIT"));
    crash_point("attach-committed");
    return {};
  }

  Result<void> leave_unattached() {
    const CopyTarget& target = state_.plan->target;
    if (target.is_new) {
      state_.report({Severity::error, "not-attached",
                     target.is_plain() ? "the target is not proven, and is kept for inspection"
                                       : "the leaves were not attached, and are kept for inspection",
                     target.qualified, "run again with --restart"});
    } else {
      state_.report({Severity::error, "not-proven",
                     "the rows are in the target, and are not proven to be those of the source",
                     target.qualified,
                     "compare both sides with 'pgfanout verify', or delete the rows and run again "
                     "with --restart"});
    }
    return state_.leaf_sessions().run("ROLLBACK");
  }

  void sum_up() {
    const JobCounters& counters = state_.counters;
    outcome_.rows.rows_read = counters.rows_read;
    outcome_.rows.rows_written = counters.rows_written;
    outcome_.rows.rows_rejected = counters.rows_rejected;
    outcome_.rows.bytes_read = counters.bytes_read;
    outcome_.rows.bytes_written = counters.bytes_written;
    if (state_.rejects) outcome_.rows.key_mismatches = state_.rejects->key_mismatch_count();
    if (!state_.ledger || !is_committed_) return;
    const auto leaves = state_.ledger->leaves();
    for (std::size_t at = 0; at < leaves.size(); ++at) {
      const TargetLeaf& leaf = state_.plan->target.leaves[at];
      const MultisetDigest taken = leaves[at].taken();
      PartitionSummary partition{std::nullopt, leaf.qualified, taken.rows(), taken.hex(),
                                 leaves[at].earlier_bytes + leaves[at].routed_bytes};
      partition.key = state_.plan->target.layout->leaf_key(static_cast<std::uint32_t>(at));
      outcome_.rows.partitions.push_back(std::move(partition));
    }
    outcome_.rows.skew = skew_of(outcome_.rows.partitions);
  }

  /// A fence needs no session: also true if that with the lock was lost.
  bool has_stayed_fenced() {
    if (!state_.entry) return false;
    if (!connection_) {
      auto again = connect_again(state_.connect_options(job().source_dsn, "source"));
      if (!again) return false;
      connection_ = *std::move(again);
    }
    return static_cast<bool>(check_fence(state_, *connection_, table_));
  }

  /// Releases the source, and judges whether what was read can be relied on.
  void close_source() {
    if (!state_.source || job().dry_run) return;
    const bool is_unchanged = state_.source->close_and_check_unchanged();
    if (state_.source->connection().is_open()) connection_ = state_.source->take_connection();
    state_.source.reset();
    if (outcome_.error || (state_.is_fenced() ? has_stayed_fenced() : is_unchanged)) return;
    outcome_.verdict = Verdict::unproven;
    const char* why = "the session that held the source's lock was lost";
    if (state_.is_fenced()) why = "the fence around the source was down meanwhile, or was replaced";
    if (job().assume_quiet)
      why = "the source was not locked, and its server was written to meanwhile";
    state_.report({Severity::critical, "source-may-have-changed", why, outcome_.source->table,
                   "run the copy again, with --restart, while nothing writes to the source"});
  }
  [[nodiscard]] const JobDescription& job() const { return state_.job; }

  CopyState& state_;
  std::optional<Connection> connection_;  // to the source, but for the time of its SourceSession
  Table table_;
  StageClock& clock_;
  CopyOutcome outcome_;
  bool is_committed_ = false;          // copy
  std::optional<LeafLock> leaf_lock_;  // read_back
};

}  // namespace

CopyOutcome copy_table(CopyState& state, Connection source, Table table, StageClock& clock) {
  return TableCopy(state, std::move(source), std::move(table), clock).run();
}

void undo_copy(CopyState& state) {
  // A transaction that the refusal has left open.
  if (!state.target->is_open() || !state.target->run("ROLLBACK")) return;
  Journal journal(*state.target);
  const auto entry = journal.find(state.entry->target_schema, state.entry->target_name);
  if (!entry || !*entry || (*entry)->job != state.job_id) return;
  if (auto stays = check_nothing_stays(*state.target, **entry); !stays) {
    const Error& error = stays.error();
    state.report({Severity::warning, error.code, error.message, error.where, error.hint});
    return;
  }
  const JournalRemains remains = state.stands_alone ? JournalRemains::nothing : JournalRemains::job;
  if (auto dropped = drop_made(*state.target, **entry, remains); !dropped) {
    state.report({Severity::warning, "left-behind", dropped.error().message,
                  fmt::format("{}.{}", (*entry)->target_schema, (*entry)->target_name),
                  "run again with --restart"});
  }
}

std::vector<std::string> copy_statements(const CopyPlan& plan, const CopyProgress& progress,
                                         const std::vector<std::string>& fence, TableLock lock) {
  const std::vector<SourceRange>& ranges = progress.ranges;
  std::vector<std::string> statements{"-- source: what is read stays as it is until the end"};
  append(statements, fence);
  if (lock != TableLock::none) statements.push_back(lock_statement(plan.source, lock));
  if (plan.target.is_new) {
    statements.push_back("-- target: tables");
    append(statements, plan.ddl.create);
    for (const auto& checks : plan.ddl.checks) append(statements, checks);
  }
  statements.push_back(
      fmt::format("-- source: {} ranges by {} readers", ranges.size(), plan.connections.readers));
  for (const SourceRange& range : ranges) {
    statements.push_back(fmt::format("COPY ({}) TO STDOUT (FORMAT binary)",
                                     source_select(plan.stream, plan.source, range).sql()));
  }
  statements.push_back(fmt::format("-- target: {} leaves over {} connections",
                                   plan.target.leaves.size(), plan.connections.writers));
  if (!progress.by_leaf) {
    statements.push_back(
        fmt::format("-- target: each leaf commits {} times, with its row in pgfanout.leaf_load",
                    progress.last_epoch()));
  }
  const std::vector<LaneTarget> lanes = lane_targets(plan, progress);
  for (std::size_t leaf = 0; leaf < lanes.size(); ++leaf) {
    if (!lanes[leaf].truncate.empty()) statements.push_back("TRUNCATE " + lanes[leaf].truncate);
    statements.push_back(lanes[leaf].copy_sql);
  }
  if (!plan.ddl.attach.empty()) {
    statements.push_back("-- target: after the read-back, in one transaction");
    for (const auto& attach : plan.ddl.attach) append(statements, attach);
  }
  append(statements, plan.ddl.finish);
  return statements;
}

}  // namespace pgfanout
