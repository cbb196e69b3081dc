// Extended statistics, columns' planner settings, the tablespace of the parent.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

/// The definition without "CREATE STATISTICS schema.name".
constexpr const char* kStatisticsSql = R"sql(
SELECT s.oid, n.nspname, s.stxname, substr(pg_get_statisticsobjdef(s.oid),
    1 + length(format('CREATE STATISTICS %I.%I', n.nspname, s.stxname))),
  COALESCE((to_jsonb(s) ->> 'stxstattarget')::int4, -1),
  pg_get_userbyid(s.stxowner),
  (SELECT string_agg(DISTINCT d.refobjsubid::text, ' ')
   FROM pg_depend d
   WHERE d.classid = 'pg_statistic_ext'::regclass AND d.objid = s.oid
   AND d.refclassid = 'pg_class'::regclass
   AND d.refobjid = s.stxrelid AND d.refobjsubid > 0)
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE s.stxrelid = $1::oid ORDER BY n.nspname, s.stxname)sql";

/// Only what people set: 15.20 keeps a number of its own among the options.
constexpr const char* kColumnOptionsSql = R"sql(
SELECT a.attnum, string_agg(o, ', ' ORDER BY o) FROM pg_attribute a
CROSS JOIN LATERAL unnest(a.attoptions) o
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
  AND split_part(o, '=', 1) IN ('n_distinct', 'n_distinct_inherited')
GROUP BY a.attnum ORDER BY a.attnum)sql";

constexpr const char* kTablespaceSql =
    "SELECT quote_ident(s.spcname), c.relpersistence FROM pg_class c"
    " LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = $1::oid";

Result<void> carry_extended(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(kStatisticsSql));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string schema = rows.str(row, 1);
    const std::string name = rows.str(row, 2);
    if (const std::string missing = context.missing_columns(rows.text(row, 6)); !missing.empty()) {
      context.leave_behind("statistics", shown(schema, name), missing,
                           "accept the loss by this name: plans may get worse, results do not");
      continue;
    }
    PGFANOUT_TRY_ASSIGN(const std::string until_swap,
                        context.names.statistics_until_swap(schema, name));
    const std::string made = quoted_name(schema, until_swap);
    std::string sql =
        fmt::format("CREATE STATISTICS {}{}", made, context.on_target(rows.text(row, 3)));
    if (rows.integer(row, 4) >= 0) {
      sql += fmt::format(";\nALTER STATISTICS {} SET STATISTICS {}", made, rows.text(row, 4));
    }
    context.add_attribute(fmt::format("statistics {}", shown(schema, name)), std::move(sql));
    PGFANOUT_TRY_ASSIGN(const bool has_owner, context.has_role(rows.str(row, 5)));
    if (has_owner) {
      context.last.push_back(
          {fmt::format("owner of statistics {}", shown(schema, name)),
           fmt::format("ALTER STATISTICS {} OWNER TO {}", made, quoted_name(rows.text(row, 5))),
           {},
           0});
    }
    context.record(CarriedClass::statistics, rows.oid(row, 0), "STATISTICS " + made);
    context.plan.names.push_back({"STATISTICS", schema, until_swap, name});
  }
  return {};
}

/// A leaf estimates its own rows, the parent those of all leaves: for a table that was not
/// partitioned both follow from the one setting.
Result<void> carry_column_options(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(kColumnOptionsSql));
  for (int row = 0; row < rows.size(); ++row) {
    const ColumnFate* fate = context.columns.find(static_cast<int>(rows.integer(row, 0)));
    if (fate == nullptr || !fate->target) continue;
    const std::string options = rows.str(row, 1);
    const std::string clause =
        fmt::format("ALTER COLUMN {} SET ({})", quoted_name(*fate->target), options);
    std::string on_parent = clause;
    constexpr std::string_view kOwn = "n_distinct=";
    const bool is_own_only = options.starts_with(kOwn) && options.find(',') == std::string::npos;
    if (context.request.source.kind == 'r' && is_own_only) {
      on_parent = fmt::format("ALTER COLUMN {} SET ({}, n_distinct_inherited={})",
                              quoted_name(*fate->target), options, options.substr(kOwn.size()));
    }
    context.add_attribute(
        fmt::format("column options {}", display_name(*fate->target)),
        fmt::format("ALTER TABLE ONLY {} {}", context.request.target_qualified, on_parent));
    if (context.request.source.kind != 'r') continue;
    for (std::size_t leaf = 0; leaf < context.request.target_leaves.size(); ++leaf) {
      context.add_leaf_attribute(
          leaf, fmt::format("ALTER TABLE {} {}", context.request.target_leaves[leaf], clause));
    }
  }
  return {};
}

Result<void> carry_storage(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows row, context.read(kTablespaceSql));
  if (row.size() == 0) return {};
  if (row.text(0, 1) == "u") {
    context.note(Severity::warning, "unlogged",
                 "the source is UNLOGGED, the target is not: it survives a crash",
                 "ALTER TABLE ... SET UNLOGGED on its leaves if that was the point");
  }
  if (row.is_null(0, 0) || !context.request.same_database) return {};
  context.add_attribute("tablespace",
                        fmt::format("ALTER TABLE ONLY {} SET TABLESPACE {}",
                                    context.request.target_qualified, row.text(0, 0)));
  return {};
}

/// A default that the target does not have any more: inserts that relied on it will fail or differ.
void note_lost_defaults(CarryContext& context) {
  for (const ColumnFate& fate : context.columns.fates()) {
    if (!fate.target || fate.source->generated != 0) continue;
    const bool had_one = fate.source->identity != 0 || !fate.source->default_sql.empty();
    const Column* column = context.columns.target(*fate.target);
    if (!had_one || column == nullptr || *fate.target == context.request.key_column) continue;
    if (column->identity != 0 || column->generated != 0 || !column->default_sql.empty()) continue;
    context.note(Severity::warning, "default-lost",
                 fmt::format("column {} loses its default, since its type or meaning changes",
                             column->quoted),
                 fmt::format("set one after the swap: ALTER TABLE {} ALTER COLUMN {} SET DEFAULT "
                             "..., or have the application supply it",
                             context.request.source.qualified, column->quoted));
  }
}

}  // namespace

Result<void> carry_statistics(CarryContext& context) {
  PGFANOUT_TRY(carry_extended(context));
  PGFANOUT_TRY(carry_column_options(context));
  note_lost_defaults(context);
  return carry_storage(context);
}

}  // namespace pgfanout
