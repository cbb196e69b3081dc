#include "copier/preflight/preflight.h"

#include <fmt/format.h>

#include <algorithm>

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
                : fmt::format("{}; to {}, write accept = [\"{}\"] in the job file", object.choices,
                              object.is_changed ? "accept the change" : "go without it", accept));
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
};

constexpr Check kChecks[] = {
    {"rights on the tables", check_rights},
    {"rights on related objects", check_related_rights},
    {"settings", check_settings},
    {"synchronous standbys", check_standbys},
    {"links", check_links},
    {"connections", check_connections},
    {"row-level security", check_row_security},
    {"replication", check_replication},
    {"columns", check_columns},
    {"the application's code", check_user_code},
    {"the application's queries", check_application_queries},
    {"lists of indexes", check_index_lists},
    {"disk space", check_space},
    {"slots and archiving", check_wal_keepers},
    {"locks of the swap", check_swap_locks},
    {"sessions that would block the swap", check_blockers},
    {"prepared transactions", check_prepared_transactions},
    {"wraparound", check_wraparound},
    {"old snapshots", check_snapshots},
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
                                      Connection& target, const Cancellation& cancellation) {
  PreflightRun run{
      job, plan, carry, source, target, cancellation, plan.source_server, plan.target_server,
      {},  {},   {}};
  PGFANOUT_TRY_ASSIGN(run.source_role, role_of(source));
  PGFANOUT_TRY_ASSIGN(run.target_role, role_of(target));
  for (const Check& check : kChecks) PGFANOUT_TRY(run_check(check, run));
  return std::move(run.found);
}

}  // namespace pgfanout
