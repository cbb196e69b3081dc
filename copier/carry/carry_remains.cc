// Names the objects that no other part handles: no object that depends on the source may be lost
// silently.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

// On the table, its row type, and the same of its leaves. Left out: what is part of them, and what
// other parts of the plan look at (constraints, triggers, policies, rules and views, statistics,
// publications, sequences, indexes, functions that mention the table in a parsed body).
constexpr const char* kDependentsSql = R"sql(
WITH types AS (
  SELECT t.oid FROM pg_type t WHERE t.typrelid IN (SELECT tree.oid FROM {0})
  UNION ALL SELECT t.typarray FROM pg_type t
    WHERE t.typrelid IN (SELECT tree.oid FROM {0}) AND t.typarray <> 0
), dependents AS (
  SELECT DISTINCT d.classid, d.objid, d.objsubid, false AS of_type FROM pg_depend d
  WHERE d.refclassid = 'pg_class'::regclass AND d.deptype IN ('n', 'a')
    AND d.refobjid IN (SELECT tree.oid FROM {0})
    AND d.classid NOT IN ('pg_constraint'::regclass,
      'pg_trigger'::regclass, 'pg_policy'::regclass,
      'pg_rewrite'::regclass, 'pg_proc'::regclass,
      'pg_statistic_ext'::regclass,
      'pg_publication_rel'::regclass,
      'pg_class'::regclass)
  UNION SELECT DISTINCT d.classid, d.objid, d.objsubid, true FROM pg_depend d
  WHERE d.refclassid = 'pg_type'::regclass AND d.deptype IN ('n', 'a')
    AND d.refobjid IN (SELECT types.oid FROM types)
    AND d.classid <> 'pg_rewrite'::regclass)
SELECT DISTINCT i.type, i.identity, d.of_type FROM dependents d
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i
WHERE NOT (d.classid = 'pg_attrdef'::regclass AND EXISTS (
    SELECT 1 FROM pg_attrdef a
    WHERE a.oid = d.objid AND a.adrelid IN (SELECT tree.oid FROM {0})))
  AND NOT (d.classid = 'pg_class'::regclass
    AND EXISTS (SELECT 1 FROM pg_class c WHERE c.oid = d.objid
      AND (c.relkind IN ('v', 'm') OR c.oid IN (SELECT tree.oid FROM {0}))))
ORDER BY 1, 2)sql";

constexpr const char* kAttachedSql = R"sql(
SELECT 'extension', quote_ident(e.extname), 'it counts the table among its members',
  'ALTER EXTENSION ... DROP TABLE, and ADD TABLE after the swap, or accept the loss by this name'
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e'
  AND d.refclassid = 'pg_extension'::regclass
  AND d.objid IN (SELECT tree.oid FROM {0})
UNION
SELECT 'extension', format('%I for %s', e.extname,
    pg_describe_object(d.classid, d.objid, 0)), 'it depends on the extension by ALTER ... '
  'DEPENDS ON EXTENSION', 'say that again after the swap, or accept the loss by this name'
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'x'
  AND (d.classid = 'pg_class'::regclass AND d.objid IN (
      SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = $1::oid)
    OR d.classid = 'pg_trigger'::regclass AND d.objid IN (
      SELECT t.oid FROM pg_trigger t WHERE t.tgrelid = $1::oid))
UNION
SELECT 'security label', quote_ident(l.provider)
  || COALESCE(' on ' || quote_ident(a.attname), ''), 'labels are not carried over',
  'SECURITY LABEL after the swap, and accept the loss by this name'
FROM pg_seclabel l LEFT JOIN pg_attribute a
  ON a.attrelid = l.objoid AND a.attnum = l.objsubid AND l.objsubid > 0
WHERE l.classoid = 'pg_class'::regclass
  AND l.objoid IN (SELECT tree.oid FROM {0})
UNION
SELECT 'type', format_type(c.reloftype, NULL), 'the table is made OF this type',
  'ALTER TABLE ... NOT OF, or accept the loss by this name'
FROM pg_class c WHERE c.oid = $1::oid AND c.reloftype <> 0
UNION
SELECT 'inheritance', format('%I.%I', n.nspname, c.relname),
  'the table inherits from it', 'ALTER TABLE ... NO INHERIT, or accept the loss by this name'
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.inhrelid = $1::oid
UNION
SELECT 'subscription', quote_ident(s.subname),
  'it writes into the table, and goes on writing into the old one',
  'disable it for the window, and ALTER SUBSCRIPTION ... REFRESH PUBLICATION after the swap; accept '
  'it by this name'
FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
WHERE r.srrelid IN (SELECT tree.oid FROM {0})
ORDER BY 1, 2)sql";

