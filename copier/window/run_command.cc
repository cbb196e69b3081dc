// The run and swap commands: the stages of a maintenance window in order, each with its gate.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/base/lists.h"
#include "copier/base/pace.h"
#include "copier/carry/leaf_stages.h"
#include "copier/carry/references.h"
#include "copier/carry/source_facts.h"
#include "copier/copy/abandon_job.h"
#include "copier/copy/table_copy.h"
#include "copier/journal/copy_journal.h"
#include "copier/journal/job_request.h"
#include "copier/journal/journal.h"
#include "copier/layout/layout.h"
#include "copier/pg/transaction.h"
#include "copier/session/job_guard.h"
#include "copier/session/reporting_job.h"
#include "copier/verify/verification.h"
#include "copier/window/application_checks.h"
#include "copier/window/build_indexes.h"
#include "copier/window/commands.h"
#include "copier/window/rules.h"
#include "copier/window/state.h"
#include "copier/window/swap.h"
#include "copier/window/window_plan.h"
#include "pgfanout/criteria.h"

namespace pgfanout {
namespace {

/// Runs stages, and keeps the journal's record of each and of their gates.
class StageRunner {
 public:
  /// Runs a stage; the text that it returns is shown and journaled.
  using Work = std::function<Result<std::string>()>;

  StageRunner(const JobDescription& job, JobResult& result, Observer& observer)
      : job_(job), result_(result), observer_(observer), clock_(result.stages, observer) {}

  /// From now on stages are journaled. Takes over what was done in earlier calls, and confirms
  /// what this call confirms: refuses if nothing waits there.
  Result<void> open_journal(WindowJournal journal, bool is_swapped = false) {
    journal_.emplace(std::move(journal));
    PGFANOUT_TRY_ASSIGN(records_, journal_->stages());
    for (const std::string& stage : job_.window.confirmed) {
      const bool waits = is_swapped && stage == "swap"
                             ? gate_behind_swap_holds(records_, job_.window)
                             : gate_holds(records_, job_.window, stage);
      if (!waits) return not_waiting(stage);
    }
    for (const StageRecord& record : records_) {
      if (record.status != "ok" || summary_of(record.name) != nullptr) continue;
      result_.stages.push_back(summary_of_record(record));
    }
    return {};
  }

  /// Once nothing refuses the call any more.
  Result<void> confirm_gates() {
    if (job_.window.confirmed.empty()) return {};
    if (!journal_) return not_waiting(job_.window.confirmed.front());  // No job has begun.
    for (const std::string& stage : job_.window.confirmed) {
      PGFANOUT_TRY(journal_->confirm(stage));
      observer_.gate_reached(stage, false);
    }
    // The server says who confirmed, and when.
    PGFANOUT_TRY_ASSIGN(records_, journal_->stages());
    for (const StageRecord& record : records_) {
      if (StageSummary* summary = summary_of(record.name); summary && record.status == "ok") {
        *summary = summary_of_record(record);
      }
    }
    return {};
  }

  /// Of earlier calls and of this one.
  [[nodiscard]] const std::vector<StageRecord>& records() const { return records_; }
  Result<void> run(const std::string& stage, const Work& work) {
    PGFANOUT_TRY(journal_->begin_stage(stage));
    auto done = run_unrecorded(stage, work);
    const StageSummary& summary = result_.stages.back();
    // If the connection is lost, the journal does not have the end: the stage counts as not done.
    auto written =
        journal_->end_stage(stage, summary.status, done ? summary.detail : done.error().message);
    if (!done) return std::move(done).error();
    PGFANOUT_TRY(std::move(written));
    crash_point("stage-recorded");
    set_done(stage);
    return {};
  }

  /// Without journal: for a stage that runs before there is a job.
  Result<void> run_unrecorded(const std::string& stage, const Work& work) {
    std::string detail;
    std::erase_if(result_.stages, [&](const StageSummary& each) { return each.name == stage; });
    auto done = clock_.run(stage, [&]() -> Result<void> {
      PGFANOUT_TRY_ASSIGN(detail, work());
      return {};
    });
    StageSummary& summary = result_.stages.back();
    summary.detail = detail;
    // A preflight that is repeated was confirmed in an earlier call.
    for (const StageRecord& record : records_) {
      if (record.name != stage || record.status != "ok") continue;
      summary.confirmed_by = record.confirmed_by;
      summary.confirmed_at = record.confirmed_at;
    }
    return done;
  }

