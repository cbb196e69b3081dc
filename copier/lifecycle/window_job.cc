// The run and swap commands: the stages of a maintenance window in order, each behind a gate.
#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "copier/base/counted.h"
#include "copier/lifecycle/after_load.h"
#include "copier/lifecycle/after_swap_check.h"
#include "copier/lifecycle/copy_job.h"
#include "copier/lifecycle/job_id.h"
#include "copier/lifecycle/query_checks.h"
#include "copier/lifecycle/swap_stage.h"
#include "copier/lifecycle/undo_window.h"
#include "copier/lifecycle/verify_job.h"
#include "copier/lifecycle/window_commands.h"
#include "copier/lifecycle/window_request.h"
#include "copier/lifecycle/window_stages.h"
#include "copier/lifecycle/window_state.h"
#include "copier/plan/key_plan.h"
#include "copier/plan/key_proof.h"
#include "copier/plan/preflight.h"

namespace pgfanout {
namespace {

/// The copy's and the verification's own stages are part of one of the window's.
class InnerObserver : public Observer {
 public:
  explicit InnerObserver(Observer& outer) : outer_(outer) {}
  void job_started(const std::string&, const JobCounters&) override {}
  void stage_started(std::string_view stage) override { outer_.stage_started(stage); }
  void stage_finished(const StageSummary& stage) override { outer_.stage_finished(stage); }
  void issue_found(const Issue& issue) override { outer_.issue_found(issue); }

 private:
  Observer& outer_;
};

class WindowJob {
 public:
  WindowJob(const JobDescription& job, Observer& observer, const Cancellation& cancellation)
      : job_(job),
        observer_(observer),
        cancellation_(cancellation),
        stages_(job_, result_, observer) {
    result_.command = "run";
  }

  JobResult run() { return settled(run_stages()); }
  JobResult run_swap_alone() {
    result_.command = "swap";
    return settled(swap_alone());
  }

 private:
  JobResult settled(Result<void> ended);
  Result<void> run_stages();
  Result<void> swap_alone();
  Result<void> open();
  bool is_done_already(const JournalEntry& entry);
  Result<bool> release();
  Result<std::string> preflight();
  Result<void> check_request();
  Result<void> check_still_fenced();
  Result<void> begin_job();
  Result<std::string> prepare();
  Result<std::string> copy();
  Result<std::string> verify();
  Result<std::string> swap();
  void take_copy(JobResult copied);
  void tell_fence();
  void report(Issue issue) {
    observer_.issue_found(issue);
    result_.issues.push_back(std::move(issue));
  }