/// Objects that leaves have of their own: kind, name, leaves that have it.
constexpr const char* kOnLeavesSql = R"sql(
WITH own(kind, name, leaf) AS (
  SELECT 'trigger', t.tgname, leaf.oid FROM {0} JOIN pg_trigger t ON t.tgrelid = leaf.oid
    JOIN pg_proc p ON p.oid = t.tgfoid
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND n.nspname <> 'pgfanout'
      AND NOT starts_with(t.tgname, 'pgfanout_')
  UNION ALL SELECT CASE c.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, c.conname, leaf.oid
    FROM {0} JOIN pg_constraint c ON c.conrelid = leaf.oid
    WHERE c.contype = 'f' AND c.conparentid = 0 OR c.contype = 'c' AND c.coninhcount = 0
  UNION ALL SELECT 'policy', p.polname, leaf.oid FROM {0}
    JOIN pg_policy p ON p.polrelid = leaf.oid
  UNION ALL SELECT 'rule', r.rulename, leaf.oid FROM {0}
    JOIN pg_rewrite r ON r.ev_class = leaf.oid
  UNION ALL SELECT 'statistics', s.stxname, leaf.oid FROM {0}
    JOIN pg_statistic_ext s ON s.stxrelid = leaf.oid
  UNION ALL SELECT 'comment', CASE d.objsubid WHEN 0 THEN 'on the leaf' ELSE 'on a column' END, leaf.oid
    FROM {0} JOIN pg_description d ON d.objoid = leaf.oid
      AND d.classoid = 'pg_class'::regclass
  UNION ALL SELECT 'grant', 'on columns', a.attrelid FROM {0} JOIN pg_attribute a
    ON a.attrelid = leaf.oid AND a.attacl IS NOT NULL)
SELECT kind, name, count(DISTINCT leaf), (SELECT count(*) FROM {0})
FROM own WHERE leaf <> $1::oid GROUP BY kind, name ORDER BY kind, name)sql";

/// The old table is not to block deletes or follow them, wherever its foreign keys stand.
constexpr const char* kLeafForeignKeysSql = R"sql(
SELECT c.conrelid, c.conname, pg_get_constraintdef(c.oid)
FROM {0} JOIN pg_constraint c ON c.conrelid = leaf.oid
WHERE leaf.oid <> $1::oid AND c.contype = 'f' AND c.conparentid = 0 ORDER BY 1, 2)sql";

Result<void> name_dependents(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(fmt::format(kDependentsSql, kSchemaTree)));
  for (int row = 0; row < rows.size(); ++row) {
    context.leave_behind(
        rows.str(row, 0), rows.str(row, 1),
        rows.boolean(row, 2) ? "it is bound to the row type of the old table"
                             : "it refers to the old table",
        "drop it before and create it anew after the swap, or accept by this name that it stays "
        "with the old table (which cannot be dropped then)");
  }
  return {};
}

Result<void> name_attached(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(fmt::format(kAttachedSql, kSchemaTree)));
  for (int row = 0; row < rows.size(); ++row) {
    context.leave_behind(rows.str(row, 0), rows.str(row, 1), rows.str(row, 2), rows.str(row, 3));
  }
  return {};
}

Result<void> name_leaf_objects(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(fmt::format(kOnLeavesSql, kSchemaLeaves)));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string kind = rows.str(row, 0);
    const std::string name =
        kind == "comment" || kind == "grant" ? rows.str(row, 1) : display_name(rows.text(row, 1));
    const bool is_rule_on_data = kind == "constraint" || kind == "foreign key" || kind == "trigger";
    if (is_rule_on_data && rows.integer(row, 2) == rows.integer(row, 3)) {
      context.leave_behind(kind, name + " of the leaves",
                           "each leaf of the source has it, the table itself has not",
                           "add it to the table itself before, or accept the loss by this name");
      continue;
    }
    context.note(Severity::warning, "leaf-object",
                 fmt::format("{} {} on {} of {} leaves of the source is not carried over", kind,
                             name, rows.text(row, 2), rows.text(row, 3)),
                 "add it to the table itself if the application needs it");
  }
  return {};
}

Result<void> drop_leaf_foreign_keys(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      context.read(fmt::format(kLeafForeignKeysSql, kSchemaLeaves)));
  for (int row = 0; row < rows.size(); ++row) {
    const auto alter = [&](const std::string& what) {
      return do_block(fmt::format(
          "BEGIN EXECUTE pg_catalog.concat('ALTER TABLE ', {}::pg_catalog.regclass, {}); END",
          rows.text(row, 0), context.source.quote_literal(what)));
    };
    const std::string name = quoted_name(rows.text(row, 1));
    context.plan.moves.push_back(
        {fmt::format("foreign key {} of a leaf of the old table", display_name(rows.text(row, 1))),
         {alter(fmt::format(" DROP CONSTRAINT {}", name))},
         {alter(fmt::format(" ADD CONSTRAINT {} {}", name, rows.text(row, 2)))},
         {}});
  }
  return {};
}

}  // namespace

Result<void> name_the_rest(CarryContext& context) {
  PGFANOUT_TRY(name_dependents(context));
  PGFANOUT_TRY(name_attached(context));
  PGFANOUT_TRY(name_leaf_objects(context));
  return drop_leaf_foreign_keys(context);
}

}  // namespace pgfanout
