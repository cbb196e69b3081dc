// The plan command: go or no-go, and what would be done. Reads only.
#include <fmt/format.h>

#include "copier/catalog/source_range.h"
#include "copier/copy/table_copy.h"
#include "copier/plan/copy_plan.h"
#include "copier/session/reporting_job.h"
#include "copier/watch/deadline.h"
#include "copier/window/commands.h"
#include "copier/window/rules.h"
#include "copier/window/state.h"
#include "copier/window/swap.h"
#include "copier/window/swap_script.h"
#include "copier/window/window_plan.h"

namespace pgfanout {
namespace {

/// Whether a window that begins now makes its deadline.
Issue deadline_issue(ClockTime finish_by, ClockTime now,
                     const std::vector<StageEstimate>& estimates) {
  const std::optional<Span> left =
      estimates.empty() ? std::nullopt : std::optional(span_of(estimates));
  const DeadlineState state = judge_deadline(finish_by, now, left, TurningBack());
  const bool is_fine = state.outlook == DeadlineState::Outlook::makes_it;
  return {
      is_fine ? Severity::info : Severity::warning, "deadline",
      "begun now, the window would be " + state.advice, "",
      is_fine ? "" : "begin earlier, or move the deadline; --stop-at-deadline stops it in time"};
}

class PlanJob : ReportingJob {
 public:
  PlanJob(const JobDescription& job, Observer& observer, const Cancellation& cancellation)
      : ReportingJob("plan", observer), job_(job), cancellation_(cancellation) {
    job_.dry_run = true;  // Nothing is locked or claimed.
  }

  JobResult run(bool prints_sql) {
    observer_.job_started("plan", counters_);
    auto ended = clock_.run("plan", [&] { return plan(prints_sql); });
    if (!ended) result_.error = std::move(ended).error();
    return std::move(result_);
  }

 private:
  Result<void> plan(bool prints_sql) {
    PGFANOUT_TRY_ASSIGN(WindowState state, WindowState::open(job_, cancellation_));
    if (const auto& entry = state.entry(); entry && !entry->is_over()) {
      // As run would.
      const RunStart start = start_of_run(entry, job_.restart, false);
      if (auto refusal = refusal_of(start, *entry, state.target_qualified())) return *refusal;
      if (start == RunStart::go_on) {
        PGFANOUT_TRY_ASSIGN(const auto stages, state.journal().stages());
        PGFANOUT_TRY(check_still_fenced(state, stages));
      }
      return refused("unfinished-job",
                     fmt::format("job {} into this target was begun at {} and is not finished",
                                 entry->job, entry->started_at),
                     "'pgfanout run' resumes it, 'pgfanout rollback' undoes it",
                     state.target_qualified());
    }
    PGFANOUT_TRY_ASSIGN(const WindowPlan plan,
                        make_window_plan(state, [this](Issue issue) { report(std::move(issue)); }));
    const CopyPlan& copy = plan.copy;
    result_.source = {copy.source.qualified,
                      copy.source.estimated_rows,
                      {},
                      state.source().server_version_text()};
    if (plan.is_present) {
      result_.verdict = Verdict::match;
      return {};
    }
    result_.target = {copy.target.qualified, 0, {}, state.target().server_version_text()};
    result_.details = PlanResult{plan.impact, plan.layouts, plan.estimates, plan.locks};
    if (job_.watch.finish_by) {
      report(deadline_issue(*job_.watch.finish_by, job_.watch.clock(), plan.estimates));
    }
    if (prints_sql) PGFANOUT_TRY(add_statements(plan));
    if (auto no_go = no_go_of(plan.issues, "each is told above with what to do about it",
                              copy.source.qualified)) {
      return *std::move(no_go);
    }
    result_.verdict = Verdict::match;
    return {};
  }

  /// All SQL of the window, in order.
  Result<void> add_statements(const WindowPlan& window) {
    const CopyPlan& plan = window.copy;
    const CarryPlan& carry = window.carry;
    auto& statements = result_.statements;
    const auto add = [&](const std::string& heading, const std::vector<std::string>& more) {
      statements.push_back("-- " + heading);
      statements.insert(statements.end(), more.begin(), more.end());
    };
    const auto add_steps = [&](const std::string& heading, const std::vector<CarryStep>& steps) {
      statements.push_back("-- " + heading);
      for (const CarryStep& step : steps) statements.push_back(step.sql);
    };
    add("prepare: writes to the source are refused from here on",
        Fence("<job>", "source").raise_statements(plan.source));
    add("copy", copy_statements(plan, progress_of(plan), {}, TableLock::behind_fence));
    add_steps("index: on leaves, side by side", carry.leaf_indexes);
    add_steps("index: on the parent", carry.parent_indexes);
    const LeafStage last = last_leaf_stage(LeafStage::index, job_.window.confirm_at);
    add_steps(last == LeafStage::index ? "constraints: on leaves, side by side"
                                       : "constraints: on leaves, each behind its indexes",
              carry.leaf_constraints);
    add_steps("constraints: on the parent", carry.parent_constraints);
    add_steps("constraints: triggers, grants and the like", carry.attributes);
    add(last == LeafStage::analyze ? "analyze: each leaf behind its constraints, then the parent"
                                   : "analyze",
        {"ANALYZE " + plan.target.qualified});
    if (!plan.same_database || plan.source.schema != plan.target.schema) {
      statements.push_back("-- swap: not possible, source and target are in different places");
      return {};
    }
    if (!taken_names(window.names, carry, window.holders).empty()) {
      statements.push_back("-- swap: not possible, names that it needs are taken");
      return {};
    }
    PGFANOUT_TRY_ASSIGN(const SwapScript script,
                        make_swap_script(window.names, carry, window.holders));
    add("swap: in one transaction", script.forward);
    if (!script.after.empty()) add("after the swap", script.after);
    return {};
  }

  JobDescription job_;
  const Cancellation& cancellation_;
  JobCounters counters_;
};

}  // namespace

JobResult run_plan(const JobDescription& job, Observer& observer,
                   const Cancellation& cancellation) {
  return without_exceptions("plan",
                            [&] { return PlanJob(job, observer, cancellation).run(job.dry_run); });
}

}  // namespace pgfanout
