#include "copier/window/window_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/copy/copy_job.h"
#include "copier/journal/job_request.h"
#include "copier/key/key_plan.h"
#include "copier/key/key_proof.h"
#include "copier/pg/transaction.h"
#include "copier/preflight/preflight.h"
#include "copier/verify/verify_job.h"
#include "copier/window/after_swap_check.h"
#include "copier/window/query_checks.h"
#include "copier/window/swap_stage.h"

namespace pgfanout {

/// Everything that can be known before the window; changes nothing.
Result<std::string> WindowWork::preflight() {
  JobDescription again = job_;
  again.within_job = result_.job;
  if (state_->entry() && !state_->entry()->made.empty()) {
    // Tables that an interrupted copy has made are dropped and made again.
    PGFANOUT_TRY(
        state_->fence("target").lower(state_->target(), state_->patience(), cancellation_));
    PGFANOUT_TRY(drop_made(state_->target(), *state_->entry(), JournalRemains::job));
    state_->entry()->made.clear();
  }
  PGFANOUT_TRY_ASSIGN(const CopyPlan plan,
                      make_copy_plan(again, state_->source(), state_->target()));
  if (!plan.target.is_new) {
    return refused(
        "target-exists",
        fmt::format("{} exists already; run makes its target itself", plan.target.qualified),
        "drop or rename it, or use copy and verify for a target of your own",
        plan.target.qualified);
  }
  PGFANOUT_TRY(plan.target.layout->prove(state_->source(), plan.source));
  PGFANOUT_TRY_ASSIGN(const CarryPlan carry, make_carry_plan(carry_request_of(job_, plan),
                                                             state_->source(), state_->target()));
  PGFANOUT_TRY_ASSIGN(
      const Preflight found,
      check_before_window(again, plan, carry, state_->source(), state_->target(), cancellation_));
  if (cancellation_.is_set()) return interrupted("cancelled", "stopped on request");
  key_sql_ = plan.key.expression.sql();
  key_sql_on_target_ = plan.key.sql_on_target;
  key_column_ = plan.key.column;
  result_.source = {plan.source.qualified, 0, {}, state_->source().server_version_text()};
  result_.target = {plan.target.qualified, 0, {}, state_->target().server_version_text()};
  result_.impact = found.impact;
  estimates_ = found.estimates;
  for (const Issue& issue : plan.issues) {
    // The window carries over the objects that copy alone does not.
    if (issue.code != "not-carried") report(issue);
  }
  for (const Issue& issue : carry.issues) report(issue);
  for (const Issue& issue : found.issues) report(issue);
  if (auto no_go = no_go_of(found.issues, "'pgfanout plan' shows them all; nothing was changed",
                            plan.source.qualified)) {
    return *std::move(no_go);
  }
  return std::string("go");
}

/// The same job is called with the same settings.
Result<void> WindowWork::check_request() {
  if (!state_->entry()) return {};
  PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
  PGFANOUT_TRY_ASSIGN(const KeyExpression key, compile_key(job_, source));
  const std::string differences =
      request_differences(state_->entry()->request, request_of(job_, key.sql()));
  if (differences.empty()) return {};
  return refused("other-request", "the job was begun with other settings: " + differences,
                 "use the same ones, or begin anew with run --restart", source.qualified);
}

Result<void> WindowWork::begin_job() {
  JournalEntry entry;
  PGFANOUT_TRY_ASSIGN(const Table source, describe_table(state_->source(), job_.table));
  entry.job = result_.job;
  entry.target_schema = state_->target_name().schema;
  entry.target_name = state_->target_name().name;
  entry.source = fmt::format("{} {}", state_->source().description(), source.qualified);
  entry.key = key_sql_;
  entry.state = "open";
  entry.command = "run";
  entry.source_schema = source.schema;
  entry.source_name = source.name;
  entry.source_oid = source.oid;
  entry.request = request_of(job_, key_sql_);
  entry.key_sql_on_target = key_sql_on_target_;
  entry.key_column = key_column_;
  Journal journal(state_->target());
  const auto write = [&]() -> Result<void> {
    PGFANOUT_TRY(journal.prepare());
    return journal.begin_job(entry);
  };
  PGFANOUT_TRY(in_transaction(state_->target(), {}, write));
  state_->entry() = std::move(entry);
  return {};
}

/// Raises the fence. The facts that identify it are journaled before a row is read.
Result<std::string> WindowWork::prepare() {
  PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
  const Fence fence = state_->fence("source");
  PGFANOUT_TRY(fence.raise(state_->source(), source, state_->patience(), cancellation_));
  PGFANOUT_TRY_ASSIGN(const auto facts, fence.facts(state_->source(), source.oid));
  PGFANOUT_TRY(state_->journal().set_fence("source", facts));
  return fmt::format("writes to {} are refused from now on", source.qualified);
}

void WindowWork::take_copy(JobResult copied) {
  result_.source = std::move(copied.source);
  result_.target = std::move(copied.target);
  result_.rows_read = copied.rows_read;
  result_.rows_written = copied.rows_written;
  result_.rows_resumed = copied.rows_resumed;
  result_.rows_rejected = copied.rows_rejected;
  result_.key_mismatches = copied.key_mismatches;
  result_.bytes_read = copied.bytes_read;
  result_.bytes_written = copied.bytes_written;
  result_.partitions = std::move(copied.partitions);
  result_.skew = copied.skew;
  result_.readers = copied.readers;
  result_.writers = copied.writers;
  for (Issue& issue : copied.issues) result_.issues.push_back(std::move(issue));
}

Result<std::string> WindowWork::copy() {
  PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
  PGFANOUT_TRY(check_fence(*state_, "source", state_->source(), source));
  JobDescription inner = job_;
  inner.within_job = result_.job;
  inner.dry_run = false;
  JobResult copied = run_copy_within(inner, observer_, cancellation_, counters_, pace_);
  std::optional<Error> stopped = std::move(copied.error);
  const Verdict verdict = copied.verdict;
  take_copy(std::move(copied));
  if (stopped) return *std::move(stopped);
  if (verdict != Verdict::match) {
    Error error =
        refused("copy-differs", "what was read back is not what was copied",
                "look into the issues above; begin anew with --restart", source.qualified);
    if (verdict == Verdict::unproven) error.consequence = Consequence::unproven;
    result_.verdict = verdict;
    return error;
  }
  Journal journal(state_->target());
  PGFANOUT_TRY_ASSIGN(state_->entry(),
                      journal.find(state_->target_name().schema, state_->target_name().name));
  PGFANOUT_TRY_ASSIGN(const Table target, state_->target_table());
  const Fence fence = state_->fence("target");
  PGFANOUT_TRY(fence.raise(state_->target(), target, state_->patience(), cancellation_));
  PGFANOUT_TRY_ASSIGN(const auto facts, fence.facts(state_->target(), target.oid));
  PGFANOUT_TRY(state_->journal().set_fence("target", facts));
  return fmt::format("{}, digest {}", rows_text(result_.target->rows), result_.target->digest);
}

/// The copy was proven when it was read back; since then both sides were fenced. It remains to
/// verify the objects that were built after it, and that nothing passed the fences.
Result<std::string> WindowWork::verify() {
  PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
  PGFANOUT_TRY_ASSIGN(const Table target, state_->target_table());
  PGFANOUT_TRY(check_fence(*state_, "source", state_->source(), source));
  PGFANOUT_TRY(check_fence(*state_, "target", state_->target(), target));
  PGFANOUT_TRY(check_carry(job_, *state_));
  JobDescription inner = job_;
  inner.within_job = result_.job;
  inner.dry_run = false;
  inner.verify.repair = false;
  if (inner.verify.scope == VerifyScope::full) inner.verify.scope = VerifyScope::quick;
  JobResult verified = run_verify_within(inner, observer_, cancellation_, counters_, pace_);
  for (Issue& issue : verified.issues) result_.issues.push_back(std::move(issue));
  result_.differences = std::move(verified.differences);
  if (verified.error) {
    // The copy is proven; what was stopped here is only to be looked at again.
    constexpr std::array<std::string_view, 3> kStopped = {"cancelled", "hook-failed", "deadline"};
    const bool is_stopped =
        std::find(kStopped.begin(), kStopped.end(), verified.error->code) != kStopped.end();
    if (is_stopped) verified.error->consequence = Consequence::interrupt;
    return *std::move(verified.error);
  }
  if (!result_.source || result_.source->rows == 0) {
    result_.source = {source.qualified, state_->entry()->rows, state_->entry()->digest,
                      state_->source().server_version_text()};
    result_.target = {target.qualified, state_->entry()->rows, state_->entry()->digest,
                      state_->target().server_version_text()};
  }
  if (verified.verdict != Verdict::match) {
    result_.verdict = verified.verdict;
    Error error =
        refused("verify-failed", "the target did not pass its verification",
                "the issues above say why; 'pgfanout verify' names rows", target.qualified);
    if (verified.verdict == Verdict::unproven) error.consequence = Consequence::unproven;
    return error;
  }
  PGFANOUT_TRY_ASSIGN(const std::string queries,
                      check_queries(job_, *state_, source, target, cancellation_,
                                    [this](Issue issue) { report(std::move(issue)); }));
  counters_.leaves.set_all(LeafState::verified);
  return queries;
}

/// Runs the statements that the swap left for later: those that look at every row.
Result<void> WindowWork::finish_swap() {
  WindowJournal journal = state_->journal();
  PGFANOUT_TRY_ASSIGN(const auto statements, journal.undo(UndoPhase::after));
  for (const std::string& sql : statements) {
    auto done = state_->target().run(sql);
    if (done) {
      PGFANOUT_TRY(journal.strike_after(sql));
      continue;
    }
    result_.verdict = Verdict::differs;
    report({Severity::error, "after-swap", done.error().message, sql,
            "the swap stands; run that statement yourself"});
  }
  crash_point("swap-settled");
  return {};
}

Result<std::string> WindowWork::swap() {
  PGFANOUT_TRY_ASSIGN(
      const SwapOutcome outcome,
      swap_tables(job_, *state_, cancellation_, [this](Issue issue) { report(std::move(issue)); }));
  is_swapped_ = true;
  Journal journal(state_->target());
  PGFANOUT_TRY_ASSIGN(state_->entry(),
                      journal.find(state_->target_name().schema, state_->target_name().name));
  const JournalEntry& entry = *state_->entry();
  result_.standing = JobStanding{entry.state,
                                 entry.source,
                                 state_->target_qualified(),
                                 entry.started_at,
                                 outcome.backup_qualified,
                                 entry.keep_until,
                                 {},
                                 {},
                                 "pgfanout cleanup"};
  report({Severity::info, "backup",
          fmt::format("the old table stays as {} for {} days", outcome.backup_qualified,
                      job_.window.retention_days),
          outcome.backup_qualified,
          "'pgfanout cleanup' drops it, 'pgfanout rollback' restores it"});
  PGFANOUT_TRY(finish_swap());
  auto checked = check_after_swap(job_, *state_, cancellation_,
                                  [this](Issue issue) { report(std::move(issue)); });
  if (!checked) {
    Error error = std::move(checked).error();
    error.consequence = Consequence::unproven;
    error.hint = "the swap stands; 'pgfanout rollback' takes it back";
    return error;
  }
  if (!*checked) result_.verdict = Verdict::differs;
  return fmt::format("{} is the backup; locked for {:.0f} ms", outcome.backup_qualified,
                     outcome.locked_seconds * 1000.0);
}

}  // namespace pgfanout
