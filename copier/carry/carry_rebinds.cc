// Objects elsewhere that refer to the table by its OID and can be defined again by its name: rules
// and policies of other tables, functions whose body the server has parsed.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

/// A function's arguments, result or table columns bind the table's row type. That stays the old
/// table's, so such functions are not selected here. Kind, name, statement, columns of the source,
/// table of the object, whether it names a leaf.
constexpr const char* kReferrersSql = R"sql(
WITH used AS (
  SELECT d.classid, d.objid, string_agg(DISTINCT d.refobjsubid::text, ' ')
      FILTER (WHERE d.refobjsubid > 0) AS columns,
    bool_or(d.refobjid <> $1::oid) AS names_leaf
  FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass
    AND d.refobjid IN (SELECT tree.oid FROM {0}) AND d.deptype = 'n'
  GROUP BY d.classid, d.objid)
SELECT 'rule', r.rulename, regexp_replace(btrim(pg_get_ruledef(r.oid),
    E' ;\n'), '^CREATE ', 'CREATE OR REPLACE '), u.columns,
  format('%I.%I', n.nspname, c.relname), u.names_leaf
FROM used u JOIN pg_rewrite r ON u.classid = 'pg_rewrite'::regclass
  AND r.oid = u.objid AND r.rulename <> '_RETURN'
JOIN pg_class c ON c.oid = r.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.ev_class NOT IN (SELECT tree.oid FROM {0})
UNION ALL
SELECT 'policy', p.polname, format('ALTER POLICY %I ON %I.%I', p.polname, n.nspname,
    c.relname)
  || COALESCE(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
  || COALESCE(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''),
  u.columns, format('%I.%I', n.nspname, c.relname), u.names_leaf
FROM used u JOIN pg_policy p ON u.classid = 'pg_policy'::regclass
  AND p.oid = u.objid
JOIN pg_class c ON c.oid = p.polrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.polrelid NOT IN (SELECT tree.oid FROM {0})
UNION ALL
SELECT 'function', f.oid::regprocedure::text,
  pg_get_functiondef(f.oid), u.columns, '', u.names_leaf
FROM used u JOIN pg_proc f ON u.classid = 'pg_proc'::regclass
  AND f.oid = u.objid AND f.prokind IN ('f', 'p')
WHERE NOT EXISTS (SELECT 1 FROM pg_depend d JOIN pg_type t
  ON t.oid = d.refobjid LEFT JOIN pg_type e ON e.oid = t.typelem
  WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid
  AND d.refclassid = 'pg_type'::regclass
  AND ($1::oid IN (t.typrelid, e.typrelid)))
ORDER BY 1, 5, 2)sql";

/// Their text has columns of other tables in it: a rename cannot be told apart in there.
std::string renamed_columns(const CarryContext& context, std::string_view numbers) {
  for (const int number : numbers_in(numbers)) {
    const ColumnFate* fate = context.columns.find(number);
    if (fate != nullptr && fate->target && *fate->target != fate->source->name) {
      return fmt::format("it uses column {}, which gets another name", fate->source->quoted);
    }
  }
  return {};
}

}  // namespace

Result<void> carry_rebinds(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(fmt::format(kReferrersSql, kSchemaTree)));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string kind = rows.str(row, 0);
    const std::string name = kind == "function" ? rows.str(row, 1)
                                                : fmt::format("{}.{}", rows.text(row, 4),
                                                              display_name(rows.text(row, 1)));
    std::string obstacle = context.missing_columns(rows.text(row, 3));
    if (obstacle.empty()) obstacle = renamed_columns(context, rows.text(row, 3));
    if (rows.boolean(row, 5)) obstacle = "it names a partition of the table";
    if (!context.request.same_database) obstacle = "the target is in another database";
    if (!obstacle.empty()) {
      context.leave_behind(kind, name, obstacle,
                           "rewrite it for the new table after the swap, and accept by this name "
                           "that it uses the old one until then");
      continue;
    }
    // Bound again by the name that the new table has by then. In a rollback the old table still has
    // another name, and the text must say that one.
    context.plan.moves.push_back({fmt::format("{} {}", kind, name),
                                  {rows.str(row, 2)},
                                  {with_relation(rows.text(row, 2), context.request.source.schema,
                                                 context.request.source.name, "\001old\001")},
                                  {}});
  }
  return {};
}

}  // namespace pgfanout