  /// Records such a stage.
  Result<void> record(const std::string& stage) {
    const StageSummary* summary = summary_of(stage);
    PGFANOUT_TRY(journal_->record_stage(stage, summary == nullptr ? 0 : summary->seconds,
                                        summary == nullptr ? "" : summary->detail));
    set_done(stage);
    return {};
  }

  /// Records the end of a stage that did its work in a call that was interrupted behind it.
  Result<void> record_end(const std::string& stage, const std::string& detail) {
    PGFANOUT_TRY(journal_->end_stage(stage, "ok", detail));
    PGFANOUT_TRY_ASSIGN(records_, journal_->stages());
    for (const StageRecord& record : records_) {
      if (record.name == stage) result_.stages.push_back(summary_of_record(record));
    }
    return {};
  }

  /// The job waits for a person after the stage.
  Result<void> wait_at(const std::string& stage) {
    PGFANOUT_TRY(journal_->set_waiting(stage));
    result_.waiting_at = stage;
    observer_.gate_reached(stage, true);
    return {};
  }

 private:
  [[nodiscard]] StageSummary* summary_of(std::string_view stage) {
    for (StageSummary& summary : result_.stages) {
      if (summary.name == stage) return &summary;
    }
    return nullptr;
  }

  void set_done(const std::string& stage) {
    std::erase_if(records_, [&](const StageRecord& each) { return each.name == stage; });
    StageRecord record;
    record.name = stage;
    record.status = "ok";
    records_.push_back(record);
  }

  const JobDescription& job_;
  JobResult& result_;
  Observer& observer_;
  StageClock clock_;
  std::optional<WindowJournal> journal_;  // open_journal
  std::vector<StageRecord> records_;
};

/// The stages; it does not know gates and the stages' order. `state` is open before any stage
/// is called. Figures, issues and verdict go into `result`; each stage returns a line for people.
class WindowStages {
 public:
  WindowStages(std::optional<WindowState>& state, JobResult& result, JobCounters& counters,
               Pace& pace, Observer& observer)
      : state_(state), result_(result), counters_(counters), pace_(pace), observer_(observer) {}

  /// Go, or refused with the number of reasons not to. The tables of an interrupted copy are
  /// dropped, and made again.
  Result<std::string> preflight() {
    if (state_->entry() && !state_->entry()->made.empty()) {
      PGFANOUT_TRY(state_->lower_fence("target"));
      PGFANOUT_TRY(drop_made(state_->target(), *state_->entry(), JournalRemains::job));
      state_->entry()->made.clear();
    }
    PGFANOUT_TRY_ASSIGN(const WindowPlan plan, make_window_plan(*state_, [this](Issue issue) {
                          state_->report(std::move(issue));
                        }));
    if (state_->cancellation().is_set()) return cancelled();
    const CopyPlan& copy = plan.copy;
    is_present_ = plan.is_present;
    if (is_present_) return std::string("nothing to do");
    job_key_ = copy.job_key;
    key_sql_on_target_ = copy.key.sql_on_target;
    key_column_ = copy.key.column;
    result_.source = {copy.source.qualified, 0, {}, state_->source().server_version_text()};
    result_.target = {copy.target.qualified, 0, {}, state_->target().server_version_text()};
    std::get<RunResult>(result_.details).impact = plan.impact;
    estimates_ = plan.estimates;
    if (auto no_go = no_go_of(plan.issues, "'pgfanout plan' shows them all; nothing was changed",
                              copy.source.qualified)) {
      return *std::move(no_go);
    }
    return std::string("go");
  }

  /// Refuses unless the job is called with the settings that it began with. Returns the job with
  /// all of them.
  Result<JobDescription> check_request() {
    if (!state_->entry()) return job();
    PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
    PGFANOUT_TRY_ASSIGN(const JobKey key,
                        key_of_copy(job(), state_->source(), source, state_->target(), nullptr,
                                    state_->entry()->key));
    std::string& recorded = state_->entry()->request;
    JobDescription settled = as_recorded(job(), key);
    const std::string asked = request_of(settled, key.sql);
    JobDescription as_before = settled;
    const std::vector<std::string> later = accepted_later(recorded, job());
    for (const std::string& each : later) std::erase(as_before.window.accept, each);
    const std::string differences = request_differences(recorded, request_of(as_before, key.sql));
    if (differences.empty() && !later.empty() && !job().dry_run) {
      recorded = asked;
      Journal journal(state_->target());
      PGFANOUT_TRY(journal.bring_up_to_date());
      PGFANOUT_TRY(journal.set_request(state_->entry()->job, asked));
    }
    if (differences.empty()) return settled;
    return refused("other-request", "the job was begun with other settings: " + differences,
                   "use the same ones, or start over with run --restart", source.qualified);
  }

