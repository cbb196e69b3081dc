// The run and swap commands: the stages of a maintenance window in order, each behind a gate.
#include <fmt/format.h>

#include <exception>
#include <map>

#include "copier/copy/give_up.h"
#include "copier/journal/copy_journal.h"
#include "copier/journal/job_request.h"
#include "copier/journal/journal.h"
#include "copier/key/key_plan.h"
#include "copier/session/job_guard.h"
#include "copier/session/reporting_job.h"
#include "copier/window/after_load.h"
#include "copier/window/analyze_stage.h"
#include "copier/window/undo_window.h"
#include "copier/window/window_commands.h"
#include "copier/window/window_rules.h"
#include "copier/window/window_stages.h"
#include "copier/window/window_state.h"
#include "copier/window/window_work.h"

namespace pgfanout {
namespace {

class WindowJob {
 public:
  WindowJob(const JobDescription& job, JobGuard& guard)
      : job_(job),
        guard_(guard),
        observer_(guard.observer()),
        cancellation_(guard.cancellation()),
        counters_(guard.counters()),
        pace_(guard.pace()),
        stages_(job_, result_, observer_),
        work_(job_, state_, result_, counters_, pace_, observer_, cancellation_) {
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
  Result<void> settle_swap();
  Result<void> open();
  bool is_same_request(const JournalEntry& entry);
  Result<void> release();
  Result<void> check_before();
  Result<void> check_still_fenced();
  void tell_fence();
  void show_leaves();
  void report(Issue issue) { work_.report(std::move(issue)); }

  JobDescription job_;
  JobGuard& guard_;
  Observer& observer_;
  const Cancellation& cancellation_;
  JobResult result_;
  JobCounters& counters_;
  Pace& pace_;
  WindowStages stages_;
  std::optional<WindowState> state_;  // open
  WindowWork work_;
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
  if (entry) {
    PGFANOUT_TRY(
        finish_copy(state_->target(), state_->source(), *entry, state_->patience(), cancellation_));
  }
  if (job_.window.release) return {};
  const RunStart start =
      start_of_run(entry, job_.restart, entry && entry->is_over() && is_same_request(*entry));
  switch (start) {
    case RunStart::new_job:
      entry.reset();
      break;
    case RunStart::already_swapped:
      is_swapped_ = true;
      break;
    case RunStart::refuse_copy:
      return refused("unfinished-job",
                     fmt::format("a copy into this target was begun at {} and not finished (job "
                                 "{})",
                                 entry->started_at, entry->job),
                     "run the same command with --restart: it drops what that copy made",
                     state_->target_qualified());
    case RunStart::replace_copy:
      PGFANOUT_TRY(check_nothing_stays(state_->target(), *entry));
      PGFANOUT_TRY(lift_copy_fence(state_->target(), state_->source(), *entry, state_->patience(),
                                   cancellation_));
      PGFANOUT_TRY(drop_made(state_->target(), *entry, JournalRemains::nothing));
      entry.reset();
      break;
    case RunStart::undo_and_begin:
      PGFANOUT_TRY(
          undo_window(job_, *state_, cancellation_, [this](Issue issue) { report(issue); }));
      entry.reset();
      break;
    case RunStart::go_on:
      break;
  }
  result_.job = entry ? entry->job : new_job_id();
  observer_.job_started(result_.job, counters_);
  if (!entry) return state_->take_job(result_.job);
  return stages_.open_journal(state_->journal());
}

/// Asks for the same move of the same table as a swapped job did: a second move of the moved table
/// must be asked for.
bool WindowJob::is_same_request(const JournalEntry& entry) {
  if (entry.state != "swapped") return false;
  std::string key = entry.key;
  if (!job_.key.empty()) {
    const auto live = describe_table(state_->source(), job_.table);
    const auto compiled = live ? compile_key(job_, *live) : Result<KeyExpression>(live.error());
    if (compiled) key = compiled->sql();
  }
  return request_differences(entry.request, request_of(job_, key)).empty();
}

/// Only lifts the fence. The job cannot be resumed after that, since the source may change.
Result<void> WindowJob::release() {
  const auto& entry = state_->entry();
  const Release which = release_of(entry);
  if (which == Release::no_job) {
    return refused("no-job", "no unfinished job has a fence on this table",
                   "'pgfanout status' tells where the last job stands", job_.table);
  }
  result_.job = entry->job;
  observer_.job_started(result_.job, counters_);
  PGFANOUT_TRY(check_fence_place(state_->target(), state_->source(), *entry));
  result_.verdict = Verdict::match;
  if (which == Release::live) {
    // A rollback that was killed leaves the live table fenced; the backup stays so.
    is_swapped_ = true;
    PGFANOUT_TRY(state_->fence("live").lower(state_->target(), state_->patience(), cancellation_));
    report({Severity::info, "released", "writes to the table are allowed", job_.table,
            "the swap stands; 'pgfanout rollback' takes it back"});
    return {};
  }
  PGFANOUT_TRY(state_->fence("source").lower(state_->source(), state_->patience(), cancellation_));
  PGFANOUT_TRY(state_->fence("target").lower(state_->target(), state_->patience(), cancellation_));
  report({Severity::info, "released", "writes to the source are allowed again", job_.table,
          "the job cannot go on: run it with --restart, or undo it with rollback"});
  return {};
}

/// Once raised, the fence stands until the job's end; a job whose fence was lifted cannot be
/// resumed.
Result<void> WindowJob::check_still_fenced() {
  if (!is_done(stages_.records(), "prepare")) return {};
  PGFANOUT_TRY_ASSIGN(const bool stands, state_->fence("source").stands(state_->source()));
  if (stands) return {};
  return refused("fence-lifted",
                 "the fence around the source was lifted: what was copied may not be what is there",
                 "begin anew with --restart, or undo the job with rollback", job_.table);
}

/// Of a job whose copy was done by an earlier call.
void WindowJob::show_leaves() {
  const std::vector<StageRecord>& records = stages_.records();
  if (!is_done(records, "copy")) return;
  const LeafState state = is_done(records, "verify")  ? LeafState::verified
                          : is_done(records, "index") ? LeafState::indexed
                                                      : LeafState::proven;
  show_copied_leaves(state_->target(), result_.job, state, counters_.leaves);
}

/// Until rows are copied, each call repeats the preflight. Then there is a job.
Result<void> WindowJob::check_before() {
  PGFANOUT_TRY(stages_.run_unrecorded("preflight", [this] { return work_.preflight(); }));
  guard_.set_estimates(work_.estimates());
  if (state_->entry()) return {};
  PGFANOUT_TRY(work_.begin_job());
  return stages_.open_journal(state_->journal());
}

Result<void> WindowJob::run_stages() {
  if (job_.assume_quiet || !job_.fence) {
    return refused("no-fence", "a window needs the source fenced against writes until the swap",
                   "leave --assume-quiet and --no-fence out, or use copy and verify");
  }
  PGFANOUT_TRY(open());
  if (job_.window.release) return release();
  if (is_swapped_) {
    result_.verdict = Verdict::match;
    PGFANOUT_TRY(work_.finish_swap());
    report({Severity::info, "already-swapped",
            fmt::format("job {} has moved and swapped this table already: nothing is left to do",
                        result_.job),
            job_.table, "with other settings, or with --restart, the table is moved once more"});
    return {};
  }
  PGFANOUT_TRY(work_.check_request());
  PGFANOUT_TRY(check_still_fenced());
  show_leaves();
  const bool copy_goes_on = state_->entry() && state_->entry()->has_progress;
  if (repeats_preflight(stages_.records(), copy_goes_on)) PGFANOUT_TRY(check_before());
  const AfterLoad after_load{job_, *state_, counters_, pace_, cancellation_};
  const std::map<std::string_view, WindowStages::Work> works = {
      {"prepare", [this] { return work_.prepare(); }},
      {"copy", [this] { return work_.copy(); }},
      {"index", [&] { return build_indexes(after_load); }},
      {"constraints", [&] { return add_constraints(after_load); }},
      {"analyze", [&] { return analyze_target(after_load); }},
      {"verify", [this] { return work_.verify(); }},
      {"swap", [this] { return work_.swap(); }},
  };
  while (true) {
    const NextStage next = next_stage(stages_.records(), job_.window, copy_goes_on);
    const std::string stage(next.stage);
    if (next.move == NextStage::Move::finish) break;
    if (next.move == NextStage::Move::wait) return stages_.wait_at(stage);
    if (stage == "preflight") {
      PGFANOUT_TRY(stages_.record(stage));
      continue;
    }
    if (cancellation_.is_set()) return interrupted("cancelled", "stopped on request");
    PGFANOUT_TRY(stages_.run(stage, works.at(stage)));
  }
  if (result_.verdict == Verdict::unproven) result_.verdict = Verdict::match;
  return {};
}

/// A swap that was interrupted behind its commit.
Result<void> WindowJob::settle_swap() {
  result_.job = state_->entry()->job;
  is_swapped_ = true;
  result_.verdict = Verdict::match;
  observer_.job_started(result_.job, counters_);
  return work_.finish_swap();
}

Result<void> WindowJob::swap_alone() {
  PGFANOUT_TRY_ASSIGN(state_, WindowState::open(job_, true));
  const auto& entry = state_->entry();
  bool has_left = false;
  if (entry && entry->state == "swapped") {
    PGFANOUT_TRY_ASSIGN(const auto left, state_->journal().undo(UndoPhase::after));
    has_left = !left.empty();
  }
  const SwapStart start = start_of_swap(entry, has_left);
  if (start == SwapStart::settle) return settle_swap();
  if (start != SwapStart::swap) {
    const bool is_swapped = start == SwapStart::already_swapped;
    return refused(is_swapped ? "already-swapped" : "no-job",
                   is_swapped ? fmt::format("job {} has swapped this table already", entry->job)
                              : "there is no job whose target could take this table's place",
                   "'pgfanout run' makes one, 'pgfanout status' tells where the last one stands",
                   job_.table);
  }
  result_.job = entry->job;
  // A call that only names the table means the job as it was begun.
  const bool says_nothing = job_.key.empty() && request_of(job_, "") == request_of({}, "");
  if (says_nothing) job_ = with_request(std::move(job_), entry->request);
  observer_.job_started(result_.job, counters_);
  PGFANOUT_TRY(work_.check_request());
  PGFANOUT_TRY(stages_.open_journal(state_->journal()));
  show_leaves();
  if (const std::string_view stage = missing_before_swap(stages_.records()); !stage.empty()) {
    return refused("not-ready", fmt::format("the job has not passed its stage {}", stage),
                   "call 'pgfanout run' again: it goes on there", job_.table);
  }
  PGFANOUT_TRY(stages_.run("swap", [this] { return work_.swap(); }));
  if (gate_holds(stages_.records(), job_.window, "swap")) PGFANOUT_TRY(stages_.wait_at("swap"));
  result_.verdict = result_.verdict == Verdict::differs ? Verdict::differs : Verdict::match;
  return {};
}

/// Whether applications can write to the table of that name.
void WindowJob::tell_fence() {
  if (!state_ || !state_->source().is_open()) return;
  // After a swap the source's fence is the backup's; a rollback fences the live table.
  const bool is_swapped =
      is_swapped_ || work_.is_swapped() || (state_->entry() && state_->entry()->state == "swapped");
  const auto stands = state_->fence(is_swapped ? "live" : "source").stands(state_->source());
  // A refused preflight leaves no fence; a fence that cannot be looked at is reported as standing.
  result_.writes_refused = !stands || *stands;
}

}  // namespace

JobResult run_window(const JobDescription& job, Observer& observer,
                     const Cancellation& cancellation) {
  JobGuard guard(job, "run", observer, cancellation);
  try {
    return guard.settled(WindowJob(job, guard).run());
  } catch (const std::exception& exception) {
    return stopped_by(exception, "run");
  }
}

JobResult run_swap(const JobDescription& job, Observer& observer,
                   const Cancellation& cancellation) {
  JobGuard guard(job, "swap", observer, cancellation);
  try {
    return guard.settled(WindowJob(job, guard).run_swap_alone());
  } catch (const std::exception& exception) {
    return stopped_by(exception, "swap");
  }
}

}  // namespace pgfanout
