// Functions that the table needs, and the views and publications that need the table.
#include <fmt/format.h>

#include "copier/catalog/server_facts.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

// From all parts of the table through functions (BEGIN ATOMIC bodies depend on others) and
// operators. The server's own objects are not recorded as dependencies.
constexpr const char* kFunctionsSql = R"sql(
WITH RECURSIVE part(class, oid) AS (
  SELECT 'pg_class'::regclass::oid, $1::oid
  UNION ALL SELECT 'pg_attrdef'::regclass, d.oid
    FROM pg_attrdef d WHERE d.adrelid = $1::oid
  UNION ALL SELECT 'pg_trigger'::regclass, t.oid
    FROM pg_trigger t WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal
  UNION ALL SELECT 'pg_constraint'::regclass, c.oid
    FROM pg_constraint c WHERE c.conrelid = $1::oid OR c.contypid IN (
      SELECT a.atttypid FROM pg_attribute a
      WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped)
  UNION ALL SELECT 'pg_class'::regclass, i.indexrelid
    FROM pg_index i WHERE i.indrelid = $1::oid
  UNION ALL SELECT 'pg_policy'::regclass, p.oid
    FROM pg_policy p WHERE p.polrelid = $1::oid
  UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid
    FROM pg_statistic_ext s WHERE s.stxrelid = $1::oid
  UNION ALL SELECT 'pg_rewrite'::regclass, r.oid
    FROM pg_rewrite r WHERE r.ev_class = $1::oid
), used(class, oid) AS (
  SELECT part.class, part.oid FROM part
  UNION
  SELECT d.refclassid, d.refobjid FROM used u JOIN pg_depend d
    ON d.classid = u.class AND d.objid = u.oid
  WHERE d.refclassid IN ('pg_proc'::regclass,
                         'pg_operator'::regclass))
SELECT p.oid::regprocedure::text,
  CASE WHEN e.extname IS NOT NULL THEN 'of extension ' || quote_ident(e.extname)
    WHEN p.prokind = 'a' THEN 'AGGREGATE'
    ELSE btrim(pg_get_functiondef(p.oid), E' \n') END,
  NULL, true
FROM used u JOIN pg_proc p ON p.oid = u.oid
LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass
  AND d.objid = p.oid AND d.deptype = 'e'
LEFT JOIN pg_extension e ON e.oid = d.refobjid
WHERE u.class = 'pg_proc'::regclass
  AND p.pronamespace <> 'pg_catalog'::regnamespace
ORDER BY 1)sql";

constexpr const char* kViewsSql = R"sql(
SELECT NULL, CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END
  || COALESCE(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '')
  || ' AS ' || btrim(pg_get_viewdef(c.oid), E' ;\n'),
  format('%I.%I', n.nspname, c.relname), c.relispopulated
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND c.oid IN (
  SELECT r.ev_class FROM pg_rewrite r JOIN pg_depend d
    ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
  WHERE d.refclassid = 'pg_class'::regclass
    AND d.refobjid IN (SELECT tree.oid FROM {0}))
ORDER BY 2, 3)sql";

/// {1}: columns and condition, {2}: publications of the schema; both since version 15.
constexpr const char* kPublicationsSql = R"sql(
SELECT quote_ident(p.pubname), how.sql || format(' WITH (%s%s)',
    array_to_string(ARRAY[CASE WHEN p.pubinsert THEN 'insert' END,
      CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
      CASE WHEN p.pubtruncate THEN 'truncate' END], ', '),
    CASE WHEN p.pubviaroot THEN '; via partition root' ELSE '' END),
  NULL, true
FROM pg_publication p CROSS JOIN LATERAL (
  SELECT 'FOR ALL TABLES' AS sql WHERE p.puballtables
  UNION ALL SELECT 'FOR TABLE'{1}
    FROM pg_publication_rel r
    WHERE r.prpubid = p.oid AND r.prrelid = $1::oid
  UNION ALL SELECT 'FOR SOME LEAVES' WHERE EXISTS (SELECT 1 FROM pg_publication_rel r
    JOIN {0} ON tree.oid = r.prrelid WHERE r.prpubid = p.oid AND tree.oid <> $1::oid)
  {2}) how
ORDER BY 1, 2)sql";

constexpr const char* kPublishedPart = R"sql(
    || COALESCE((SELECT format(' (%s)', string_agg(
         quote_ident(a.attname), ', ' ORDER BY a.attnum))
       FROM pg_attribute a
       WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)
       HAVING count(*) > 0), '')
    || COALESCE(' WHERE ' || pg_get_expr(r.prqual, r.prrelid), ''))sql";

constexpr const char* kPublishedSchema = R"sql(
  UNION ALL SELECT 'FOR TABLES IN SCHEMA' FROM pg_publication_namespace s
    JOIN pg_class c ON c.relnamespace = s.pnnspid
    WHERE s.pnpubid = p.oid AND c.oid = $1::oid)sql";

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
