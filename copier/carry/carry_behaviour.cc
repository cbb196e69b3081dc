// Triggers, rules and policies: what the server does by itself when the table is used.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

constexpr const char* kLossIsAccepted = "accept the loss by this name, or change it before";

/// pgfanout's own fence belongs to the job, not to the table. Columns: UPDATE OF and WHEN.
constexpr const char* kTriggersSql = R"sql(
SELECT t.oid, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled,
  (t.tgtype & 1) <> 0 AND (t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL),
  (SELECT string_agg(DISTINCT d.refobjsubid::text, ' ')
   FROM pg_depend d WHERE d.classid = 'pg_trigger'::regclass
   AND d.objid = t.oid AND d.refclassid = 'pg_class'::regclass
   AND d.refobjid = t.tgrelid AND d.refobjsubid > 0),
  t.tgfoid::regproc::text || '()'
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgparentid = 0
  AND n.nspname <> 'pgfanout' AND NOT starts_with(t.tgname, 'pgfanout_')
ORDER BY t.tgname)sql";

constexpr const char* kRulesSql = R"sql(
SELECT r.oid, r.rulename, btrim(pg_get_ruledef(r.oid), E' ;\n'), r.ev_enabled,
  (SELECT string_agg(DISTINCT d.refobjsubid::text, ' ')
   FROM pg_depend d WHERE d.classid = 'pg_rewrite'::regclass
   AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
   AND d.refobjid = r.ev_class AND d.refobjsubid > 0)
FROM pg_rewrite r
WHERE r.ev_class = $1::oid AND r.rulename <> '_RETURN' ORDER BY r.rulename)sql";

/// Conditions apart, since only they are rewritten. Roles: comma-separated and as an array of
/// names.
constexpr const char* kPoliciesSql = R"sql(
SELECT p.oid, p.polname, format('AS %s FOR %s TO ',
    CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
    CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
      WHEN 'd' THEN 'DELETE' ELSE 'ALL' END)
  || (SELECT string_agg(CASE r.oid WHEN 0 THEN 'PUBLIC'
        ELSE quote_ident(pg_get_userbyid(r.oid)) END, ', '
        ORDER BY r.place) FROM unnest(p.polroles) WITH ORDINALITY r(oid, place)),
  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
  (SELECT string_agg(DISTINCT d.refobjsubid::text, ' ')
   FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass
   AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass
   AND d.refobjid = p.polrelid AND d.refobjsubid > 0)
FROM pg_policy p WHERE p.polrelid = $1::oid ORDER BY p.polname)sql";

constexpr const char* kPolicyRolesSql = R"sql(
SELECT p.polname, pg_get_userbyid(r.oid) FROM pg_policy p
CROSS JOIN LATERAL unnest(p.polroles) r(oid)
WHERE p.polrelid = $1::oid AND r.oid <> 0)sql";

constexpr const char* kRowSecuritySql =
    "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1::oid";

constexpr const char* kSilencedKeysSql =
    "SELECT string_agg(DISTINCT quote_ident(c.conname), ', ')"
    " FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint"
    " WHERE t.tgrelid = $1::oid AND t.tgisinternal AND t.tgenabled <> 'O' AND c.contype = 'f'";

/// ALTER TABLE's words for pg_trigger.tgenabled and pg_rewrite.ev_enabled; empty for the default.
std::string_view enabling(std::string_view state) {
  if (state == "D") return "DISABLE";
  if (state == "A") return "ENABLE ALWAYS";
  if (state == "R") return "ENABLE REPLICA";
  return {};
}

std::string with_state(const CarryContext& context, std::string sql, std::string_view state,
                       std::string_view what, std::string_view name) {
  if (enabling(state).empty()) return sql;
  return fmt::format("{};\nALTER TABLE {} {} {} {}", sql, context.request.target_qualified,
                     enabling(state), what, quoted_name(name));
}

Result<std::string> trigger_obstacle(CarryContext& context, const Rows& rows, int row) {
  std::string missing = context.missing_columns(rows.text(row, 5));
  if (!missing.empty()) return missing;
  if (rows.boolean(row, 4)) {
    return std::string("a row trigger with transition tables cannot stand on a partitioned table");
  }
  if (context.request.same_database) return std::string();
  PGFANOUT_TRY_ASSIGN(const Rows found, context.target.query("SELECT to_regprocedure($1) IS NULL",
                                                             {rows.str(row, 6)}));
  return found.boolean(0, 0)
             ? fmt::format("the target's database has no function {}", rows.text(row, 6))
             : std::string();
}