  /// Writes the job down in the journal. After preflight(). Returns the job as it is recorded.
  Result<JobDescription> begin_job() {
    PGFANOUT_TRY_ASSIGN(const Table source, describe_table(state_->source(), job().table));
    JobDescription settled = as_recorded(job(), job_key_);
    JournalEntry entry =
        new_entry(result_.job, state_->source(), source, state_->target_name(), job_key_.sql);
    entry.state = "open";
    entry.command = "run";
    entry.request = request_of(settled, job_key_.sql);
    entry.key_sql_on_target = key_sql_on_target_;
    entry.key_column = key_column_;
    Journal journal(state_->target());
    const auto write = [&]() -> Result<void> {
      PGFANOUT_TRY(journal.prepare());
      return journal.begin_job(entry);
    };
    PGFANOUT_TRY(in_transaction(state_->target(), {}, write));
    state_->entry() = std::move(entry);
    return settled;
  }

  /// Raises the fence around the source, and journals the facts that identify it before a row is
  /// read. It takes it away again where that is not the source that was planned for.
  Result<std::string> prepare() {
    PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
    PGFANOUT_TRY(state_->raise_fence("source", source));
    if (auto same = check_definition(*state_, source); !same) {
      PGFANOUT_TRY(state_->lower_fence("source"));
      return std::move(same).error();
    }
    counters_.fence_stands = true;
    return fmt::format("writes to {} are refused from now on", source.qualified);
  }

  Result<std::string> copy() {
    PGFANOUT_TRY_ASSIGN(Table source, state_->source_table());
    PGFANOUT_TRY(check_definition(*state_, source));
    PGFANOUT_TRY(check_fence(*state_, "source", source));
    CopyState copied{job(), state_->cancellation(), counters_, pace_,
                     [this](Issue issue) { state_->report(std::move(issue)); }};
    copied.stands_alone = false;
    copied.amend = [this, &copied](CopyPlan& plan) -> Result<void> {
      if (!plan.commits.sets_aside || !plan.target.is_new) return {};
      PGFANOUT_TRY_ASSIGN(
          const CarryPlan carry,
          make_carry_plan(carry_request_of(job(), plan), state_->source(), state_->target()));
      add_references_first(carry, plan);
      for (const CarriedReference& each : carry.references) {
        if (plan.same_database) copied.referenced.push_back(each.oid);
      }
      return {};
    };
    copied.job_id = result_.job;
    PGFANOUT_TRY(state_->read_entry());
    copied.entry = state_->entry();
    PGFANOUT_TRY_ASSIGN(Connection session,
                        connect_again(copied.connect_options(job().source_dsn, "source")));
    PGFANOUT_TRY_ASSIGN(copied.target,
                        connect_again(copied.connect_options(target_dsn_of(job()), "target")));
    std::vector<StageSummary> parts;  // Told to the observer; the result has the stage as a whole.
    StageClock clock(parts, observer_);
    CopyOutcome outcome = copy_table(copied, std::move(session), source, clock);
    if (outcome.error && outcome.error->code == "lock-timeout") {
      outcome.error->consequence = Consequence::interrupt;  // The window has begun: it is resumed.
    }
    if (outcome.is_refused() && copied.entry && copied.may_undo && !copied.is_attached()) {
      undo_copy(copied);
    }
    result_.source = std::move(outcome.source);
    result_.target = std::move(outcome.target);
    static_cast<CopyResult&>(std::get<RunResult>(result_.details)) = std::move(outcome.rows);
    if (outcome.error) return *std::move(outcome.error);
    const Verdict verdict = outcome.verdict.value_or(Verdict::unproven);
    if (verdict != Verdict::match) {
      return failed("copy-differs", "what was read back is not what was copied",
                    "see the issues above; start over with --restart", source, verdict);
    }
    PGFANOUT_TRY(state_->read_entry());
    PGFANOUT_TRY_ASSIGN(const Table target, state_->target_table());
    PGFANOUT_TRY(state_->raise_fence("target", target));
    return fmt::format("{}, digest {}", rows_text(result_.target->rows), result_.target->digest);
  }

  Result<std::string> index() { return build_indexes({*state_, counters_, pace_}); }

  Result<std::string> constraints() { return add_constraints({*state_, counters_, pace_}); }

  Result<std::string> analyze() { return analyze_target({*state_, counters_, pace_}); }

