// Locks that the swap itself needs, and vacuums that would not give way to it.
#include <fmt/format.h>

#include <algorithm>

#include "copier/plan/server_limits.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

/// Of the way to autovacuum_freeze_max_age: from there on one may begin within the window.
constexpr double kNearWraparound = 0.9;

/// Tables and TOAST tables of the leaves; {0}: leaves. A table's own limit can only be lower.
constexpr const char* kAgesSql =
    "SELECT format('%I.%I', n.nspname, c.relname), age.xids, age.multixacts,"
    " LEAST(current_setting('autovacuum_freeze_max_age')::int8, own.xids), "
    " LEAST(current_setting('autovacuum_multixact_freeze_max_age')::int8, own.multixacts)"
    " FROM {0} JOIN pg_class c ON c.oid = leaf.oid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_class t ON t.oid = c.reltoastrelid CROSS JOIN LATERAL (SELECT"
    "  GREATEST(age(c.relfrozenxid), age(t.relfrozenxid)) AS xids,"
    "  GREATEST(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) AS multixacts) age"
    " CROSS JOIN LATERAL (SELECT min(o.option_value::int8)"
    "   FILTER (WHERE o.option_name = 'autovacuum_freeze_max_age') AS xids,"
    "  min(o.option_value::int8)"
    "   FILTER (WHERE o.option_name = 'autovacuum_multixact_freeze_max_age') AS multixacts"
    "  FROM pg_options_to_table(c.reloptions) o"
    "  WHERE o.option_name LIKE 'autovacuum%freeze_max_age') own"
    " ORDER BY GREATEST(age.xids::float8, age.multixacts::float8) DESC";

constexpr const char* kVacuumsSql =
    "SELECT a.pid, l.relation::regclass::text"
    " FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid"
    " WHERE a.backend_type = 'autovacuum worker' AND a.query LIKE '%to prevent wraparound%'"
    " AND l.locktype = 'relation' AND l.relation IN (SELECT tree.oid FROM {0})"
    " AND l.database = (SELECT d.oid FROM pg_database d"
    "  WHERE d.datname = current_database()) ORDER BY 1, 2";

Result<void> check_running_vacuums(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      context.source.query(fmt::format(kVacuumsSql, kSchemaTree),
                                           {std::to_string(context.plan.source.oid)}));
  for (int row = 0; row < rows.size(); ++row) {
    context.add(Severity::warning, "wraparound-vacuum",
                fmt::format("autovacuum {} works on {} to prevent wraparound: that kind does not "
                            "give way to the swap",
                            rows.text(row, 0), rows.text(row, 1)),
                rows.str(row, 1),
                "wait for it to end (pg_stat_progress_vacuum), or VACUUM (FREEZE) the table before "
                "the window");
  }
  return {};
}

}  // namespace

Result<void> check_swap_locks(PreflightContext& context) {
  const CopyPlan& plan = context.plan;
  if (!plan.same_database) return {};
  PGFANOUT_TRY_ASSIGN(const Rows indexes, context.source.query("SELECT count(*) FROM pg_index i"
                                                               " WHERE i.indrelid = $1::oid",
                                                               {std::to_string(plan.source.oid)}));
  const auto leaves_of = [](std::size_t leaves) { return static_cast<std::int64_t>(leaves); };
  // Both tables with all their parts change names, and each part stays locked to the end.
  const std::int64_t need =
      locks_of_statement(leaves_of(plan.source.leaves.size()), indexes.integer(0, 0)) +
      locks_of_statement(leaves_of(plan.target.leaves.size()), indexes.integer(0, 0));
  const std::int64_t slots = context.source_facts.lock_slots;
  if (need * 2 <= slots) return {};
  const bool fits = need <= slots;
  context.add(fits ? Severity::warning : Severity::error, "swap-locks",
              fmt::format("the swap takes about {} locks in one transaction, and the server has "
                          "room for {} in all",
                          need, slots),
              plan.source.qualified,
              fmt::format("set max_locks_per_transaction to {} or more (needs a restart)",
                          locks_setting(2, need, context.source_facts.lock_holders)));
  return {};
}

Result<void> check_wraparound(PreflightContext& context) {
  PGFANOUT_TRY(check_running_vacuums(context));
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      context.source.query(fmt::format(kAgesSql, kSchemaLeaves),
                                           {std::to_string(context.plan.source.oid)}));
  int due = 0;
  int first = -1;
  bool by_multixacts = false;
  for (int row = 0; row < rows.size(); ++row) {
    const auto is_near = [&](int age, int limit) {
      return static_cast<double>(rows.integer(row, age)) >=
             kNearWraparound * static_cast<double>(rows.integer(row, limit));
    };
    if (!is_near(1, 3) && !is_near(2, 4)) continue;
    ++due;
    if (first >= 0) continue;
    first = row;
    by_multixacts = !is_near(1, 3);
  }
  if (due == 0) return {};
  context.add(Severity::warning, "wraparound-due",
              fmt::format("{}{} is {} {} old; at {} an autovacuum begins that does not give way to "
                          "the swap",
                          rows.text(first, 0),
                          due > 1 ? fmt::format(" (with {} more leaves)", due - 1) : "",
                          rows.text(first, by_multixacts ? 2 : 1),
                          by_multixacts ? "multixacts" : "transactions",
                          rows.text(first, by_multixacts ? 4 : 3)),
              rows.str(first, 0), "VACUUM (FREEZE) it before the window");
  return {};
}

}  // namespace pgfanout