  JobDescription job_;
  Observer& observer_;
  const Cancellation& cancellation_;
  JobResult result_;
  JobCounters counters_;
  WindowStages stages_;
  std::optional<WindowState> state_;  // open
  std::string key_sql_;               // preflight
  std::string key_sql_on_target_;     // preflight
  std::optional<std::string> key_column_;
  bool is_swapped_ = false;
};

/// A gate that found differences has run to its end: no error, but not a success.
JobResult WindowJob::settled(Result<void> ended) {
  if (!ended && result_.verdict == Verdict::differs) {
    const Error& error = ended.error();
    report({Severity::error, error.code, error.message, error.where, error.hint});
  } else if (!ended) {
    result_.error = std::move(ended).error();
  }
  tell_fence();
  return std::move(result_);
}

Result<void> WindowJob::open() {
  PGFANOUT_TRY_ASSIGN(state_, WindowState::open(job_, true));
  auto& entry = state_->entry();
  if (entry && entry->is_over()) {
    if (is_done_already(*entry)) {
      is_swapped_ = true;
      result_.job = entry->job;
      observer_.job_started(result_.job, counters_);
      return stages_.open_journal(state_->journal());
    }
    entry.reset();
  } else if (entry && entry->command != "run") {
    if (!job_.restart) {
      return refused("unfinished-job",
                     fmt::format("a copy into this target was begun at {} and not finished (job "
                                 "{})",
                                 entry->started_at, entry->job),
                     "run the same command with --restart: it drops what that copy made",
                     state_->target_qualified());
    }
    PGFANOUT_TRY(drop_made(state_->target(), *entry, JournalRemains::nothing));
    entry.reset();
  }
  if (entry && job_.restart) {
    PGFANOUT_TRY(undo_window(job_, *state_, cancellation_, [this](Issue issue) { report(issue); }));
    entry.reset();
  }
  result_.job = entry ? entry->job : new_job_id();
  observer_.job_started(result_.job, counters_);
  if (!entry) return state_->take_job(result_.job);
  return stages_.open_journal(state_->journal());
}

/// The same command again, after its swap: it must not begin another move of the moved table.
bool WindowJob::is_done_already(const JournalEntry& entry) {
  if (entry.state != "swapped" || entry.command != "run" || job_.restart) return false;
  std::string key = entry.key;
  if (!job_.key.empty()) {
    const auto live = describe_table(state_->source(), job_.table);
    const auto compiled = live ? compile_key(job_, *live) : Result<KeyExpression>(live.error());
    if (compiled) key = compiled->sql();
  }
  return request_of(job_, key) == entry.request;
}

/// Only lifts the fence. The job cannot go on after that, since the source may change.
Result<bool> WindowJob::release() {
  if (!job_.window.release) return false;
  if (!state_->entry()) {
    return refused("no-job", "no unfinished job has a fence on this table",
                   "'pgfanout status' tells where the last job stands", job_.table);
  }
  PGFANOUT_TRY(state_->fence("source").lower(state_->source(), state_->patience(), cancellation_));
  PGFANOUT_TRY(state_->fence("target").lower(state_->target(), state_->patience(), cancellation_));
  result_.verdict = Verdict::match;
  report({Severity::info, "released", "writes to the source are allowed again", job_.table,
          "the job cannot go on: run it with --restart, or undo it with rollback"});
  return true;
}

/// Once raised, the fence stands until the job's end; a job whose fence was lifted cannot go on.
Result<void> WindowJob::check_still_fenced() {
  if (!stages_.is_done("prepare")) return {};
  PGFANOUT_TRY_ASSIGN(const bool stands, state_->fence("source").stands(state_->source()));
  if (stands) return {};
  return refused("fence-lifted",
                 "the fence around the source was lifted: what was copied may not be what is there",
                 "begin anew with --restart, or undo the job with rollback", job_.table);
}

Result<void> WindowJob::run_stages() {
  if (job_.assume_quiet || !job_.fence) {
    return refused("no-fence", "a window needs the source fenced against writes until the swap",
                   "leave --assume-quiet and --no-fence out, or use copy and verify");
  }
  PGFANOUT_TRY(open());
  if (is_swapped_) {
    report({Severity::info, "already-swapped",
            fmt::format("job {} has moved and swapped this table already: nothing is left to do",
                        result_.job),
            job_.table, "with other settings, or with --restart, the table is moved once more"});
    result_.verdict = Verdict::match;
    return {};
  }
  PGFANOUT_TRY_ASSIGN(const bool is_released, release());
  if (is_released) return {};
  PGFANOUT_TRY(check_request());
  PGFANOUT_TRY(check_still_fenced());
  const AfterLoad after_load{job_, *state_, counters_, cancellation_};
  if (!stages_.is_done("copy")) {
    PGFANOUT_TRY(stages_.run_unrecorded("preflight", [this] { return preflight(); }));
    if (!state_->entry()) PGFANOUT_TRY(begin_job());
    PGFANOUT_TRY_ASSIGN(const bool goes_on, stages_.is_done("preflight")
                                                ? stages_.run("preflight", {})
                                                : stages_.record("preflight"));
    if (!goes_on) return {};
  }
  const std::vector<std::pair<std::string, WindowStages::Work>> stages = {
      {"prepare", [this] { return prepare(); }},
      {"copy", [this] { return copy(); }},
      {"index", [&] { return build_indexes(after_load); }},
      {"constraints", [&] { return add_constraints(after_load); }},
      {"analyze", [&] { return analyze_target(after_load); }},
      {"verify", [this] { return verify(); }},
  };
  for (const auto& [stage, work] : stages) {
    if (cancellation_.is_set()) return interrupted("cancelled", "stopped on request");
    PGFANOUT_TRY_ASSIGN(const bool goes_on, stages_.run(stage, work));
    if (!goes_on) return {};
  }
  if (job_.window.swap) {
    PGFANOUT_TRY_ASSIGN(const bool goes_on, stages_.run("swap", [this] { return swap(); }));
    if (!goes_on) return {};
  }
  if (result_.verdict == Verdict::unproven) result_.verdict = Verdict::match;
  return {};
}

Result<void> WindowJob::swap_alone() {
  PGFANOUT_TRY_ASSIGN(state_, WindowState::open(job_, true));
  const auto& entry = state_->entry();
  if (!entry || entry->command != "run" || entry->is_over()) {
    const bool is_swapped = entry && entry->state == "swapped";
    return refused(is_swapped ? "already-swapped" : "no-job",
                   is_swapped ? fmt::format("job {} has swapped this table already", entry->job)
                              : "there is no job whose target could take this table's place",
                   "'pgfanout run' makes one, 'pgfanout status' tells where the last one stands",
                   job_.table);
  }
  result_.job = entry->job;
  // Who only names the table means the job as it was begun.
  const bool says_nothing = job_.key.empty() && request_of(job_, "") == request_of({}, "");
  if (says_nothing) job_ = with_request(std::move(job_), entry->request);
  observer_.job_started(result_.job, counters_);
  PGFANOUT_TRY(check_request());
  PGFANOUT_TRY(stages_.open_journal(state_->journal()));
  for (const std::string_view stage : kWindowStages) {
    if (stage == "swap" || stages_.is_done(stage)) continue;
    return refused("not-ready", fmt::format("the job has not passed its stage {}", stage),
                   "call 'pgfanout run' again: it goes on there", job_.table);
  }
  PGFANOUT_TRY(stages_.run("swap", [this] { return swap(); }));
  result_.verdict = result_.verdict == Verdict::differs ? Verdict::differs : Verdict::match;
  return {};
}

/// Everything that can be known before the window; changes nothing.
Result<std::string> WindowJob::preflight() {
  JobDescription again = job_;
  again.within_job = result_.job;
  if (state_->entry() && !state_->entry()->made.empty()) {
    // What an interrupted copy has made is made anew.
    PGFANOUT_TRY(
        state_->fence("target").lower(state_->target(), state_->patience(), cancellation_));
    PGFANOUT_TRY(drop_made(state_->target(), *state_->entry(), JournalRemains::job));
    state_->entry()->made.clear();
  }
  PGFANOUT_TRY_ASSIGN(const CopyPlan plan,
                      make_copy_plan(again, state_->source(), state_->target()));
  if (!plan.create_target) {
    return refused(
        "target-exists",
        fmt::format("{} exists already; run makes its target itself", plan.target_qualified),
        "drop or rename it, or use copy and verify for a target of your own",
        plan.target_qualified);
  }
  PGFANOUT_TRY(prove_key(state_->source(), plan.source, plan.key));
  PGFANOUT_TRY_ASSIGN(const CarryPlan carry, make_carry_plan(carry_request_of(job_, plan),
                                                             state_->source(), state_->target()));
  PGFANOUT_TRY_ASSIGN(
      const Preflight found,
      check_before_window(again, plan, carry, state_->source(), state_->target(), cancellation_));
  if (cancellation_.is_set()) return interrupted("cancelled", "stopped on request");
  key_sql_ = plan.key.sql();
  key_sql_on_target_ = plan.key_sql_on_target;
  key_column_ = plan.key_column;
  result_.source = {plan.source.qualified, 0, {}, state_->source().server_version_text()};
  result_.target = {plan.target_qualified, 0, {}, state_->target().server_version_text()};
  result_.impact = found.impact;
  std::size_t reasons = 0;
  for (const Issue& issue : plan.issues) {
    // What copy alone does not carry over, the window does.
    if (issue.code != "not-carried") report(issue);
  }
  for (const Issue& issue : carry.issues) report(issue);
  for (const Issue& issue : found.issues) {
    const bool is_reason =
        issue.severity == Severity::critical || issue.severity == Severity::error;
    reasons += is_reason ? 1 : 0;
    report(issue);
  }
  if (reasons > 0) {
    return refused("no-go",
                   fmt::format("{} reason{} not to begin", reasons, reasons == 1 ? "" : "s"),
                   "'pgfanout plan' shows them all; nothing was changed", plan.source.qualified);
  }
  return std::string("go");
}

/// The same job is called with the same settings.
Result<void> WindowJob::check_request() {
  if (!state_->entry()) return {};
  PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
  PGFANOUT_TRY_ASSIGN(const KeyExpression key, compile_key(job_, source));
  const std::string differences =
      request_differences(state_->entry()->request, request_of(job_, key.sql()));
  if (differences.empty()) return {};
  return refused("other-request", "the job was begun with other settings: " + differences,
                 "use the same ones, or begin anew with run --restart", source.qualified);
}

Result<void> WindowJob::begin_job() {
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
  PGFANOUT_TRY(state_->target().run("BEGIN"));
  auto written = journal.prepare();
  if (written) written = journal.begin_job(entry);
  if (!written) {
    if (state_->target().is_open()) PGFANOUT_TRY(state_->target().run("ROLLBACK"));
    return written;
  }
  PGFANOUT_TRY(state_->target().run("COMMIT"));
  state_->entry() = std::move(entry);
  return stages_.open_journal(state_->journal());
}

/// Raises the fence. What it is known by is journaled before a row is read.
Result<std::string> WindowJob::prepare() {
  PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
  const Fence fence = state_->fence("source");
  PGFANOUT_TRY(fence.raise(state_->source(), source, state_->patience(), cancellation_));
  PGFANOUT_TRY_ASSIGN(const auto facts, fence.facts(state_->source(), source.oid));
  PGFANOUT_TRY(state_->journal().set_fence("source", facts));
  return fmt::format("writes to {} are refused from now on", source.qualified);
}

void WindowJob::take_copy(JobResult copied) {
  result_.source = std::move(copied.source);
  result_.target = std::move(copied.target);
  result_.rows_read = copied.rows_read;
  result_.rows_written = copied.rows_written;
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

Result<std::string> WindowJob::copy() {
  PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
  PGFANOUT_TRY(check_fence(*state_, "source", state_->source(), source));
  JobDescription inner = job_;
  inner.within_job = result_.job;
  inner.dry_run = false;
  InnerObserver observer(observer_);
  JobResult copied = run_copy_within(inner, observer, cancellation_, counters_);
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

/// The copy was proven when it was read back; since then both sides were fenced. What remains is
/// what was built after it, and that nothing passed the fences.
Result<std::string> WindowJob::verify() {
  PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
  PGFANOUT_TRY_ASSIGN(const Table target, state_->target_table());
  PGFANOUT_TRY(check_fence(*state_, "source", state_->source(), source));
  PGFANOUT_TRY(check_fence(*state_, "target", state_->target(), target));
  JobDescription inner = job_;
  inner.within_job = result_.job;
  inner.dry_run = false;
  inner.verify.repair = false;
  if (inner.verify.scope == VerifyScope::full) inner.verify.scope = VerifyScope::quick;
  InnerObserver observer(observer_);
  JobResult verified = run_verify(inner, observer, cancellation_);
  for (Issue& issue : verified.issues) result_.issues.push_back(std::move(issue));
  result_.differences = std::move(verified.differences);
  if (verified.error) return *std::move(verified.error);
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
  return queries;
}

Result<std::string> WindowJob::swap() {
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
  for (const std::string& sql : outcome.after) {
    auto done = state_->target().run(sql);
    if (done) continue;
    result_.verdict = Verdict::differs;
    report({Severity::error, "after-swap", done.error().message, sql,
            "the swap stands; run that statement yourself"});
  }
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

/// Whether applications can write to the table of that name.
void WindowJob::tell_fence() {
  if (!state_ || is_swapped_ || !state_->source().is_open()) return;
  const auto stands = state_->fence("source").stands(state_->source());
  // What a refused preflight leaves is no fence; one that cannot be looked at is told as standing.
  result_.writes_refused = !stands || *stands;
}

JobResult stopped_by(const std::exception& exception, const char* command) {
  JobResult result;
  result.command = command;
  result.error = interrupted("internal", fmt::format("stopped by {}", exception.what()));
  result.error->consequence = Consequence::unproven;
  return result;
}

}  // namespace

JobResult run_window(const JobDescription& job, Observer& observer,
                     const Cancellation& cancellation) {
  try {
    return WindowJob(job, observer, cancellation).run();
  } catch (const std::exception& exception) {
    return stopped_by(exception, "run");
  }
}

JobResult run_swap(const JobDescription& job, Observer& observer,
                   const Cancellation& cancellation) {
  try {
    return WindowJob(job, observer, cancellation).run_swap_alone();
  } catch (const std::exception& exception) {
    return stopped_by(exception, "swap");
  }
}

}  // namespace pgfanout
