#include "copier/plan/target_obstacles.h"

#include <fmt/format.h>

#include "copier/catalog/type_catalog.h"
#include "copier/catalog/volatility.h"

namespace pgfanout {
namespace {

Result<void> check_target_privileges(Connection& target, const Table& table) {
  for (const Leaf& leaf : table.leaves) {
    if (leaf.may_insert && leaf.may_select) continue;
    const std::string_view privilege = leaf.may_insert ? "SELECT" : "INSERT";
    PGFANOUT_TRY_ASSIGN(const Rows role, target.query("SELECT quote_ident(CURRENT_USER)"));
    return refused("no-privilege",
                   fmt::format("no {} on the target's leaf {}", privilege, leaf.qualified),
                   fmt::format("GRANT SELECT, INSERT ON {} TO {} (leaves are written to directly, "
                               "so each one needs it)",
                               leaf.qualified, role.text(0, 0)),
                   leaf.qualified);
  }
  return {};
}

Result<void> check_empty(const JobDescription& job, Connection& target, const Table& table) {
  if (job.append) return {};
  for (const Leaf& leaf : table.leaves) {
    PGFANOUT_TRY_ASSIGN(const Rows row,
                        target.query(fmt::format("SELECT 1 FROM ONLY {} LIMIT 1", leaf.qualified)));
    if (row.size() > 0) {
      return refused(
          "target-not-empty", fmt::format("the target's leaf {} holds rows", leaf.qualified),
          "empty the target first, or use --append to leave those rows alone", leaf.qualified);
    }
  }
  return {};
}

/// Triggers of the leaves that COPY fires; internal ones are foreign keys and the like. On 14 the
/// copy of a parent's trigger counts as internal.
constexpr const char* kTriggersSql =
    "SELECT quote_ident(t.tgname), count(*), bool_or((t.tgtype & 2) <> 0 AND (t.tgtype & 1) <> 0)"
    " FROM pg_trigger t LEFT JOIN pg_trigger parent"
    " ON parent.oid = t.tgparentid WHERE t.tgrelid = ANY ($1::oid[])"
    " AND NOT COALESCE(parent.tgisinternal, t.tgisinternal) AND t.tgenabled IN ('O', 'A')"
    " AND (t.tgtype & 4) <> 0 GROUP BY 1 ORDER BY 1";

Result<void> note_triggers(Connection& target, const Table& table, std::vector<Issue>& issues) {
  std::vector<std::uint32_t> oids;
  for (const Leaf& leaf : table.leaves) oids.push_back(leaf.oid);
  PGFANOUT_TRY_ASSIGN(const Rows rows, target.query(kTriggersSql, {oid_array(oids)}));
  for (int row = 0; row < rows.size(); ++row) {
    const bool is_before = rows.boolean(row, 2);
    issues.push_back(
        {Severity::warning, "trigger-fires",
         fmt::format("trigger {} fires for every row that is copied, on {} leaves{}",
                     rows.text(row, 0), rows.text(row, 1),
                     is_before ? ", and a BEFORE trigger may change rows and keeps COPY "
                                 "from inserting many at once"
                               : ""),
         table.qualified,
         "disable it while the copy runs if its work is done already in the source"});
  }
  return {};
}

}  // namespace

Result<std::vector<Issue>> find_obstacles(const JobDescription& job, Connection& target,
                                          const Table& table) {
  if (table.hides_rows) {
    return refused(
        "row-security",
        fmt::format("row-level security of the target {} applies to this role", table.qualified),
        "run as its owner or as a role with BYPASSRLS", table.qualified);
  }
  PGFANOUT_TRY(check_target_privileges(target, table));
  PGFANOUT_TRY(check_empty(job, target, table));
  std::vector<Issue> issues;
  PGFANOUT_TRY(note_triggers(target, table, issues));
  return issues;
}

Result<void> note_slow_defaults(Connection& target, ColumnPlan& columns) {
  for (const PlannedColumn& planned : columns.columns) {
    const Column& column = planned.column;
    const bool is_filled_by_default = planned.role == ColumnRole::left_out &&
                                      column.generated == 0 && !column.default_sql.empty();
    // COPY knows nextval() and still inserts many rows at once.
    if (!is_filled_by_default || column.default_sql.starts_with("nextval(")) continue;
    PGFANOUT_TRY_ASSIGN(const bool is_slow, is_volatile(target, column.default_sql));
    if (!is_slow) continue;
    columns.issues.push_back({Severity::warning, "volatile-default",
                              fmt::format("column {} gets a volatile default in every row: COPY "
                                          "inserts row by row then",
                                          column.quoted),
                              column.name, "give it a value with --map"});
  }
  return {};
}

}  // namespace pgfanout
