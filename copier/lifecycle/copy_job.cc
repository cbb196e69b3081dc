#include "copier/lifecycle/copy_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "copier/base/counted.h"
#include "copier/lifecycle/dry_run.h"
#include "copier/lifecycle/job_id.h"
#include "copier/lifecycle/journal.h"
#include "copier/lifecycle/reject_table.h"
#include "copier/lifecycle/row_locator.h"
#include "copier/lifecycle/source_session.h"
#include "copier/lifecycle/stage_clock.h"
#include "copier/lifecycle/stopped_by.h"
#include "copier/lifecycle/target_tables.h"
#include "copier/pipeline/fan_out.h"
#include "copier/pipeline/read_back.h"
#include "copier/plan/copy_plan.h"
#include "copier/plan/key_proof.h"
#include "copier/plan/server_facts.h"
#include "copier/plan/source_fitness.h"
#include "copier/reconcile/balance.h"

namespace pgfanout {
namespace {

/// One copy from beginning to end. A member is set by the stage named in its comment.
class CopyJob {
 public:
  CopyJob(const JobDescription& job, Observer& observer, const Cancellation& cancellation,
          JobCounters& counters)
      : job_(job),
        observer_(observer),
        cancellation_(cancellation),
        counters_(counters),
        clock_(result_, observer) {
    result_.command = "copy";
    result_.job = is_part_of_window() ? job_.within_job : new_job_id();
  }

  JobResult run() {
    if (!is_part_of_window()) observer_.job_started(result_.job, counters_);
    if (auto ended = run_stages(); !ended) result_.error = std::move(ended).error();
    settle();
    return std::move(result_);
  }

 private:
  Result<void> run_stages() {
    PGFANOUT_TRY(clock_.run("preflight", [this] { return preflight(); }));
    if (job_.dry_run) return {};
    PGFANOUT_TRY(clock_.run("prepare", [this] { return prepare(); }));
    PGFANOUT_TRY(clock_.run("copy", [this] { return copy(); }));
    PGFANOUT_TRY(clock_.run("read-back", [this] { return read_back(); }));
    return clock_.run("attach", [this] { return attach(); });
  }

  /// Then the window has claimed the target and keeps the journal's entry.
  [[nodiscard]] bool is_part_of_window() const { return !job_.within_job.empty(); }

  [[nodiscard]] ConnectOptions connect_options(const std::string& dsn,
                                               std::string_view role) const {
    return {dsn, fmt::format("pgfanout/{}/{}", result_.job, role), job_.connect_timeout};
  }

  Result<void> stop_if_cancelled() const {
    if (cancellation_.is_set()) return interrupted("cancelled", "stopped on request");
    return {};
  }

  void report(Issue issue) {
    observer_.issue_found(issue);
    result_.issues.push_back(std::move(issue));
  }

  Result<void> preflight();
  Result<void> open_sides();
  Result<void> settle_earlier_job(const Table& table);
  Result<void> prepare();
  Result<void> copy();
  Result<void> may_commit();
  Result<void> take_baseline();
  Result<void> read_back();
  Result<void> attach();
  Result<std::vector<std::unique_ptr<RangeSource>>> open_sources(
      const std::string& dsn, const std::string& begin, std::size_t count,
      std::function<std::string(const SourceRange&)> select);
  Result<void> read_target(Ledger& ledger);
  Error located(Error error);
  Result<void> store_rejected_rows();
  void undo_prepare();
  void fill_result();
  void settle();

  const JobDescription& job_;
  Observer& observer_;
  const Cancellation& cancellation_;
  JobCounters& counters_;
  JobResult result_;
  StageClock clock_;