  /// The copy was proven when it was read back, and both sides have been fenced since. By default
  /// it remains to verify the objects that were built after it, and that nothing passed the fences.
  Result<std::string> verify() {
    PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
    PGFANOUT_TRY_ASSIGN(const Table target, state_->target_table());
    PGFANOUT_TRY(check_definition(*state_, source));
    PGFANOUT_TRY(check_fence(*state_, "source", source));
    PGFANOUT_TRY(check_fence(*state_, "target", target));
    VerifyInput input{job(), job(), job(), job().verify, false, result_.job, true};
    input.request.repair = false;
    for (const std::string& accepted : job().window.accept) {
      if (accepted.starts_with(kOrphansOf)) {
        input.unvalidated.insert(accepted.substr(kOrphansOf.size()));
      }
    }
    input.request.scope = job().verify.scope.value_or(VerifyScope::quick);
    JobResult verified = verify_tables(input, observer_, state_->cancellation(), counters_, pace_);
    for (Issue& issue : verified.issues) result_.issues.push_back(std::move(issue));
    auto& run = std::get<RunResult>(result_.details);
    auto& details = std::get<VerifyResult>(verified.details);
    run.differences = std::move(details.differences);
    run.criteria = std::move(details.criteria);
    if (verified.error) {
      // The copy is proven, so a stopped verification can be resumed.
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
      return failed("verify-failed", "the target did not pass its verification",
                    "the issues above say why; 'pgfanout verify' names rows", target,
                    final_verdict(verified));
    }
    add_proof_of_copy(run.criteria);
    PGFANOUT_TRY_ASSIGN(const std::string queries,
                        check_queries(*state_, source, target, result_.queries));
    counters_.leaves.set_all(LeafState::verified);
    return queries;
  }

  /// The copy looked at every row, and the fences have stood since.
  void add_proof_of_copy(std::vector<CriterionResult>& criteria) const {
    for (const Criterion proven : {Criterion::row_digests, Criterion::keys, Criterion::leaves}) {
      for (CriterionResult& each : criteria) {
        if (each.name != facts_of(proven).name || each.status != "not checked") continue;
        each.status = "pass";
        each.detail = "by stage copy: all rows read back, digest " + state_->entry()->digest;
      }
    }
  }

  /// Then the table is tried as an application would.
  Result<std::string> swap() {
    PGFANOUT_TRY_ASSIGN(const RefusedBefore before, find_refused_before(*state_));
    PGFANOUT_TRY_ASSIGN(const SwapOutcome outcome, swap_tables(*state_));
    is_swapped_ = true;
    counters_.fence_stands = false;
    PGFANOUT_TRY(state_->read_entry());
    const JournalEntry& entry = *state_->entry();
    JobStatus status{entry.state,
                     entry.source,
                     state_->target_qualified(),
                     entry.started_at,
                     outcome.backup_qualified,
                     entry.keep_until,
                     {},
                     {},
                     "pgfanout cleanup"};
    if (auto* run = std::get_if<RunResult>(&result_.details)) {
      run->status = std::move(status);
    } else {
      std::get<SwapResult>(result_.details).status = std::move(status);
    }
    state_->report({Severity::info, "backup",
                    fmt::format("the old table is kept as {} for {} days", outcome.backup_qualified,
                                job().window.retention_days),
                    outcome.backup_qualified,
                    "'pgfanout cleanup' drops it, 'pgfanout rollback' restores it"});
    PGFANOUT_TRY(finish_swap());
    auto checked = check_after_swap(*state_, before);
    if (!checked) {
      Error error = std::move(checked).error();
      error.consequence = Consequence::unproven;
      error.hint = "the swap is in effect; 'pgfanout rollback' undoes it";
      return error;
    }
    if (!*checked) result_.verdict = Verdict::differs;
    return fmt::format("{} is the backup; locked for {:.0f} ms", outcome.backup_qualified,
                       outcome.locked_seconds * 1000.0);
  }

  /// Runs the statements that a swap left for later since they read every row, also a swap that was
  /// interrupted.
  Result<void> finish_swap() {
    WindowJournal journal = state_->journal();
    PGFANOUT_TRY_ASSIGN(const auto statements, journal.undo(UndoPhase::after));
    for (const std::string& sql : statements) {
      auto done = state_->target().run(sql);
      if (done) {
        PGFANOUT_TRY(journal.strike_after(sql));
        continue;
      }
      result_.verdict = Verdict::differs;
      state_->report({Severity::error, "after-swap", done.error().message, sql,
                      "the swap is in effect; run that statement yourself"});
    }
    crash_point("swap-settled");
    return {};
  }

  [[nodiscard]] bool is_swapped() const { return is_swapped_; }
  /// The preflight found the table in the layout that is asked for.
  [[nodiscard]] bool is_present() const { return is_present_; }
  /// Of the stages; empty before the preflight.
  [[nodiscard]] const std::vector<StageEstimate>& estimates() const { return estimates_; }