Result<void> carry_triggers(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(kTriggersSql));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string name = rows.str(row, 1);
    PGFANOUT_TRY_ASSIGN(const std::string obstacle, trigger_obstacle(context, rows, row));
    if (!obstacle.empty()) {
      context.leave_behind("trigger", display_name(name), obstacle, kLossIsAccepted);
      continue;
    }
    context.add_attribute(fmt::format("trigger {}", display_name(name)),
                          with_state(context, context.on_target(rows.text(row, 2)),
                                     rows.text(row, 3), "TRIGGER", name));
    context.record(
        CarriedClass::trigger, rows.oid(row, 0),
        fmt::format("TRIGGER {} ON {}", quoted_name(name), context.request.target_qualified));
  }
  return {};
}

Result<void> carry_rules(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(kRulesSql));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string name = rows.str(row, 1);
    if (const std::string missing = context.missing_columns(rows.text(row, 4)); !missing.empty()) {
      context.leave_behind("rule", display_name(name), missing, kLossIsAccepted);
      continue;
    }
    context.add_attribute(
        fmt::format("rule {}", display_name(name)),
        with_state(context, context.on_target(rows.text(row, 2)), rows.text(row, 3), "RULE", name));
    context.record(
        CarriedClass::rule, rows.oid(row, 0),
        fmt::format("RULE {} ON {}", quoted_name(name), context.request.target_qualified));
  }
  return {};
}

Result<std::string> missing_role(CarryContext& context, const Rows& roles,
                                 const std::string& policy) {
  for (int row = 0; row < roles.size(); ++row) {
    if (roles.text(row, 0) != policy) continue;
    PGFANOUT_TRY_ASSIGN(const bool is_there, context.has_role(roles.str(row, 1)));
    if (!is_there) {
      return fmt::format("the target's server has no role {}", display_name(roles.text(row, 1)));
    }
  }
  return std::string();
}

Result<void> carry_policies(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(kPoliciesSql));
  PGFANOUT_TRY_ASSIGN(const Rows roles, context.read(kPolicyRolesSql));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string name = rows.str(row, 1);
    std::string obstacle = context.missing_columns(rows.text(row, 5));
    if (obstacle.empty()) {
      PGFANOUT_TRY_ASSIGN(obstacle, missing_role(context, roles, name));
    }
    if (!obstacle.empty()) {
      context.leave_behind("policy", display_name(name), obstacle, kLossIsAccepted);
      continue;
    }
    std::string sql = fmt::format("CREATE POLICY {} ON {} {}", quoted_name(name),
                                  context.request.target_qualified, rows.text(row, 2));
    if (!rows.is_null(row, 3))
      sql += fmt::format(" USING ({})", context.on_target(rows.text(row, 3)));
    if (!rows.is_null(row, 4)) {
      sql += fmt::format(" WITH CHECK ({})", context.on_target(rows.text(row, 4)));
    }
    context.add_attribute(fmt::format("policy {}", display_name(name)), std::move(sql));
    context.record(
        CarriedClass::policy, rows.oid(row, 0),
        fmt::format("POLICY {} ON {}", quoted_name(name), context.request.target_qualified));
  }
  return {};
}

Result<void> carry_row_security(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows row, context.read(kRowSecuritySql));
  if (row.size() == 0) return {};
  std::string settings;
  if (row.boolean(0, 0)) settings = "ENABLE ROW LEVEL SECURITY";
  if (row.boolean(0, 1)) {
    settings += std::string(settings.empty() ? "" : ", ") + "FORCE ROW LEVEL SECURITY";
  }
  if (settings.empty()) return {};
  // Behind materialized views, whose filling must see every row.
  context.last.push_back(
      {"row security",
       fmt::format("ALTER TABLE {} {}", context.request.target_qualified, settings),
       {},
       0});
  return {};
}

Result<void> note_silenced_keys(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows row, context.read(kSilencedKeysSql));
  if (row.is_null(0, 0)) return {};
  context.note(Severity::warning, "foreign-key-silenced",
               fmt::format("triggers of foreign keys are disabled on the source: {}; on the target "
                           "they are not",
                           row.text(0, 0)),
               "rows that break them stop the job when the keys are validated");
  return {};
}

}  // namespace

Result<void> carry_behaviour(CarryContext& context) {
  PGFANOUT_TRY(carry_triggers(context));
  PGFANOUT_TRY(carry_rules(context));
  PGFANOUT_TRY(carry_policies(context));
  PGFANOUT_TRY(note_silenced_keys(context));
  return carry_row_security(context);
}

}  // namespace pgfanout