  std::optional<SourceSession> source_;  // preflight
  std::optional<Connection> target_;     // preflight: journal, DDL, locks on the target
  std::optional<CopyPlan> plan_;         // preflight
  std::vector<SourceRange> ranges_;      // preflight
  std::optional<JournalEntry> entry_;    // prepare
  std::optional<Ledger> ledger_;         // prepare
  std::optional<Rejects> rejects_;       // prepare
  bool is_committed_ = false;            // copy
  Verdict verdict_ = Verdict::unproven;  // read-back
};

Result<void> CopyJob::preflight() {
  PGFANOUT_TRY(open_sides());
  PGFANOUT_TRY_ASSIGN(plan_, make_copy_plan(job_, source_->connection(), *target_));
  if (!is_part_of_window()) {
    for (const Issue& issue : plan_->issues) report(issue);
  }
  PGFANOUT_TRY(prove_key(source_->connection(), plan_->source, plan_->key));
  result_.source = {plan_->source.qualified, 0, {}, source_->connection().server_version_text()};
  result_.target = {plan_->target_qualified, 0, {}, target_->server_version_text()};
  result_.readers = plan_->readers;
  result_.writers = plan_->writers;
  std::vector<LeafSize> sizes;
  for (const Leaf& leaf : plan_->source.leaves) sizes.push_back({leaf.blocks, leaf.total_bytes});
  ranges_ = cut_ranges_for(sizes, plan_->readers);
  for (const SourceRange& range : ranges_) counters_.bytes_expected += range.estimated_bytes;
  counters_.rows_expected = plan_->source.estimated_rows;
  if (job_.dry_run) {
    result_.statements = statements_of(*plan_, ranges_, !job_.assume_quiet);
    verdict_ = Verdict::match;  // Nothing was to be proven.
  }
  counters_.leaves_total = plan_->leaves.size();
  return stop_if_cancelled();
}

Result<void> CopyJob::open_sides() {
  PGFANOUT_TRY_ASSIGN(Connection source,
                      Connection::open(connect_options(job_.source_dsn, "source")));
  PGFANOUT_TRY_ASSIGN(target_, Connection::open(connect_options(target_dsn_of(job_), "target")));
  PGFANOUT_TRY_ASSIGN(const Table table, describe_table(source, job_.table));
  // Before the lock: a role that may not even read shall not be told to ask for more.
  PGFANOUT_TRY_ASSIGN(const ServerFacts facts, read_server_facts(source));
  PGFANOUT_TRY(check_source(source, table, facts));
  PGFANOUT_TRY(settle_earlier_job(table));
  const bool is_unlocked = job_.assume_quiet || job_.dry_run;
  PGFANOUT_TRY_ASSIGN(
      source_,
      SourceSession::open(std::move(source),
                          {{&table, is_unlocked ? TableLock::none : TableLock::against_writes}},
                          job_.lock_timeout, cancellation_));
  return {};
}

/// One live job a target; what an earlier one left is dropped with --restart, else refused.
Result<void> CopyJob::settle_earlier_job(const Table& table) {
  if (is_part_of_window()) return {};
  PGFANOUT_TRY_ASSIGN(const RelationName name, target_name_of(job_, table));
  Journal journal(*target_);
  if (!job_.dry_run) PGFANOUT_TRY(journal.claim(name.schema, name.name));
  PGFANOUT_TRY_ASSIGN(const auto earlier, journal.find(name.schema, name.name));
  if (!earlier) return {};
  if (job_.restart && !job_.dry_run) return drop_made(*target_, *earlier, JournalRemains::nothing);
  if (earlier->is_over()) return {};
  return refused(
      "unfinished-job",
      fmt::format("a copy into this table was begun at {} and not finished (job {})",
                  earlier->started_at, earlier->job),
      "run the same command with --restart: it drops what that copy made, and begins anew",
      fmt::format("{}.{}", name.schema, name.name));
}

Result<void> CopyJob::prepare() {
  PGFANOUT_TRY(stop_if_cancelled());
  JournalEntry entry;
  entry.job = result_.job;
  entry.target_schema = plan_->target_schema;
  entry.target_name = plan_->target_name;
  entry.source = fmt::format("{} {}", source_->connection().description(), plan_->source.qualified);
  entry.key = plan_->key.sql();
  entry.state = "loading";
  PGFANOUT_TRY(create_target(*target_, *plan_, entry));
  entry_ = std::move(entry);
  ledger_.emplace(ranges_.size(), plan_->leaves.size());
  std::uint64_t limit = job_.reject_limit.rows;
  if (job_.reject_limit.percent) {
    limit = static_cast<std::uint64_t>(*job_.reject_limit.percent / 100.0 *
                                       static_cast<double>(plan_->source.estimated_rows));
  }
  rejects_.emplace(limit);
  return take_baseline();
}

/// What an accepted target holds already, so that it can be told apart afterwards.
Result<void> CopyJob::take_baseline() {
  if (!job_.append || plan_->create_target) return {};
  Ledger before(0, plan_->leaves.size());
  PGFANOUT_TRY(read_target(before));
  const auto leaves = before.leaves();
  for (std::uint32_t leaf = 0; leaf < leaves.size(); ++leaf) {
    ledger_->set_before(leaf, leaves[leaf].read_back);
  }
  counters_.rows_read_back = 0;
  counters_.bytes_read_back = 0;
  return {};
}

Result<std::vector<std::unique_ptr<RangeSource>>> CopyJob::open_sources(
    const std::string& dsn, const std::string& begin, std::size_t count,
    std::function<std::string(const SourceRange&)> select) {
  std::vector<std::unique_ptr<RangeSource>> sources;
  for (std::size_t at = 0; at < count; ++at) {
    PGFANOUT_TRY_ASSIGN(Connection connection, Connection::open(connect_options(dsn, "reader")));
    sources.push_back(make_server_source(std::move(connection), begin, select, cancellation_));
  }
  return sources;
}

Result<void> CopyJob::copy() {
  const bool writes = std::any_of(plan_->columns.begin(), plan_->columns.end(),
                                  [](const StreamColumn& column) { return column.is_volatile; });
  PGFANOUT_TRY_ASSIGN(auto sources, open_sources(job_.source_dsn, source_->reader_begin(writes),
                                                 plan_->readers, [this](const SourceRange& range) {
                                                   return source_select(*plan_, range);
                                                 }));
  PGFANOUT_TRY_ASSIGN(
      auto channels,
      open_writers(job_, connect_options("", "writer").application_name, *plan_, cancellation_));
  auto copied = run_fan_out({ranges_, plan_->read_layout, plan_->key, plan_->leaf_map,
                             std::move(sources), std::move(channels), lane_targets(*plan_),
                             job_.memory_bytes, [this] { return may_commit(); }},
                            *ledger_, *rejects_, counters_, cancellation_);
  if (!copied) return located(std::move(copied).error());
  is_committed_ = true;
  return store_rejected_rows();
}

/// The last look before COMMIT.
Result<void> CopyJob::may_commit() {
  std::vector<std::string> names;
  for (const TargetLeaf& leaf : plan_->leaves) names.push_back(leaf.qualified);
  const Balance balance = balance_before_commit(*ledger_, names);
  if (balance.verdict != Verdict::match) {
    for (const Issue& issue : balance.issues) report(issue);
    Error error =
        refused("ledger", "the ledger does not balance: nothing was committed",
                "this is a defect of pgfanout or of the machine's memory: please report it");
    error.consequence = Consequence::unproven;
    return error;
  }
  const std::uint64_t mismatches = rejects_->key_mismatch_count();
  if (mismatches > 0 && job_.on_key_mismatch == KeyMismatchPolicy::fail) {
    return refused("key-mismatch",
                   counted(mismatches, "row of the source stores", "rows of the source store") +
                       " a key that differs from the recomputed one",
                   "correct the source, or let --on-key-mismatch fix write the recomputed key");
  }
  return stop_if_cancelled();
}

/// Adds place and identity of the row that ended the copy.
Error CopyJob::located(Error error) {
  std::vector<Reject> culprits;
  if (rejects_->is_over_limit()) culprits.push_back(rejects_->rows().back());
  if (error.code == "key-mismatch") culprits = rejects_->key_mismatches();
  for (const Reject& culprit : culprits) {
    const auto location = locate_row(source_->connection(), plan_->source, ranges_, culprit);
    if (!location) break;
    if (culprits.size() == 1) {
      error.where = location->text();
    } else {
      report({Severity::error, culprit.code, culprit.reason, location->text(), {}});
    }
  }
  return error;
}

Result<void> CopyJob::store_rejected_rows() {
  const std::vector<Reject> rows = rejects_->rows();
  for (const Reject& mismatch : rejects_->key_mismatches()) {
    PGFANOUT_TRY_ASSIGN(const RowLocation location,
                        locate_row(source_->connection(), plan_->source, ranges_, mismatch));
    report({Severity::warning,
            mismatch.code,
            mismatch.reason + "; the recomputed one was written",
            location.text(),
            {}});
  }
  if (rows.empty()) return {};
  std::vector<LocatedReject> rejects;
  for (const Reject& row : rows) {
    PGFANOUT_TRY_ASSIGN(RowLocation location,
                        locate_row(source_->connection(), plan_->source, ranges_, row));
    rejects.push_back({row, std::move(location)});
  }
  PGFANOUT_TRY(
      store_rejects(*target_, result_.job, plan_->target_schema, plan_->target_name, rejects));
  report({Severity::warning, "rows-rejected",
          counted(rejects.size(), "row was", "rows were") + " set aside",
          fmt::format("{}.{}", plan_->target_schema, reject_table_name(plan_->target_name)),
          "look into that table for the reasons"});
  return {};
}

/// Reads all leaves of the target into the read-back columns of `ledger`.
Result<void> CopyJob::read_target(Ledger& ledger) {
  PGFANOUT_TRY_ASSIGN(const std::vector<LeafSize> sizes, leaf_sizes(*target_, *plan_));
  const std::vector<SourceRange> ranges = cut_ranges_for(sizes, plan_->readers);
  PGFANOUT_TRY_ASSIGN(auto sources, open_sources(target_dsn_of(job_),
                                                 "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                                                 plan_->readers, [this](const SourceRange& range) {
                                                   return target_select(*plan_, range);
                                                 }));
  return run_read_back({ranges, plan_->read_back_layout, plan_->key, plan_->leaf_map,
                        std::move(sources), job_.memory_bytes},
                       ledger, counters_, cancellation_);
}

Result<void> CopyJob::read_back() {
  PGFANOUT_TRY(lock_leaves(*target_, *plan_));
  PGFANOUT_TRY(read_target(*ledger_));
  std::vector<std::string> names;
  for (const TargetLeaf& leaf : plan_->leaves) names.push_back(leaf.qualified);
  const Balance balance = balance_after_read_back(*ledger_, names);
  for (const Issue& issue : balance.issues) report(issue);
  verdict_ = balance.verdict;
  result_.source->rows = balance.source.rows();
  result_.source->digest = balance.source.hex();
  result_.target->rows = balance.target.rows();
  result_.target->digest = balance.target.hex();
  return {};
}

/// Leaves that differ are not attached: nobody shall find them under the target's name.
Result<void> CopyJob::attach() {
  if (verdict_ != Verdict::match) {
    report({Severity::error, "not-attached",
            "the leaves were left unattached, for you to look into", plan_->target_qualified,
            "run again with --restart"});
    return target_->run("ROLLBACK");
  }
  PGFANOUT_TRY(attach_leaves(*target_, *plan_, cancellation_));
  PGFANOUT_TRY(Journal(*target_).finish_job(result_.job, is_part_of_window() ? "open" : "done",
                                            result_.target->rows, result_.target->digest));
  return target_->run("COMMIT");
}

/// A refusal leaves nothing behind that this very run has made and not committed rows to.
void CopyJob::undo_prepare() {
  Journal journal(*target_);
  const auto entry = journal.find(plan_->target_schema, plan_->target_name);
  if (entry && *entry && (*entry)->job == result_.job) {
    const JournalRemains remains =
        is_part_of_window() ? JournalRemains::job : JournalRemains::nothing;
    if (auto dropped = drop_made(*target_, **entry, remains); !dropped) {
      report({Severity::warning, "left-behind", dropped.error().message, plan_->target_qualified,
              "run again with --restart"});
    }
  }
}

void CopyJob::fill_result() {
  result_.rows_read = counters_.rows_read;
  result_.rows_written = counters_.rows_written;
  result_.rows_rejected = counters_.rows_rejected;
  result_.bytes_read = counters_.bytes_read;
  result_.bytes_written = counters_.bytes_written;
  if (rejects_) result_.key_mismatches = rejects_->key_mismatch_count();
  if (!ledger_ || !is_committed_) return;
  std::uint64_t largest = 0;
  std::uint64_t total = 0;
  const auto leaves = ledger_->leaves();
  for (std::size_t at = 0; at < leaves.size(); ++at) {
    const TargetLeaf& leaf = plan_->leaves[at];
    const auto rows = leaves[at].routed.rows();
    PartitionSummary partition{std::nullopt, leaf.qualified, rows, leaves[at].routed.hex(),
                               leaves[at].routed_bytes};
    if (!leaf.bound.keys.empty()) partition.key = leaf.bound.keys.front();
    result_.partitions.push_back(std::move(partition));
    largest = std::max(largest, rows);
    total += rows;
  }
  if (total > 0) {
    result_.skew = static_cast<double>(largest) * static_cast<double>(leaves.size()) /
                   static_cast<double>(total);
  }
}

void CopyJob::settle() {
  fill_result();
  const bool is_refused = result_.error && result_.error->consequence == Consequence::refuse;
  if (is_refused && entry_ && !is_committed_ && target_->is_open()) undo_prepare();
  result_.verdict = verdict_;
  if (result_.error || !source_ || job_.dry_run) return;
  if (!source_->close_and_check_unchanged()) {
    result_.verdict = Verdict::unproven;
    report({Severity::critical, "source-may-have-changed",
            job_.assume_quiet ? "the source was not locked, and its server was written to meanwhile"
                              : "the session that held the source's lock was lost",
            plan_->source.qualified,
            "run the copy again, with --restart, while nothing writes to the source"});
  }
}

}  // namespace

JobResult run_copy(const JobDescription& job, Observer& observer,
                   const Cancellation& cancellation) {
  JobCounters counters;
  return run_copy_within(job, observer, cancellation, counters);
}

JobResult run_copy_within(const JobDescription& job, Observer& observer,
                          const Cancellation& cancellation, JobCounters& counters) {
  try {
    return CopyJob(job, observer, cancellation, counters).run();
  } catch (const std::exception& exception) {
    return stopped_by(exception, "copy");
  }
}

}  // namespace pgfanout