 private:
  [[nodiscard]] const JobDescription& job() const { return state_->job(); }
  /// The check ran to its end, so the verdict is the result's; the error ends the window.
  [[nodiscard]] Error failed(std::string code, std::string message, std::string hint,
                             const Table& table, Verdict verdict) {
    result_.verdict = verdict;
    Error error = refused(std::move(code), std::move(message), std::move(hint), table.qualified);
    if (verdict == Verdict::unproven) error.consequence = Consequence::unproven;
    return error;
  }

  std::optional<WindowState>& state_;
  JobResult& result_;
  JobCounters& counters_;
  Pace& pace_;
  Observer& observer_;
  JobKey job_key_;                         // preflight
  std::string key_sql_on_target_;          // preflight
  std::optional<std::string> key_column_;  // preflight
  std::vector<StageEstimate> estimates_;   // preflight
  bool is_present_ = false;                // preflight
  bool is_swapped_ = false;                // swap
};

class WindowJob {
 public:
  WindowJob(const JobDescription& job, std::string_view command, JobGuard& guard)
      : job_(job),
        guard_(guard),
        observer_(guard.observer()),
        cancellation_(guard.cancellation()),
        result_(command),
        runner_(job_, result_, observer_),
        stages_(state_, result_, guard.counters(), guard.pace(), observer_) {}

  JobResult run() { return settled(run_stages()); }
  JobResult run_swap_alone() { return settled(swap_alone()); }

 private:
  Result<void> claim() {
    IssueSink sink;
    if (!job_.dry_run) sink = [this](Issue issue) { report(std::move(issue)); };
    auto claimed = WindowState::open(job_, cancellation_, std::move(sink));
    if (claimed) {
      state_ = *std::move(claimed);
      state_->tell_waits(guard_.counters().lock_waits);
      return {};
    }
    // Whether writes are refused is told all the same.
    if (claimed.error().code == "target-in-use") {
      if (auto read = WindowState::open(job_, cancellation_)) state_ = *std::move(read);
    }
    return std::move(claimed).error();
  }

  void begin(const std::string& job_id) {
    result_.job = job_id;
    observer_.job_started(job_id, guard_.counters());
  }

  /// A gate that found differences has run to its end: no error, but not a success.
  JobResult settled(Result<void> ended) {
    if (!ended && result_.verdict == Verdict::differs) {
      const Error& error = ended.error();
      report({Severity::error, error.code, error.message, error.where, error.hint});
    } else if (!ended) {
      result_.error = std::move(ended).error();
    }
    tell_fence();
    return std::move(result_);
  }

  Result<void> open() {
    PGFANOUT_TRY(claim());
    auto& entry = state_->entry();
    if (entry) {
      PGFANOUT_TRY(finish_copy(state_->target(), state_->source(), *entry, state_->patience(),
                               cancellation_));
    }
    if (job_.window.release) return {};
    bool is_moved = entry && entry->is_over() && is_same_request(*entry);
    if (is_moved) {
      PGFANOUT_TRY_ASSIGN(is_moved, is_live(*entry));
    }
    const RunStart start = start_of_run(entry, job_.restart, is_moved);
    switch (start) {
      case RunStart::new_job:
        if (entry && entry->state == "swapped") PGFANOUT_TRY(check_gate_of(*entry));
        entry.reset();
        break;
      case RunStart::already_swapped:
        is_swapped_ = true;
        break;
      case RunStart::refuse_copy:
      case RunStart::refuse_undone:
        return *refusal_of(start, *entry, state_->target_qualified());
      case RunStart::replace_copy:
        PGFANOUT_TRY(check_nothing_stays(state_->target(), *entry));
        PGFANOUT_TRY(check_source_has_its_rows(state_->target(), state_->source(), *entry));
        PGFANOUT_TRY(lift_copy_fence(state_->target(), state_->source(), *entry, state_->patience(),
                                     cancellation_));
        PGFANOUT_TRY(drop_made(state_->target(), *entry, JournalRemains::nothing));
        entry.reset();
        break;
      case RunStart::undo_and_begin:
        PGFANOUT_TRY(undo_job(*state_, false));
        entry.reset();
        break;
      case RunStart::go_on:
        break;
    }
    begin(entry ? entry->job : new_job_id());
    if (!entry) return state_->take_job(result_.job);
    PGFANOUT_TRY(runner_.open_journal(state_->journal(), is_swapped_));
    return start == RunStart::go_on ? tell_resumed() : Result<void>();
  }

