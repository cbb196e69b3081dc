#include "copier/preflight/preflight.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/toml_string.h"
#include "copier/pg/transaction.h"
#include "copier/preflight/preflight_checks.h"

namespace pgfanout {
namespace {

Result<void> check_carry(PreflightRun& run) {
  for (const NotCarried& object : run.carry.not_carried) {
    const std::string accept = fmt::format("{} {}", object.kind, object.name);
    run.add(object.is_accepted ? Severity::warning : Severity::error, "not-carried",
            fmt::format(
                "{} {}: {}", accept,
                object.is_changed ? "changes when it is carried over" : "cannot be carried over",
                object.reason),
            run.plan.source.qualified,
            object.is_accepted
                ? "accepted by the job; " + object.choices
                : fmt::format("{}; to {}, write accept = [{}] in the job file", object.choices,
                              object.is_changed ? "accept the change" : "go without it",
                              toml_string(accept)));
  }
  return {};
}

Result<void> check_impact(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(run.found.impact, find_impact(run.job, run.plan, run.carry, run.source));
  return {};
}

struct Check {
  const char* of;  ///< Subject that was not checked if it fails.
  Result<void> (*run)(PreflightRun&);
  /// Of the checks that are repeated when a job is resumed, since others change meanwhile what they
  /// are about: the smallest scope that has this one.
  CheckScope repeated = CheckScope::all;
};
constexpr CheckScope kInWindows = CheckScope::resumed_window;
constexpr CheckScope kAlways = CheckScope::resumed_copy;

constexpr Check kChecks[] = {
    {"rights on the tables", check_rights, kInWindows},
    {"rights on related objects", check_related_rights, kInWindows},
    {"the places of the tables", check_tables},
    {"settings", check_target_settings, kAlways},
    {"synchronous standbys", check_standbys, kAlways},
    {"links", check_links},
    {"connections", check_connections, kAlways},
    {"row-level security", check_row_security},
    {"replication", check_replication},
    {"columns", check_columns},
    {"the application's code", check_user_code},
    {"the application's queries", check_application_queries},
    {"the queries in other layouts", check_layouts},
    {"lists of indexes", check_index_lists},
    {"disk space", check_space, kAlways},
    {"slots and archiving", check_wal_keepers, kAlways},
    {"locks of the swap", check_swap_locks, kInWindows},
    {"sessions that would block the swap", check_blockers, kInWindows},
    {"prepared transactions", check_prepared_transactions, kInWindows},
    {"wraparound", check_wraparound, kInWindows},
    {"old snapshots", check_snapshots, kInWindows},
    {"the constraints on sampled rows", check_rules},
    {"the rows' parents", check_parents},
    {"the leaves' sizes", check_skew},
    {"states that are carried over", check_states},
    {"the stored keys", check_stored_keys},
    {"the rules of the job file", check_own_rules},
    {"the objects to carry over", check_carry},
    {"the migration tools", check_migration_tools},
    {"the impact on the application", check_impact},
    {"the times of the stages", check_times},
};

/// Unknown is a failure: a check that could not be made is a no-go.
Result<void> run_check(const Check& check, PreflightRun& run) {
  if (run.cancellation.is_set()) return interrupted("cancelled", "stopped on request");
  const auto checked = in_savepoint(
      run.source, [&] { return in_savepoint(run.target, [&] { return check.run(run); }); });
  if (!run.source.is_open() || !run.target.is_open()) {
    return interrupted("connection-lost", "a server ended the connection during the preflight",
                       "run the command again", run.plan.source.qualified);
  }
  if (checked) return {};
  const Error& error = checked.error();
  run.add(Severity::error, "check-not-run",
          fmt::format("could not check {}: {}{}", check.of, error.message,
                      error.sqlstate.empty() ? "" : fmt::format(" ({})", error.sqlstate)),
          error.where.empty() ? run.plan.source.qualified : error.where,
          error.hint.empty() ? "run the plan as a role that can make this check" : error.hint);
  return {};
}

bool is_reason(const Issue& issue) {
  return issue.severity == Severity::critical || issue.severity == Severity::error;
}

Result<std::string> role_of(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query("SELECT quote_ident(CURRENT_USER)"));
  return row.str(0, 0);
}

}  // namespace

std::optional<Error> no_go_of(const std::vector<Issue>& issues, const std::string& hint,
                              const std::string& where) {
  const auto reasons = std::count_if(issues.begin(), issues.end(), is_reason);
  if (reasons == 0) return std::nullopt;
  return refused("no-go", fmt::format("{} reason{} not to begin", reasons, reasons == 1 ? "" : "s"),
                 hint, where);
}

Result<Preflight> check_before_window(const JobDescription& job, const CopyPlan& plan,
                                      const CarryPlan& carry, Connection& source,
                                      Connection& target, const Cancellation& cancellation,
                                      CheckScope scope) {
  PreflightRun run{
      job, plan, carry, source, target, cancellation, plan.source_server, plan.target_server,
      {},  {},   {}};
  run.is_resumed = scope != CheckScope::all;
  PGFANOUT_TRY_ASSIGN(run.source_role, role_of(source));
  PGFANOUT_TRY_ASSIGN(run.target_role, role_of(target));
  for (const Check& check : kChecks) {
    if (check.repeated <= scope) PGFANOUT_TRY(run_check(check, run));
  }
  return std::move(run.found);
}

Result<void> check_before_resuming(const JobDescription& job, const CopyPlan& plan,
                                   CheckScope scope, Connection& source, Connection& target,
                                   const Cancellation& cancellation, const IssueSink& report) {
  const CarryPlan nothing;
  PGFANOUT_TRY_ASSIGN(Preflight found,
                      check_before_window(job, plan, nothing, source, target, cancellation, scope));
  for (Issue& issue : found.issues) {
    // The command copy swaps nothing, and has no --accept.
    const bool may_wait = scope == CheckScope::resumed_copy && issue.code == "standby-missing";
    if (may_wait) issue.severity = Severity::warning;
    // Notes were told before the job began.
    if (issue.severity != Severity::info) report(issue);
  }
  if (auto no_go = no_go_of(found.issues,
                            "nothing was changed by this call; once each is mended, "
                            "the same command resumes the job",
                            plan.source.qualified)) {
    return *std::move(no_go);
  }
  return {};
}

}  // namespace pgfanout
