#include "copier/copy/copy_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "copier/base/amount.h"
#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/catalog/server_facts.h"
#include "copier/copy/copy_claim.h"
#include "copier/copy/copy_load.h"
#include "copier/copy/copy_rules.h"
#include "copier/copy/copy_state.h"
#include "copier/copy/dry_run.h"
#include "copier/copy/give_up.h"
#include "copier/copy/target_leaves.h"
#include "copier/journal/reject_table.h"
#include "copier/key/key_plan.h"
#include "copier/key/key_proof.h"
#include "copier/pipeline/read_back.h"
#include "copier/plan/copy_plan.h"
#include "copier/plan/source_fitness.h"
#include "copier/reconcile/balance.h"
#include "copier/session/fence.h"
#include "copier/session/job_guard.h"
#include "copier/session/reporting_job.h"

namespace pgfanout {
namespace {

/// A leaf that was read back to its end holds what the ledger says. Of one that was never written
/// to, it says nothing.
bool is_as_written(const LeafAccount& leaf) {
  MultisetDigest added = leaf.read_back;
  added.subtract(leaf.before);
  return leaf.is_committed && added == leaf.taken() && leaf.wrong_key == 0 && leaf.wrong_leaf == 0;
}

/// One copy from beginning to end.
class CopyJob : ReportingJob {
 public:
  CopyJob(const JobDescription& job, Observer& observer, const Cancellation& cancellation,
          JobCounters& counters, Pace& pace)
      : ReportingJob("copy", observer),
        state_{job, cancellation, counters, pace,
               [this](Issue issue) { report(std::move(issue)); }} {}

  JobResult run() {
    if (auto ended = run_stages(); !ended) result_.error = std::move(ended).error();
    settle();
    return std::move(result_);
  }

 private:
  Result<void> run_stages() {
    PGFANOUT_TRY(claim());
    if (is_over_) return {};
    PGFANOUT_TRY(clock_.run("preflight", [this] { return preflight(); }));
    if (job().dry_run) return {};
    PGFANOUT_TRY(clock_.run("prepare", [this] { return prepare(); }));
    PGFANOUT_TRY(clock_.run("copy", [this] { return copy(); }));
    PGFANOUT_TRY(clock_.run("read-back", [this] { return read_back(); }));
    if (state_.is_attached()) return {};
    return clock_.run("attach", [this] { return attach(); });
  }

  [[nodiscard]] const JobDescription& job() const { return state_.job; }

  Result<void> claim();
  Result<void> take_finished();
  Result<bool> is_finished_target_there();
  Result<void> release();
  Result<void> preflight();
  Result<void> plan_before_fence();
  Result<void> open_source();
  Result<void> plan_copy();
  Result<void> plan_progress();
  Result<void> check_leaves();
  Result<void> prepare();
  Result<void> create_tables();
  Result<void> take_baseline();
  Result<void> copy();
  Result<void> read_back();
  Result<void> attach();
  Result<void> read_target(Ledger& ledger);
  Result<void> read_server(std::size_t server, const std::vector<SourceRange>& all, Ledger& ledger);
  void undo_prepare();
  void fill_result();
  void settle();
  bool settle_fence(const CopySettlement& settlement);
  Result<void> lift();
  void tell_fence();
  void close_source();
  bool has_stayed_fenced();

  CopyState state_;