  /// From the first second on, whatever it then waits for.
  Result<void> tell_resumed() {
    const NextStage next =
        next_stage(runner_.records(), job_.window, state_->entry()->has_progress);
    if (next.move != NextStage::Move::run) return {};
    std::string done;
    if (next.stage == "copy" && state_->entry()->has_progress) {
      PGFANOUT_TRY_ASSIGN(done, CopyJournal(state_->target(), result_.job).committed_text());
    } else if (contains(kLeafStages, next.stage)) {
      PGFANOUT_TRY_ASSIGN(const auto steps, state_->journal().steps_done());
      done = counted(steps.size(), "step is done", "steps are done");
    }
    report({Severity::info, "resumed",
            fmt::format("resuming job {} with the stage {}{}; checking first what may have changed"
                        " since",
                        result_.job, next.stage, done.empty() ? "" : ": " + done),
            job_.table});
    return {};
  }

  /// Another job does not begin behind the back of a gate that waits.
  Result<void> check_gate_of(const JournalEntry& swapped) {
    PGFANOUT_TRY_ASSIGN(const auto stages, state_->journal().stages());
    if (!gate_behind_swap_holds(stages, {})) return {};
    return interrupted(
        "gate",
        fmt::format("job {} has swapped this table, and waits at the gate of swap", swapped.job),
        "let it pass by 'pgfanout run --confirm swap' without other settings, then run the same "
        "command again",
        job_.table);
  }

  /// Asks for the same move of the same table as a swapped job did, or says nothing: a second move
  /// of the moved table must be asked for.
  bool is_same_request(const JournalEntry& entry) {
    if (entry.state != "swapped") return false;
    const JobDescription then = with_request({}, entry.request);
    JobDescription now = job_;
    if (now.key.empty()) now.key = entry.key;
    if (now.key_column.empty()) now.key_column = then.key_column;
    if (!now.partitions) now.partitions = then.partitions;
    if (!now.key_mode) now.key_mode = then.key_mode;
    return request_differences(entry.request, request_of(now, now.key)).empty();
  }

  /// The table in use is the one that the job made, and not another one under its name.
  Result<bool> is_live(const JournalEntry& entry) {
    PGFANOUT_TRY_ASSIGN(const Table table, describe_table(state_->target(), job_.table));
    return contains(entry.made, table.oid, &MadeRelation::oid);
  }

  /// Only lifts the fence. The job cannot be resumed after that, since the source may change.
  Result<void> release() {
    const auto& entry = state_->entry();
    const Release which = release_of(entry);
    if (which == Release::no_job) {
      return refused("no-job", "no unfinished job has a fence on this table",
                     "'pgfanout status' shows the last job", job_.table);
    }
    begin(entry->job);
    PGFANOUT_TRY(check_fence_place(state_->target(), state_->source(), *entry));
    result_.verdict = Verdict::match;
    if (which == Release::live) {
      // A rollback that was killed leaves the live table fenced; the backup stays so.
      is_swapped_ = true;
      PGFANOUT_TRY(state_->lower_fence("live"));
      report({Severity::info, "released", "writes to the table are allowed", job_.table,
              "the swap is in effect; 'pgfanout rollback' undoes it"});
      return {};
    }
    PGFANOUT_TRY(state_->lower_fence("source"));
    PGFANOUT_TRY(state_->lower_fence("target"));
    report({Severity::info, "released", "writes to the source are allowed again", job_.table,
            "the job cannot be resumed: run it with --restart, or undo it with rollback"});
    return {};
  }

  /// Of a job whose copy was done by an earlier call.
  void show_leaves() {
    const std::vector<StageRecord>& records = runner_.records();
    if (!is_done(records, "copy")) return;
    const LeafState state = is_done(records, "verify")  ? LeafState::verified
                            : is_done(records, "index") ? LeafState::indexed
                                                        : LeafState::proven;
    show_copied_leaves(state_->target(), result_.job, state, guard_.counters().leaves);
  }

  /// Until rows are copied, each call repeats the preflight. Then there is a job, and the journal
  /// has the definition of the source that was planned for.
  Result<void> check_before() {
    const bool is_settled = state_->entry() && is_plan_settled(runner_.records(), job_.window);
    PGFANOUT_TRY_ASSIGN(const Table source, describe_table(state_->source(), job_.table));
    PGFANOUT_TRY_ASSIGN(const auto facts, read_source_facts(state_->source(), source.oid));
    PGFANOUT_TRY(runner_.run_unrecorded("preflight", [this] { return stages_.preflight(); }));
    guard_.set_estimates(stages_.estimates());
    if (stages_.is_present()) return {};
    if (!state_->entry()) {
      PGFANOUT_TRY_ASSIGN(job_, stages_.begin_job());
      PGFANOUT_TRY(runner_.open_journal(state_->journal()));
    }
    if (is_settled) return {};
    return state_->journal().set_fence("carry", facts);
  }

