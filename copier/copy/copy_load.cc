#include "copier/copy/copy_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/base/lists.h"
#include "copier/base/pause.h"
#include "copier/copy/copy_rules.h"
#include "copier/copy/target_leaves.h"
#include "copier/pg/server_error.h"
#include "copier/pg/transaction.h"
#include "copier/pipeline/fan_out.h"
#include "copier/reconcile/balance.h"
#include "copier/session/job_connections.h"

namespace pgfanout {
namespace {

std::uint64_t reject_limit_of(const CopyState& state) {
  return rows_to_set_aside(state.job.reject_limit, state.plan->source.estimated_rows);
}

RejectPlace reject_place(const CopyState& state, std::uint32_t epoch) {
  return {state.job_id, state.plan->target.schema, state.plan->target.name, epoch};
}

Error rejects_lost(const RejectPlace& place, std::uint64_t expected, std::uint64_t found) {
  return unproven("rejects-lost",
                  fmt::format("{} set aside by this job, and the table of such rows has {}",
                              counted(expected, "row was", "rows were"), with_commas(found)),
                  "somebody changed or dropped that table: start over with --restart",
                  fmt::format("{}.{}", place.schema, reject_table_name(place.target)));
}

}  // namespace

Result<void> CopyLoad::restore() {
  CopyProgress& progress = state_.progress;
  state_.ledger.emplace(progress.ranges.size(), state_.plan->target.leaves.size());
  Ledger& ledger = *state_.ledger;
  // Rows of an earlier reading of the epoch may have other values than those of a later one.
  if (state_.is_resumed && has_volatile_values()) ledger.compare_counts_only();
  const std::uint32_t next = progress.next_epoch();
  for (std::uint32_t leaf = 0; leaf < progress.leaves.size(); ++leaf) {
    const LeafProgress& has = progress.leaves[leaf];
    ledger.set_before(leaf, has.before);
    const bool is_done = has.epoch >= progress.last_epoch();
    ledger.restore_leaf(leaf, has.rows, has.bytes, has.refused, is_done);
    LeafBoard& board = state_.counters.leaves;
    board.set_rows(leaf, has.rows.rows());
    board.set_state(leaf, is_done         ? LeafState::committed
                          : has.epoch > 0 ? LeafState::loading
                                          : LeafState::waiting);
  }
  for (const auto& [epoch, books] : progress.books) {
    if (epoch < next) ledger.restore_read(books.read, books.rejected);
  }
  std::uint64_t bytes_left = 0;
  for (std::uint32_t range = 0; range < progress.ranges.size(); ++range) {
    if (progress.ranges[range].epoch < next) {
      ledger.restore_range(range);
    } else {
      bytes_left += progress.ranges[range].estimated_bytes;
    }
  }
  JobCounters& counters = state_.counters;
  counters.bytes_expected = bytes_left;
  std::uint64_t rejected = 0;
  if (state_.is_resumed) {
    PGFANOUT_TRY_ASSIGN(rejected, count_set_aside(next));
  }
  counters.rows_rejected_earlier = rejected;
  counters.rows_rejected = rejected;
  state_.rejects.emplace(reject_limit_of(state_), rejected);
  return {};
}

/// Rows that were set aside before that epoch, and in it for leaves that have it. The table has as
/// many as the journal's books: a row that is in neither table would be lost.
Result<std::uint64_t> CopyLoad::count_set_aside(std::uint32_t next_epoch) const {
  std::uint64_t booked =
      sum_of(state_.progress.leaves, [](const LeafProgress& leaf) { return leaf.refused.rows(); });
  for (const auto& [epoch, books] : state_.progress.books) {
    if (epoch < next_epoch) booked += books.rejected.rows();
  }
  const RejectPlace place = reject_place(state_, next_epoch);
  PGFANOUT_TRY_ASSIGN(const RejectCount found,
                      count_rejects(*state_.target, place, kept_leaves(next_epoch)));
  if (found.read == booked) return found.rows;
  return rejects_lost(place, booked, found.read);
}

/// All rows that this job has set aside are in the table.
Result<void> CopyLoad::check_rejects() const {
  const RejectPlace place = reject_place(state_, state_.progress.last_epoch() + 1);
  PGFANOUT_TRY_ASSIGN(const RejectCount found, count_rejects(*state_.target, place, {}));
  if (found.rows == state_.counters.rows_rejected) return {};
  return rejects_lost(place, state_.counters.rows_rejected, found.rows);
}

std::vector<std::string> CopyLoad::kept_leaves(std::uint32_t epoch) const {
  std::vector<std::string> kept;
  const std::vector<bool> done = leaves_done(epoch);
  for (std::size_t leaf = 0; leaf < done.size(); ++leaf) {
    if (done[leaf]) kept.push_back(state_.plan->target.leaves[leaf].qualified);
  }
  return kept;
}

Result<void> CopyLoad::run() {
  std::uint32_t reached = state_.progress.next_epoch();
  for (int attempt = 0;;) {
    auto ended = run_epochs();
    sources_.clear();
    writers_ = {};
    state_.counters.writers = 0;
    if (ended) break;
    PGFANOUT_TRY_ASSIGN(const bool is_retried, recover(ended.error(), attempt));
    if (!is_retried) return located(std::move(ended).error());
    const std::uint32_t next = state_.progress.next_epoch();
    attempt = next_attempt(attempt, reached, next);
    reached = next;
  }
  crash_point("copy-committed");
  PGFANOUT_TRY(check_rejects());
  return report_corrected_keys();
}

/// Prepares another attempt at the epoch after a transient error. False: the error is another one,
/// or came too often, or a session that the job cannot replace is lost, too.
Result<bool> CopyLoad::recover(const Error& error, int attempt) {
  const auto pause = pause_before_retry(is_transient(error), attempt, state_.cancellation.is_set());
  if (!pause) return false;
  state_.report({Severity::warning, "lost-and-again",
                 fmt::format("{}: retrying (attempt {})", error.message, attempt + 1), error.where,
                 ""});
  pause_unless(state_.cancellation, *pause);
  // Without the session that holds lock and snapshot, or one that holds the target, only another
  // call can resume.
  const LeafSessions sessions = state_.leaf_sessions();
  if (!state_.source->connection().run("SELECT 1") || !sessions.run("SELECT 1")) return false;
  for (Connection* session : sessions.all()) {
    if (!end_orphans(*session, {state_.job_id, "writer"}, state_.cancellation, state_.report)) {
      return false;
    }
  }
  auto progress = CopyJournal(*state_.target, state_.job_id).load(state_.plan->source);
  if (!progress || !*progress) return false;
  state_.progress = **std::move(progress);
  state_.is_resumed = true;
  PGFANOUT_TRY(restore());
  return true;
}

Result<void> CopyLoad::open() {
  CopyState& state = state_;
  const CopyPlan& plan = *state.plan;
  const Cancellation& stop =
      state.progress.by_leaf ? state.cancellation : state.cancellation.at_once();
  const std::string begin =
      state.source->reader_begin(has_volatile_values(), plan.source.application.sql);
  const auto connect = [options = state.connect_options(state.job.source_dsn, "reader")] {
    return connect_again(options);
  };
  const auto select = [&plan](const SourceRange& range) {
    return source_select(plan.stream, plan.source, range);
  };
  PGFANOUT_TRY_ASSIGN(sources_,
                      make_server_sources(plan.connections.readers, connect, begin, select, stop));
  PGFANOUT_TRY_ASSIGN(writers_,
                      open_writers(plan.target, plan.connections.writers,
                                   state.connect_options("", "writer"), state.cancellation));
  // A row that a deferred constraint refuses at COMMIT could not be set aside.
  if (plan.commits.sets_aside) writers_.begin += "; SET CONSTRAINTS ALL IMMEDIATE";
  state.counters.writers = writers_.channels.size();
  targets_ = lane_targets(plan, state.progress);
  return {};
}

Result<void> CopyLoad::run_epochs() {
  const std::uint32_t last = state_.progress.last_epoch();
  if (state_.progress.next_epoch() > last) return {};
  PGFANOUT_TRY(open());
  for (std::uint32_t epoch = state_.progress.next_epoch(); epoch <= last; ++epoch) {
    PGFANOUT_TRY(stop_if_cancelled(state_));
    crash_point("epoch-begun");
    PGFANOUT_TRY(run_epoch(epoch));
    crash_point("epoch-committed");
  }
  return {};
}

std::vector<bool> CopyLoad::leaves_done(std::uint32_t epoch) const {
  return parts_of(state_.progress.leaves,
                  [&](const LeafProgress& leaf) { return leaf.epoch >= epoch; });
}

Result<void> CopyLoad::run_epoch(std::uint32_t epoch) {
  CopyState& state = state_;
  const CopyPlan& plan = *state.plan;
  const std::vector<bool> done = leaves_done(epoch);
  state.ledger->begin_epoch(done);
  state.counters.leaves_committed = 0;
  // A COMMIT that has begun is waited for.
  const Cancellation& at_once = state.cancellation.at_once();
  const Cancellation& stop = state.progress.by_leaf ? state.cancellation : at_once;
  PGFANOUT_TRY(run_fan_out(
      {state.progress.ranges, epoch, plan.stream.read_layout, plan.key.expression,
       *plan.target.layout, sources_, writers_, targets_, done, state.job.memory_bytes,
       !state.progress.by_leaf && reject_limit_of(state) > 0, !has_volatile_values(), &state.pace},
      *state.ledger, *state.rejects, state.counters, stop));
  crash_point("epoch-drained");
  PGFANOUT_TRY(may_commit(epoch));
  std::vector<LaneStatement> statements;
  for (std::uint32_t leaf = 0; leaf < done.size(); ++leaf) {
    statements.push_back(marker_of(leaf, epoch));
  }
  PGFANOUT_TRY(commit_lanes({writers_, targets_, std::move(statements),
                             epoch == state.progress.last_epoch(), *state.ledger, state.counters},
                            at_once));
  for (std::uint32_t leaf = 0; leaf < state.progress.leaves.size(); ++leaf) {
    if (!done[leaf]) state.progress.leaves[leaf] = progress_of(leaf, epoch);
  }
  ++state.counters.epochs_done;
  return {};
}

LeafProgress CopyLoad::progress_of(std::uint32_t leaf, std::uint32_t epoch) const {
  const LeafAccount account = state_.ledger->leaf(leaf);
  LeafProgress now;
  now.epoch = epoch;
  now.rows = account.taken();
  now.bytes = account.earlier_bytes + account.routed_bytes;
  now.refused = account.refused_earlier;
  now.refused.merge(account.refused);
  now.before = account.before;
  return now;
}

LaneStatement CopyLoad::marker_of(std::uint32_t leaf, std::uint32_t epoch) {
  if (state_.progress.leaves[leaf].epoch >= epoch) return {};
  const CopyPlan& plan = *state_.plan;
  Connection& session = state_.leaf_sessions().of(plan.target.leaves[leaf]);
  LaneStatement marker =
      CopyJournal(session, state_.job_id).mark_leaf(leaf, progress_of(leaf, epoch));
  marker.sql.insert(0, "SET LOCAL search_path = ''; ");
  // The marker is ours; but deferred triggers would otherwise wait for the COMMIT.
  if (!plan.target.is_new) marker.sql.insert(0, "SET CONSTRAINTS ALL IMMEDIATE; ");
  return marker;
}

bool CopyLoad::has_volatile_values() const {
  const auto& columns = state_.plan->stream.columns;
  return std::ranges::any_of(columns,
                             [](const StreamColumn& column) { return column.is_volatile; });
}

/// The last checks before COMMIT.
Result<void> CopyLoad::may_commit(std::uint32_t epoch) {
  const std::vector<bool> must_be_read = parts_of(
      state_.progress.ranges, [&](const SourceRange& range) { return range.epoch <= epoch; });
  const Balance balance = balance_before_commit(*state_.ledger, state_.leaf_names(), must_be_read);
  if (balance.verdict != Verdict::match) {
    for (const Issue& issue : balance.issues) state_.report(issue);
    return unproven("ledger", "the ledger does not balance: nothing of this epoch was committed",
                    "report this: it is a defect of pgfanout or of the machine's memory");
  }
  const std::uint64_t mismatches = state_.rejects->key_mismatch_count();
  if (mismatches > 0 && state_.job.on_key_mismatch == KeyMismatchPolicy::fail) {
    return refused(
        "key-mismatch",
        counted(mismatches, "row of the source stores", "rows of the source store") +
            " a key that differs from the recomputed one",
        state_.stands_alone
            ? "correct the rows, or repeat the command with --on-key-mismatch fix, which "
              "writes the recomputed key into the target"
            : "repeat the command with --on-key-mismatch fix, which writes the "
              "recomputed key into the target; or 'pgfanout rollback', which allows "
              "writes again, and correct the rows");
  }
  if (state_.cancellation.at_once().is_set()) {
    return cancelled();
  }
  return note_epoch(epoch);
}

/// Journals the rows that were read before they are committed, since a call that repeats the epoch
/// must read the same rows. Rows that were set aside are journaled with them.
Result<void> CopyLoad::note_epoch(std::uint32_t epoch) {
  EpochBooks books;
  const auto ranges = state_.ledger->ranges();
  for (std::size_t at = 0; at < ranges.size(); ++at) {
    if (state_.progress.ranges[at].epoch == epoch) books.read.merge(ranges[at].read);
  }
  books.rejected = state_.ledger->rejected();
  for (const auto& [earlier, has] : state_.progress.books) {
    if (earlier < epoch) books.rejected.subtract(has.rejected);
  }
  const auto before = state_.progress.books.find(epoch);
  if (before != state_.progress.books.end()) {
    PGFANOUT_TRY(check_same_rows(epoch, before->second.read, books.read, has_volatile_values(),
                                 state_.plan->source.qualified));
  }
  std::vector<LocatedReject> rejects;
  for (const Reject& row : state_.rejects->rows()) {
    PGFANOUT_TRY_ASSIGN(RowLocation location, locate(row, reject_digest()));
    rejects.push_back({row, std::move(location)});
  }
  Connection& target = *state_.target;
  const auto note = [&]() -> Result<void> {
    PGFANOUT_TRY(CopyJournal(target, state_.job_id).note_epoch(epoch, books));
    return store_rejects(target, reject_place(state_, epoch), rejects, kept_leaves(epoch));
  };
  PGFANOUT_TRY(in_transaction(target, {}, note));
  state_.progress.books[epoch] = books;
  state_.rejects->forget_rows();
  return {};
}

/// Over the columns that a verification compares.
std::string CopyLoad::reject_digest() const {
  const CopyStream& stream = state_.plan->stream;
  std::vector<std::pair<std::string, std::string>> columns;
  for (std::size_t at = 0; at < stream.read_layout.digested; ++at) {
    const StreamColumn& column = stream.columns[at];
    if (!column.is_volatile) columns.emplace_back(column.target_column, column.source_sql);
  }
  return reject_digest_sql(std::move(columns));
}

Result<RowLocation> CopyLoad::locate(const Reject& row, const std::string& digest_sql) {
  return locate_row(state_.source->connection(), state_.plan->source, state_.progress.ranges, row,
                    digest_sql);
}

/// Adds place and identity of the row that ended the copy.
Error CopyLoad::located(Error error) {
  std::vector<Reject> culprits;
  if (state_.rejects->is_over_limit()) culprits.push_back(state_.rejects->rows().back());
  if (error.code == "key-mismatch") culprits = state_.rejects->key_mismatches();
  for (const Reject& culprit : culprits) {
    const auto location = locate(culprit);
    if (!location) break;
    if (culprits.size() == 1) {
      error.where = location->text();
    } else {
      state_.report({Severity::error, culprit.code, culprit.reason, location->text()});
    }
  }
  return error;
}

Result<void> CopyLoad::report_corrected_keys() {
  for (const Reject& mismatch : state_.rejects->key_mismatches()) {
    PGFANOUT_TRY_ASSIGN(const RowLocation location, locate(mismatch));
    state_.report({Severity::warning, mismatch.code,
                   mismatch.reason + "; the recomputed one was written", location.text(), ""});
  }
  return {};
}

}  // namespace pgfanout