  std::optional<Connection> connection_;  // claim: to the source, until it is locked
  std::optional<Connection> fencing_;     // settle: to the source, once it is let go
  Table table_;                           // claim
  bool is_over_ = false;                  // claim: nothing is left to copy
  bool is_committed_ = false;             // copy
  Verdict verdict_ = Verdict::unproven;   // read-back
};

/// Before anything else: whose job this is, and where it stands.
Result<void> CopyJob::claim() {
  const auto connect = [&](const std::string& dsn, const char* role) {
    const ConnectOptions options =
        connect_options(job(), dsn, fmt::format("pgfanout/copy/{}", role));
    return state_.is_part_of_window() ? connect_again(options) : Connection::open(options);
  };
  PGFANOUT_TRY_ASSIGN(connection_, connect(job().source_dsn, "source"));
  PGFANOUT_TRY_ASSIGN(state_.target, connect(target_dsn_of(job()), "target"));
  PGFANOUT_TRY_ASSIGN(table_, describe_table(*connection_, job().table));
  // Before any lock: a role that may not even read must not get a hint to ask for more.
  PGFANOUT_TRY_ASSIGN(const ServerFacts facts, read_server_facts(*connection_));
  PGFANOUT_TRY(check_source(*connection_, table_, facts));
  PGFANOUT_TRY_ASSIGN(const CopyStanding standing, claim_copy(state_, *connection_, table_));
  result_.job = state_.job_id;
  if (!state_.is_part_of_window()) observer_.job_started(result_.job, state_.counters);
  if (job().window.release) return release();
  if (standing == CopyStanding::finished) return take_finished();
  return {};
}

/// The same command again, after its end.
Result<void> CopyJob::take_finished() {
  const JournalEntry& entry = *state_.entry;
  PGFANOUT_TRY_ASSIGN(const bool is_there, is_finished_target_there());
  if (!is_there) {
    return refused(
        "target-gone",
        fmt::format("job {} has copied this table, but what it copied it into is gone", entry.job),
        "begin anew with --restart", fmt::format("{}.{}", entry.target_schema, entry.target_name));
  }
  is_over_ = true;
  state_.may_undo = true;
  result_.source = {table_.qualified, entry.rows, entry.digest, connection_->server_version_text()};
  result_.target = {entry.target_schema + "." + entry.target_name, entry.rows, entry.digest,
                    state_.target->server_version_text()};
  verdict_ = Verdict::match;
  report({Severity::info, "already-copied",
          fmt::format("job {} has copied and proven this table already", entry.job),
          result_.target->table, "'pgfanout verify' compares both sides again"});
  return {};
}

Result<bool> CopyJob::is_finished_target_there() {
  const JournalEntry& entry = *state_.entry;
  PGFANOUT_TRY_ASSIGN(
      const Rows found,
      state_.target->query("SELECT c.oid FROM pg_class c JOIN pg_namespace n"
                           " ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
                           {entry.target_schema, entry.target_name}));
  std::optional<std::uint32_t> oid;
  if (found.size() > 0) oid = found.oid(0, 0);
  return is_target_there(entry, oid);
}

/// Only lifts the fence. The job cannot be resumed after that, since the source may change.
Result<void> CopyJob::release() {
  if (!state_.entry) {
    return refused("no-job", "no unfinished copy has a fence on this table", "", table_.qualified);
  }
  is_over_ = true;
  PGFANOUT_TRY(lift_fence(state_, *connection_));
  verdict_ = Verdict::match;
  report({Severity::info, "released", "writes to the source are allowed again", table_.qualified,
          "the copy cannot go on: run it with --restart, or undo it with rollback"});
  return {};
}

Result<void> CopyJob::preflight() {
  if (state_.raises_fence()) {
    state_.may_undo = !state_.entry;
    if (!state_.entry) PGFANOUT_TRY(plan_before_fence());
    PGFANOUT_TRY(fence_source(state_, *connection_, table_));
  }
  PGFANOUT_TRY(open_source());
  PGFANOUT_TRY(plan_copy());
  PGFANOUT_TRY(plan_progress());
  if (!state_.is_part_of_window()) {
    for (const Issue& issue : state_.plan->issues) report(issue);
  }
  if (job().dry_run) {
    std::vector<std::string> fence;
    if (job().fence && !job().assume_quiet) {
      fence = Fence("<job>", "source").raise_statements(table_);
    }
    result_.statements = statements_of(*state_.plan, state_.progress, fence, !job().assume_quiet);
    verdict_ = Verdict::match;  // Nothing was to be proven.
  }
  return stop_if_cancelled(state_);
}

/// A copy that would be refused anyway shall not keep anybody from writing.
Result<void> CopyJob::plan_before_fence() {
  PGFANOUT_TRY_ASSIGN(const CopyPlan plan, make_copy_plan(job(), *connection_, *state_.target));
  PGFANOUT_TRY(plan.target.layout->prove(*connection_, plan.source));
  PGFANOUT_TRY(stop_if_cancelled(state_));
  return journal_copy(state_, *connection_, table_, plan.key.expression.sql());
}

Result<void> CopyJob::open_source() {
  const bool is_unlocked = job().assume_quiet || job().dry_run;
  PGFANOUT_TRY_ASSIGN(
      state_.source,
      SourceSession::open(std::move(*connection_),
                          {{&table_, is_unlocked ? TableLock::none : TableLock::against_writes}},
                          job().lock_timeout, state_.cancellation));
  connection_.reset();
  crash_point("source-locked");
  return {};
}

Result<void> CopyJob::plan_copy() {
  Connection& source = state_.source->connection();
  std::vector<std::uint32_t> made;
  std::optional<CopyProgress> progress;
  if (state_.entry) {
    PGFANOUT_TRY_ASSIGN(Table now, describe_table(source, table_.oid));
    table_ = std::move(now);
    CopyJournal journal(*state_.target, state_.job_id);
    PGFANOUT_TRY(Journal(*state_.target).bring_up_to_date());
    PGFANOUT_TRY_ASSIGN(progress, journal.load(table_));
    for (const MadeRelation& relation : state_.entry->made) made.push_back(relation.oid);
  }
  state_.is_resumed = progress.has_value();
  state_.may_undo = !state_.is_resumed;
  JobDescription as_asked = job();
  // The rows that the target holds now may be those of this job.
  if (state_.is_resumed) as_asked.append = true;
  PGFANOUT_TRY_ASSIGN(state_.plan, make_copy_plan(as_asked, source, *state_.target, made));
  if (progress) state_.progress = *std::move(progress);
  const bool is_proven = state_.raises_fence() && !state_.is_resumed;
  if (!is_proven) PGFANOUT_TRY(state_.plan->target.layout->prove(source, state_.plan->source));
  const CopyPlan& plan = *state_.plan;
  result_.source = {plan.source.qualified, 0, {}, source.server_version_text()};
  result_.target = {plan.target.qualified, 0, {}, state_.target->server_version_text()};
  result_.readers = plan.connections.readers;
  result_.writers = plan.connections.writers;
  return {};
}

/// How the source is cut, and what of it is done.
Result<void> CopyJob::plan_progress() {
  CopyPlan& plan = *state_.plan;
  CopyProgress& progress = state_.progress;
  if (!state_.is_resumed) {
    progress = progress_of(plan);
  } else {
    PGFANOUT_TRY(check_leaves());
    result_.rows_resumed = progress.rows_committed();
    plan.issues.push_back(
        {Severity::info,
         "resumed",
         fmt::format("job {} goes on with epoch {} of {}: {} committed already", state_.job_id,
                     std::min(progress.next_epoch(), progress.last_epoch()), progress.last_epoch(),
                     rows_text(progress.rows_committed())),
         plan.target.qualified,
         {}});
  }
  std::uint64_t& expected_rows = plan.source.estimated_rows;
  state_.counters.rows_expected =
      expected_rows > result_.rows_resumed ? expected_rows - result_.rows_resumed : 0;
  state_.counters.leaves_total = plan.target.leaves.size();
  if (!job().dry_run) state_.counters.leaves.open(state_.leaf_names());
  std::uint64_t bytes = 0;
  for (const SourceRange& range : progress.ranges) bytes += range.estimated_bytes;
  state_.counters.bytes_expected = bytes;
  return {};
}

Result<void> CopyJob::check_leaves() {
  const CopyPlan& plan = *state_.plan;
  std::vector<LeafNow> now;
  for (const TargetLeaf& leaf : plan.target.leaves) {
    now.push_back({leaf.qualified, {}});
    if (!plan.target.is_new) continue;
    PGFANOUT_TRY_ASSIGN(const Rows oid,
                        state_.target->query("SELECT to_regclass($1)::oid", {leaf.qualified}));
    if (!oid.is_null(0, 0)) now.back().oid = oid.oid(0, 0);
  }
  return check_same_leaves(state_.progress.leaf_names, now, plan.target.is_new, *state_.entry,
                           plan.target.qualified);
}

Result<void> CopyJob::prepare() {
  PGFANOUT_TRY(stop_if_cancelled(state_));
  if (!state_.is_resumed) {
    PGFANOUT_TRY(take_baseline());
    PGFANOUT_TRY(create_tables());
    crash_point("tables-created");
  }
  return CopyLoad(state_).restore();
}

Result<void> CopyJob::create_tables() {
  CopyPlan& plan = *state_.plan;
  JournalEntry entry;
  if (state_.entry) {
    entry = *state_.entry;
    entry.made.clear();
  } else {
    entry.source =
        fmt::format("{} {}", state_.source->connection().description(), plan.source.qualified);
    entry.key = plan.key.expression.sql();
    entry.is_fenced = false;
    entry.source_oid = plan.source.oid;
    entry.source_schema = plan.source.schema;
    entry.source_name = plan.source.name;
  }
  entry.job = state_.job_id;
  entry.target_schema = plan.target.schema;
  entry.target_name = plan.target.name;
  entry.state = "loading";
  PGFANOUT_TRY(create_target(*state_.target, plan, entry, state_.progress));
  state_.entry = std::move(entry);
  return {};
}

/// Digests the rows that an accepted target holds already, so that they can be told apart
/// afterwards.
Result<void> CopyJob::take_baseline() {
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

Result<void> CopyJob::copy() {
  state_.may_undo = true;
  PGFANOUT_TRY(CopyLoad(state_).run());
  is_committed_ = true;
  const std::uint64_t rejected = state_.counters.rows_rejected;
  if (rejected == 0) return {};
  report({Severity::warning, "rows-rejected",
          counted(rejected, "row was", "rows were") + " set aside",
          fmt::format("{}.{}", state_.plan->target.schema,
                      reject_table_name(state_.plan->target.name)),
          "look into that table for the reasons"});
  return {};
}

/// Reads all leaves of the target into the read-back columns of `ledger`.
Result<void> CopyJob::read_target(Ledger& ledger) {
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
Result<void> CopyJob::read_server(std::size_t server, const std::vector<SourceRange>& all,
                                  Ledger& ledger) {
  const CopyPlan& plan = *state_.plan;
  std::vector<SourceRange> ranges;
  std::copy_if(all.begin(), all.end(), std::back_inserter(ranges), [&](const SourceRange& range) {
    return plan.target.leaves[range.leaf].server == server;
  });
  std::vector<std::unique_ptr<RangeSource>> sources;
  const auto connect = [options =
                            state_.connect_options(plan.target.servers[server].dsn, "reader")] {
    return connect_again(options);
  };
  for (std::size_t at = 0; at < plan.connections.readers; ++at) {
    PGFANOUT_TRY_ASSIGN(auto source, make_server_source(
                                         connect, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                         [&plan](const SourceRange& range) {
                                           return target_select(plan.stream, plan.target, range);
                                         },
                                         state_.cancellation));
    sources.push_back(std::move(source));
  }
  return run_read_back({ranges, plan.stream.read_back_layout, plan.key.expression,
                        *plan.target.layout, std::move(sources), job().memory_bytes, &state_.pace,
                        [&](std::uint32_t leaf) {
                          if (is_as_written(ledger.leaf(leaf))) {
                            state_.counters.leaves.set_state(leaf, LeafState::proven);
                          }
                        }},
                       ledger, state_.counters, state_.cancellation);
}

Result<void> CopyJob::read_back() {
  PGFANOUT_TRY(lock_leaves(state_.leaf_sessions(), state_.plan->target));
  crash_point("leaves-locked");
  PGFANOUT_TRY(read_target(*state_.ledger));
  const Balance balance = balance_after_read_back(*state_.ledger, state_.leaf_names());
  for (const Issue& issue : balance.issues) report(issue);
  verdict_ = balance.verdict;
  if (verdict_ == Verdict::match) state_.counters.leaves.set_all(LeafState::proven);
  result_.source->rows = balance.source.rows();
  result_.source->digest = balance.source.hex();
  result_.target->rows = balance.target.rows();
  result_.target->digest = balance.target.hex();
  crash_point("read-back");
  if (state_.is_attached()) return state_.leaf_sessions().run("COMMIT");
  return {};
}

/// Leaves that differ are not attached: the target must not show them.
Result<void> CopyJob::attach() {
  Connection& target = *state_.target;
  // Judges the source first: its fence matters more than attached leaves.
  if (state_.raises_fence() && verdict_ == Verdict::match) close_source();
  if (verdict_ != Verdict::match) {
    report({Severity::error, "not-attached",
            "the leaves were left unattached, for you to look into", state_.plan->target.qualified,
            "run again with --restart"});
    return state_.leaf_sessions().run("ROLLBACK");
  }
  PGFANOUT_TRY(attach_leaves(target, state_.plan->ddl, state_.cancellation));
  crash_point("leaves-attached");
  PGFANOUT_TRY(Journal(target).finish_job(state_.job_id,
                                          state_.is_part_of_window() ? "open" : "done",
                                          result_.target->rows, result_.target->digest));
  PGFANOUT_TRY(state_.leaf_sessions().run("COMMIT"));
  crash_point("attach-committed");
  return {};
}

/// A refusal leaves nothing behind that the job has made.
void CopyJob::undo_prepare() {
  Journal journal(*state_.target);
  const auto entry = journal.find(state_.entry->target_schema, state_.entry->target_name);
  if (!entry || !*entry || (*entry)->job != state_.job_id) return;
  if (auto stays = check_nothing_stays(*state_.target, **entry); !stays) {
    const Error& error = stays.error();
    report({Severity::warning, error.code, error.message, error.where, error.hint});
    return;
  }
  const JournalRemains remains =
      state_.is_part_of_window() ? JournalRemains::job : JournalRemains::nothing;
  if (auto dropped = drop_made(*state_.target, **entry, remains); !dropped) {
    report({Severity::warning, "left-behind", dropped.error().message,
            fmt::format("{}.{}", (*entry)->target_schema, (*entry)->target_name),
            "run again with --restart"});
  }
}

void CopyJob::fill_result() {
  const JobCounters& counters = state_.counters;
  result_.rows_read = counters.rows_read;
  result_.rows_written = counters.rows_written;
  result_.rows_rejected = counters.rows_rejected;
  result_.bytes_read = counters.bytes_read;
  result_.bytes_written = counters.bytes_written;
  if (state_.rejects) result_.key_mismatches = state_.rejects->key_mismatch_count();
  if (!state_.ledger || !is_committed_) return;
  std::uint64_t largest = 0;
  std::uint64_t total = 0;
  const auto leaves = state_.ledger->leaves();
  for (std::size_t at = 0; at < leaves.size(); ++at) {
    const TargetLeaf& leaf = state_.plan->target.leaves[at];
    const MultisetDigest taken = leaves[at].taken();
    PartitionSummary partition{std::nullopt, leaf.qualified, taken.rows(), taken.hex(),
                               leaves[at].earlier_bytes + leaves[at].routed_bytes};
    partition.key = state_.plan->target.layout->leaf_key(static_cast<std::uint32_t>(at));
    result_.partitions.push_back(std::move(partition));
    largest = std::max(largest, taken.rows());
    total += taken.rows();
  }
  if (total > 0) {
    result_.skew = static_cast<double>(largest) * static_cast<double>(leaves.size()) /
                   static_cast<double>(total);
  }
}

void CopyJob::settle() {
  fill_result();
  close_source();
  result_.verdict = verdict_;
  const CopySettlement settlement =
      settlement_of({exit_code_of(result_), state_.entry.has_value(), state_.raises_fence(),
                     state_.may_undo, state_.is_attached()});
  const bool may_drop = settle_fence(settlement);
  if (settlement.drops_tables && may_drop && state_.target && state_.target->is_open()) {
    // A transaction that the refusal has left open.
    if (state_.target->run("ROLLBACK")) undo_prepare();
  }
}

/// The session with the lock was lost, but a fence needs no session.
bool CopyJob::has_stayed_fenced() {
  if (!state_.raises_fence() || !state_.entry) return false;
  auto again = connect_again(state_.connect_options(job().source_dsn, "source"));
  if (!again) return false;
  fencing_ = *std::move(again);
  return static_cast<bool>(fence_source(state_, *fencing_, table_));
}

/// Lets the source go, and looks whether what was read can be relied on.
void CopyJob::close_source() {
  if (!state_.source || job().dry_run) return;
  const bool is_unchanged = state_.source->close_and_check_unchanged();
  if (state_.source->connection().is_open()) fencing_ = state_.source->take_connection();
  state_.source.reset();
  if (result_.error || is_unchanged || has_stayed_fenced()) return;
  verdict_ = Verdict::unproven;
  report({Severity::critical, "source-may-have-changed",
          job().assume_quiet ? "the source was not locked, and its server was written to meanwhile"
                             : "the session that held the source's lock was lost",
          result_.source->table,
          "run the copy again, with --restart, while nothing writes to the source"});
}

/// With another connection, if the one that there was is lost.
Result<void> CopyJob::lift() {
  constexpr int kTries = 3;
  Result<void> lifted = interrupted("connection-lost", "the source is away");
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (!fencing_ || !fencing_->is_open()) {
      auto again = connect_again(state_.connect_options(job().source_dsn, "source"));
      if (!again) return std::move(again).error();
      fencing_ = *std::move(again);
    }
    lifted = lift_fence(state_, *fencing_);
    if (lifted || fencing_->is_open()) break;
  }
  return lifted;
}

/// False if the fence was to be lifted and may still stand: nobody could lift what the journal
/// forgot.
bool CopyJob::settle_fence(const CopySettlement& settlement) {
  bool is_settled = true;
  if (connection_ && connection_->is_open()) fencing_ = std::move(connection_);
  if (settlement.lifts_fence) {
    auto lifted = lift();
    if (lifted && settlement.marks_unfenced) {
      lifted = Journal(*state_.target).set_unfenced(state_.job_id);
    }
    if (!lifted) {
      is_settled = false;
      Error left = interrupted(
          "fence-left",
          "the copy has ended, but its fence may still stand: " + lifted.error().message,
          "the same command lifts it, and so does copy --release", table_.qualified);
      if (exit_code_of(result_) != 0) {
        report({Severity::error, left.code, left.message, left.where, left.hint});
      } else {
        result_.error = std::move(left);
      }
    }
    crash_point("job-ended");
  }
  tell_fence();
  return is_settled;
}

/// Whether anything refuses writes to the source, be it this job's or another's.
void CopyJob::tell_fence() {
  if (job().dry_run || state_.is_part_of_window() || table_.oid == 0) return;
  if (!fencing_ && connection_ && connection_->is_open()) fencing_ = std::move(connection_);
  if (!fencing_ || !fencing_->is_open()) {
    auto again = Connection::open(state_.connect_options(job().source_dsn, "source"));
    if (again) fencing_ = *std::move(again);
  }
  const auto standing = fencing_ ? fences_on(*fencing_, table_.oid)
                                 : Result<std::vector<std::string>>(std::vector<std::string>{""});
  // A fence that cannot be looked at is reported as standing.
  result_.writes_refused = !standing || !standing->empty();
}

}  // namespace

JobResult run_copy(const JobDescription& job, Observer& observer,
                   const Cancellation& cancellation) {
  JobGuard guard(job, "copy", observer, cancellation);
  return guard.settled(
      run_copy_within(job, guard.observer(), guard.cancellation(), guard.counters(), guard.pace()));
}

JobResult run_copy_within(const JobDescription& job, Observer& observer,
                          const Cancellation& cancellation, JobCounters& counters, Pace& pace) {
  try {
    return CopyJob(job, observer, cancellation, counters, pace).run();
  } catch (const std::exception& exception) {
    return stopped_by(exception, "copy");
  }
}

}  // namespace pgfanout