  Result<void> check_plan() {
    if (!state_->entry() || !is_plan_settled(runner_.records(), job_.window)) return {};
    PGFANOUT_TRY_ASSIGN(const Table source, state_->source_table());
    return check_definition(*state_, source);
  }

  Result<void> run_stages() {
    if (job_.assume_quiet || !job_.fence) {
      return refused("no-fence", "a window needs the source fenced against writes until the swap",
                     "leave --assume-quiet and --no-fence out, or use copy and verify");
    }
    PGFANOUT_TRY(open());
    if (job_.window.release) return release();
    if (is_swapped_) {
      PGFANOUT_TRY(runner_.confirm_gates());
      PGFANOUT_TRY(settle_swap());
      if (!result_.waiting_at.empty()) return {};
      report({Severity::info, "already-swapped",
              fmt::format("job {} has moved and swapped this table already: nothing is left to do",
                          result_.job),
              job_.table, "with other settings, or with --restart, the table is moved once more"});
      return {};
    }
    if (state_->entry() && says_nothing(job_)) job_ = with_request(job_, state_->entry()->request);
    PGFANOUT_TRY_ASSIGN(job_, stages_.check_request());
    PGFANOUT_TRY(check_still_fenced(*state_, runner_.records()));
    guard_.counters().fence_stands = is_done(runner_.records(), "prepare");
    PGFANOUT_TRY(check_plan());
    PGFANOUT_TRY(runner_.confirm_gates());
    show_leaves();
    const bool copy_goes_on = state_->entry() && state_->entry()->has_progress;
    bool must_check = !repeats_preflight(runner_.records(), copy_goes_on);
    if (!must_check) PGFANOUT_TRY(check_before());
    if (stages_.is_present()) {
      result_.verdict = Verdict::match;
      return {};
    }
    const std::map<std::string_view, StageRunner::Work> works = {
        {"prepare", [this] { return stages_.prepare(); }},
        {"copy", [this] { return stages_.copy(); }},
        {"index", [this] { return stages_.index(); }},
        {"constraints", [this] { return stages_.constraints(); }},
        {"analyze", [this] { return stages_.analyze(); }},
        {"verify", [this] { return stages_.verify(); }},
        {"swap", [this] { return stages_.swap(); }},
    };
    while (true) {
      const NextStage next = next_stage(runner_.records(), job_.window, copy_goes_on);
      const std::string stage(next.stage);
      if (next.move == NextStage::Move::finish) break;
      if (next.move == NextStage::Move::wait) return runner_.wait_at(stage);
      if (stage == "preflight") {
        PGFANOUT_TRY(runner_.record(stage));
        continue;
      }
      if (cancellation_.is_set()) return cancelled();
      // Before the stage is journaled: a commit may wait for a standby that is gone.
      if (std::exchange(must_check, false)) PGFANOUT_TRY(check_resumed_job(*state_));
      PGFANOUT_TRY(runner_.run(stage, works.at(stage)));
    }
    if (!result_.verdict) result_.verdict = Verdict::match;
    return {};
  }

  /// The tables are swapped: what an interrupted swap left is done, and the gate behind it asked.
  Result<void> settle_swap() {
    result_.verdict = Verdict::match;
    PGFANOUT_TRY(stages_.finish_swap());
    if (!is_done(runner_.records(), "swap")) {
      PGFANOUT_TRY(runner_.record_end(
          "swap", state_->entry()->backup_name +
                      " is the backup; the call was interrupted behind the commit"));
    }
    if (gate_behind_swap_holds(runner_.records(), job_.window)) return runner_.wait_at("swap");
    return {};
  }

