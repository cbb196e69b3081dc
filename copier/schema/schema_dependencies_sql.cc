// Functions that the table needs, and the views and publications that need the table.
#include <fmt/format.h>

#include "copier/catalog/server_versions.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

// From all parts of the table through functions (BEGIN ATOMIC bodies depend on others) and
// operators. The server's own objects are not recorded as dependencies.
constexpr const char* kFunctionsSql = R"sql(
WITH RECURSIVE part(class, oid) AS (
  SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, $1::pg_catalog.oid
  UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid
    FROM pg_catalog.pg_attrdef d WHERE d.adrelid = $1::pg_catalog.oid
  UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid
    FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $1::pg_catalog.oid AND NOT t.tgisinternal
  UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid
    FROM pg_catalog.pg_constraint c WHERE c.conrelid = $1::pg_catalog.oid OR c.contypid IN (
      SELECT a.atttypid FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped)
  UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid
    FROM pg_catalog.pg_index i WHERE i.indrelid = $1::pg_catalog.oid
  UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid
    FROM pg_catalog.pg_policy p WHERE p.polrelid = $1::pg_catalog.oid
  UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid
    FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = $1::pg_catalog.oid
  UNION ALL SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid
    FROM pg_catalog.pg_rewrite r WHERE r.ev_class = $1::pg_catalog.oid
), used(class, oid) AS (
  SELECT part.class, part.oid FROM part
  UNION
  SELECT d.refclassid, d.refobjid FROM used u JOIN pg_catalog.pg_depend d
    ON d.classid = u.class AND d.objid = u.oid
  WHERE d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass,
                         'pg_catalog.pg_operator'::pg_catalog.regclass))
SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text,
  CASE WHEN e.extname IS NOT NULL THEN 'of extension ' || pg_catalog.quote_ident(e.extname)
    WHEN p.prokind = 'a' THEN 'AGGREGATE'
    ELSE pg_catalog.btrim(pg_catalog.pg_get_functiondef(p.oid), E' \n') END,
  NULL, true
FROM used u JOIN pg_catalog.pg_proc p ON p.oid = u.oid
LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
  AND d.objid = p.oid AND d.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE u.class = 'pg_catalog.pg_proc'::pg_catalog.regclass
  AND p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
ORDER BY 1)sql";

constexpr const char* kViewsSql = R"sql(
SELECT NULL, CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END
  || COALESCE(' WITH (' || pg_catalog.array_to_string(c.reloptions, ', ') || ')', '')
  || ' AS ' || pg_catalog.btrim(pg_catalog.pg_get_viewdef(c.oid), E' ;\n'),
  pg_catalog.format('%I.%I', n.nspname, c.relname), c.relispopulated
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND c.oid IN (
  SELECT r.ev_class FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d
    ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
  WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.refobjid IN (SELECT tree.oid FROM {0}))
ORDER BY 2, 3)sql";

/// {1}: columns and condition, {2}: publications of the schema; both since version 15.
constexpr const char* kPublicationsSql = R"sql(
SELECT pg_catalog.quote_ident(p.pubname), how.sql || pg_catalog.format(' WITH (%s%s)',
    pg_catalog.array_to_string(ARRAY[CASE WHEN p.pubinsert THEN 'insert' END,
      CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
      CASE WHEN p.pubtruncate THEN 'truncate' END], ', '),
    CASE WHEN p.pubviaroot THEN '; via partition root' ELSE '' END),
  NULL, true
FROM pg_catalog.pg_publication p CROSS JOIN LATERAL (
  SELECT 'FOR ALL TABLES' AS sql WHERE p.puballtables
  UNION ALL SELECT 'FOR TABLE'{1}
    FROM pg_catalog.pg_publication_rel r
    WHERE r.prpubid = p.oid AND r.prrelid = $1::pg_catalog.oid
  UNION ALL SELECT 'FOR SOME LEAVES' WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_publication_rel r
    JOIN {0} ON tree.oid = r.prrelid WHERE r.prpubid = p.oid AND tree.oid <> $1::pg_catalog.oid)
  {2}) how
ORDER BY 1, 2)sql";

constexpr const char* kPublishedPart = R"sql(
    || COALESCE((SELECT pg_catalog.format(' (%s)', pg_catalog.string_agg(
         pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum))
       FROM pg_catalog.pg_attribute a
       WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)
       HAVING pg_catalog.count(*) > 0), '')
    || COALESCE(' WHERE ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid), ''))sql";

constexpr const char* kPublishedSchema = R"sql(
  UNION ALL SELECT 'FOR TABLES IN SCHEMA' FROM pg_catalog.pg_publication_namespace s
    JOIN pg_catalog.pg_class c ON c.relnamespace = s.pnnspid
    WHERE s.pnpubid = p.oid AND c.oid = $1::pg_catalog.oid)sql";

}  // namespace

std::vector<SchemaQuery> dependency_queries(int server_version) {
  const bool has_parts = server_version >= kFirstWithSchemaPublications;
  return {
      {"function", kFunctionsSql, true, true},
      {"view", fmt::format(kViewsSql, kSchemaTree)},
      {"publication", fmt::format(kPublicationsSql, kSchemaTree, has_parts ? kPublishedPart : "",
                                  has_parts ? kPublishedSchema : "")}};
}

}  // namespace pgfanout
