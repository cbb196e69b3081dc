#include "copier/window/window_plan.h"

#include <fmt/format.h>

#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/columns/column_plan.h"
#include "copier/key/key_plan.h"
#include "copier/layout/layout.h"
#include "copier/plan/new_target.h"
#include "copier/window/way_back.h"

namespace pgfanout {
namespace {

/// Finds the holders of the names that the swap will need; none where no swap is possible.
Result<void> find_names(WindowState& state, WindowPlan& plan) {
  const CopyPlan& copy = plan.copy;
  if (!copy.same_database || copy.source.schema != copy.target.schema) return {};
  plan.names = {copy.source.schema, copy.source.name, copy.target.name, "YYYYMMDD_HHMMSS", {}, {}};
  std::vector<std::string> leaves;
  if (!copy.target.is_plain()) leaves = parts_of(copy.target.leaves, &TargetLeaf::name);
  const std::string& pattern = state.job().target.leaf_name;
  plan.names.leaves =
      leaf_renames(*copy.target.layout, leaves, copy.target.name, copy.source.name, pattern);
  if (copy.commits.sets_aside) {
    plan.names.leaves.emplace_back(reject_table_name(copy.target.name),
                                   reject_table_name(copy.source.name));
  }
  PGFANOUT_TRY_ASSIGN(plan.names.given_up,
                      own_leaf_names(copy.source, copy.key.expression, pattern));
  PGFANOUT_TRY_ASSIGN(plan.holders,
                      find_swap_holders(state.source(), plan.names, plan.carry, copy.source.oid));
  return {};
}

/// Which way back rows have that are written after the swap.
Result<Issue> plan_way_back_of(const JobDescription& job, const CopyPlan& copy,
                               Connection& source) {
  std::vector<NewColumn> columns;
  for (const StreamColumn& column : copy.stream.columns) {
    // The key's column has the type of what its expression gives.
    columns.push_back(
        {column.target_column, column.type_sql.empty() ? "int4" : column.type_sql, false});
  }
  auto checked = check_rollback_map(source, job, copy.source, columns);
  if (!checked) {
    Error& error = checked.error();
    if (error.code != "bad-rollback-map") return std::move(error);
    return Issue{Severity::error, error.code, error.message, error.where, error.hint};
  }
  const std::string key_column = copy.key.column.value_or(key_column_name(job, copy.source));
  const bool is_same_key = !copy.job_key.replaces_other_key;
  return issue_of(plan_way_back(job, copy.source, columns, key_column,
                                is_same_key ? copy.key.sql_on_target : ""),
                  copy.source);
}

/// Whether a swap would give the table the layout that it has, and change nothing else.
bool is_present(WindowState& state, const CopyPlan& copy) {
  const JobDescription& job = state.job();
  // A job that was begun is gone on with, as after --restart.
  if (state.entry() && !state.entry()->is_over()) return false;
  return copy.job_key.is_present && copy.same_database &&
         copy.source.schema == copy.target.schema && job.map.empty() && job.skip.empty() &&
         job.window.views.empty() && job.target.indexes.empty() && job.target.columns.empty() &&
         job.target.sequences.empty() && job.target.leaf_name.empty() && !job.restart;
}

}  // namespace

void add_references_first(const CarryPlan& carry, CopyPlan& plan) {
  if (!plan.commits.sets_aside || !plan.target.is_new) return;
  for (const CarriedReference& each : carry.references) {
    if (each.is_accepted || each.is_to_itself) continue;
    for (std::size_t leaf = 0; leaf < plan.target.leaves.size(); ++leaf) {
      plan.ddl.checks[leaf].push_back(
          fmt::format("ALTER TABLE {} {}", plan.target.leaves[leaf].qualified, each.clause));
    }
  }
}

Result<void> check_resumed_job(WindowState& state) {
  PGFANOUT_TRY_ASSIGN(Table source, state.source_table());
  PGFANOUT_TRY_ASSIGN(const Table target, state.target_table());
  TableRequest tables = state.job();
  tables.key = state.entry()->key;
  PGFANOUT_TRY_ASSIGN(KeyExpression key, compile_key(tables, source));
  CopyPlan plan(std::move(key));
  PGFANOUT_TRY_ASSIGN(plan.source_server, read_server_facts(state.source()));
  PGFANOUT_TRY_ASSIGN(plan.target_server, read_server_facts(state.target()));
  plan.same_database = state.same_database();
  plan.source = std::move(source);
  plan.target.schema = target.schema;
  plan.target.name = target.name;
  plan.target.qualified = target.qualified;
  // Until the copy is done, they are not attached.
  for (const MadeRelation& made : state.entry()->made) {
    plan.target.leaves.push_back({target.schema, made.name, made.name, made.oid});
  }
  plan.connections.readers = 0;
  return check_before_resuming(state.job(), plan, CheckScope::resumed_window, state.source(),
                               state.target(), state.cancellation(),
                               [&](Issue issue) { state.report(std::move(issue)); });
}

Result<WindowPlan> make_window_plan(WindowState& state, const IssueSink& report) {
  Connection& source = state.source();
  Connection& target = state.target();
  PGFANOUT_TRY_ASSIGN(CopyPlan copy, make_copy_plan(state.job(), source, target));
  const JobDescription job = as_recorded(state.job(), copy.job_key);
  const bool present = is_present(state, copy);
  WindowPlan plan{std::move(copy), {}, {}, {}, {}, {}, {}, {}, present};
  if (plan.is_present) {
    report(
        {Severity::info, "nothing-to-do",
         fmt::format("{} is in this layout already: nothing is to do", plan.copy.source.qualified),
         plan.copy.source.qualified,
         "to move it all the same, for example to get rid of bloat, use run --restart"});
    return plan;
  }
  const auto tell = [&](const std::vector<Issue>& issues) {
    for (const Issue& issue : issues) {
      plan.issues.push_back(issue);
      report(issue);
    }
  };
  for (Issue issue : plan.copy.issues) {
    // The window carries over the objects that copy alone does not, and is not begun if a row that
    // is set aside would end it.
    if (issue.code == "name-taken") issue.severity = Severity::error;
    if (issue.code != "not-carried") tell({issue});
  }
  PGFANOUT_TRY_ASSIGN(const std::vector<Issue> untaken, try_target(target, plan.copy));
  tell(untaken);
  PGFANOUT_TRY(plan.copy.target.layout->prove(source, plan.copy.source));
  PGFANOUT_TRY_ASSIGN(plan.carry,
                      make_carry_plan(carry_request_of(job, plan.copy), source, target));
  add_references_first(plan.carry, plan.copy);
  tell(plan.carry.issues);
  PGFANOUT_TRY_ASSIGN(Preflight found, check_before_window(job, plan.copy, plan.carry, source,
                                                           target, state.cancellation()));
  tell(found.issues);
  PGFANOUT_TRY(state.fence("source").check_free(source, plan.copy.source));
  if (job.assume_quiet || !job.fence) {
    tell({{Severity::warning, "no-fence",
           "without a fence there is no window: run refuses --assume-quiet and --no-fence",
           plan.copy.source.qualified, "leave them out, or use copy and verify"}});
  }
  plan.impact = std::move(found.impact);
  plan.estimates = std::move(found.estimates);
  plan.locks = std::move(found.locks);
  if (!plan.copy.target.is_new) {
    tell(
        {{Severity::error, "target-exists",
          fmt::format("{} exists already; run makes its target itself", plan.copy.target.qualified),
          plan.copy.target.qualified,
          "drop or rename it, or use copy and verify for a target of your own"}});
    return plan;
  }
  PGFANOUT_TRY(find_names(state, plan));
  if (!plan.names.schema.empty()) {
    PGFANOUT_TRY_ASSIGN(const Issue way_back, plan_way_back_of(job, plan.copy, source));
    tell({way_back});
  }
  tell(taken_names(plan.names, plan.carry, plan.holders));
  return plan;
}

}  // namespace pgfanout