  Result<void> swap_alone() {
    PGFANOUT_TRY(claim());
    const auto& entry = state_->entry();
    bool has_left = false;
    if (entry && entry->state == "swapped") {
      PGFANOUT_TRY_ASSIGN(const auto left, state_->journal().undo(UndoPhase::after));
      has_left = !left.empty();
    }
    const SwapStart start = start_of_swap(entry, has_left);
    if (start == SwapStart::swap && entry->is_being_undone) {
      return *refusal_of(RunStart::refuse_undone, *entry, state_->target_qualified());
    }
    const bool is_past = start == SwapStart::settle || start == SwapStart::already_swapped;
    if (is_past && !job_.dry_run) {
      is_swapped_ = true;
      begin(entry->job);
      PGFANOUT_TRY(runner_.open_journal(state_->journal(), true));
      PGFANOUT_TRY(runner_.confirm_gates());
      PGFANOUT_TRY(settle_swap());
      const bool confirms = !job_.window.confirmed.empty();
      if (start == SwapStart::settle || confirms || !result_.waiting_at.empty()) return {};
    }
    if (start != SwapStart::swap) {
      const bool is_swapped = is_past;
      return refused(is_swapped ? "already-swapped" : "no-job",
                     is_swapped ? fmt::format("job {} has swapped this table already", entry->job)
                                : "there is no job whose target could take this table's place",
                     is_swapped
                         ? "nothing is left to do: 'pgfanout cleanup' drops the backup " +
                               entry->backup_name + ", 'pgfanout rollback' takes the swap back"
                         : "'pgfanout run' makes one, 'pgfanout status' shows the last one",
                     job_.table);
    }
    if (says_nothing(job_)) job_ = with_request(std::move(job_), entry->request);
    begin(entry->job);
    PGFANOUT_TRY_ASSIGN(job_, stages_.check_request());
    PGFANOUT_TRY(runner_.open_journal(state_->journal()));
    show_leaves();
    const std::string_view stage = missing_before_swap(runner_.records());
    if (stage.empty()) PGFANOUT_TRY(runner_.confirm_gates());
    const std::string_view gate = gate_before_swap(runner_.records(), job_.window);
    if (!stage.empty()) {
      return refused("not-ready", fmt::format("the job has not passed its stage {}", stage),
                     gate.empty() ? "call 'pgfanout run' again: it resumes there"
                                  : fmt::format("it waits at the gate of {0}: call 'pgfanout run' "
                                                "with --confirm {0}",
                                                gate),
                     job_.table);
    }
    if (!gate.empty() && !job_.dry_run) return runner_.wait_at(std::string(gate));
    if (job_.dry_run) {
      if (!gate.empty()) {
        report({Severity::info, "gate", fmt::format("the gate of {} waits for a person", gate),
                job_.table, fmt::format("the swap itself needs --confirm {}", gate)});
      }
      PGFANOUT_TRY_ASSIGN(result_.statements, swap_statements(*state_));
      result_.verdict = Verdict::match;
      return {};
    }
    PGFANOUT_TRY(check_resumed_job(*state_));
    PGFANOUT_TRY(runner_.run("swap", [this] { return stages_.swap(); }));
    if (gate_holds(runner_.records(), job_.window, "swap")) PGFANOUT_TRY(runner_.wait_at("swap"));
    result_.verdict = result_.verdict == Verdict::differs ? Verdict::differs : Verdict::match;
    return {};
  }

  /// Whether applications can write to the table of that name.
  void tell_fence() {
    if (!state_) return;
    // After a swap the source's fence is the backup's; a rollback fences the live table.
    const bool is_swapped = is_swapped_ || stages_.is_swapped() ||
                            (state_->entry() && state_->entry()->state == "swapped");
    if (!state_->source().is_open() && !cancellation_.at_once().is_set()) {
      auto again = state_->connect_target("target");
      if (again && state_->same_database()) state_->target() = *std::move(again);
    }
    const auto stands = state_->stands(is_swapped ? "live" : "source");
    // A refused preflight leaves no fence; a fence that cannot be read is reported as standing.
    const bool may_stand = !is_swapped && state_->entry() && !state_->entry()->is_over();
    result_.writes_refused = stands ? *stands : may_stand;
  }

  void report(Issue issue) {
    observer_.issue_found(issue);
    result_.issues.push_back(std::move(issue));
  }

  JobDescription job_;
  JobGuard& guard_;
  Observer& observer_;
  const Cancellation& cancellation_;
  JobResult result_;
  StageRunner runner_;
  std::optional<WindowState> state_;  // claim
  WindowStages stages_;
  bool is_swapped_ = false;
};

}  // namespace

JobResult run_window(const JobDescription& job, Observer& observer,
                     const Cancellation& cancellation) {
  JobGuard guard(job, "run", observer, cancellation);
  return guard.settled(
      without_exceptions("run", [&] { return WindowJob(job, "run", guard).run(); }));
}

JobResult run_swap(const JobDescription& job, Observer& observer,
                   const Cancellation& cancellation) {
  JobGuard guard(job, "swap", observer, cancellation);
  return guard.settled(
      without_exceptions("swap", [&] { return WindowJob(job, "swap", guard).run_swap_alone(); }));
}

}  // namespace pgfanout
