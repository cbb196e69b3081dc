#include "copier/carry/carry_index_catalog.h"

#include <fmt/format.h>

#include "copier/catalog/type_catalog.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

/// Own indexes of leaves, alike but for their names: how many leaves have them, and one of them.
constexpr const char* kLeafGroupsSql = R"sql(
SELECT min(i.indexrelid), count(DISTINCT i.indrelid),
  (SELECT count(*) FROM {0}), min(c.relname::text)
FROM {0} JOIN pg_index i ON i.indrelid = leaf.oid
JOIN pg_class c ON c.oid = i.indexrelid AND NOT c.relispartition
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
  AND k.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (SELECT CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END AS uniqueness) u
CROSS JOIN LATERAL (SELECT pg_get_indexdef(i.indexrelid) AS sql,
  format('CREATE %sINDEX %I ON %I.%I', u.uniqueness, c.relname, n.nspname, t.relname)
  AS head) def
WHERE leaf.oid <> $1::oid
GROUP BY i.indisunique, k.contype, k.condeferrable, k.condeferred, i.indisvalid,
  substr(def.sql, length(def.head) + 1)
ORDER BY 1)sql";

/// $2: OIDs of indexes. A leaf's columns are numbered as the table numbers them.
constexpr const char* kIndexPartsSql = R"sql(
SELECT i.indexrelid, c.relname, t.relname,
  left(def.body, length(def.body) - length(def.condition)),
  def.condition, quote_ident(ts.spcname),
  (SELECT string_agg(format('%s=%L', split_part(o, '=', 1),
     substr(o, strpos(o, '=') + 1)), ', ')
   FROM unnest(c.reloptions) o),
  i.indisunique, i.indisvalid, i.indisexclusion, i.indexprs IS NOT NULL,
  COALESCE((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false),
  i.indrelid <> $1::oid, cols.keys, cols.included, cols.used, cols.equal,
  k.oid, k.contype, con.suffix, con.sql
FROM unnest($2::oid[]) WITH ORDINALITY wanted(oid, place)
JOIN pg_index i ON i.indexrelid = wanted.oid
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
  AND k.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (SELECT substr(pg_get_indexdef(i.indexrelid),
    1 + length(format('CREATE %sINDEX %I ON %s%I.%I',
      CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname,
      CASE WHEN c.relkind = 'I' THEN 'ONLY ' ELSE '' END, n.nspname, t.relname))) AS body,
  COALESCE(' WHERE ' || pg_get_expr(i.indpred, i.indrelid), '') AS condition) def
CROSS JOIN LATERAL (SELECT k.suffix, left(k.sql, length(k.sql)
    - length(k.suffix) - length(k.condition)) AS sql
  FROM (SELECT pg_get_constraintdef(k.oid) AS sql,
    CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END
      || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END AS suffix,
    COALESCE(' WHERE (' || pg_get_expr(i.indpred, i.indrelid) || ')', '')
      AS condition) k) con
CROSS JOIN LATERAL (
  SELECT string_agg(num.number, ' ' ORDER BY num.place)
      FILTER (WHERE num.place <= i.indnkeyatts) AS keys,
    string_agg(num.number, ' ' ORDER BY num.place)
      FILTER (WHERE num.place > i.indnkeyatts) AS included,
    string_agg(DISTINCT num.number, ' ') FILTER (WHERE num.number <> '0') AS used,
    string_agg(num.number, ' ') FILTER (WHERE num.operator = '=') AS equal
  FROM (
    SELECT COALESCE(p.attnum, 0)::text AS number, x.place, (
      SELECT o.oprname FROM pg_operator o WHERE o.oid = k.conexclop[x.place]) AS operator
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY x(number, place)
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = x.number
    LEFT JOIN pg_attribute p ON p.attrelid = $1::oid
      AND p.attname = a.attname AND NOT p.attisdropped
    UNION ALL
    SELECT p.attnum::text, NULL, NULL FROM pg_depend d
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid
    JOIN pg_attribute p ON p.attrelid = $1::oid
      AND p.attname = a.attname AND NOT p.attisdropped
    WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
      AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = i.indrelid AND d.refobjsubid > 0) num) cols
ORDER BY wanted.place)sql";

SourceIndex index_of(const Rows& rows, int row) {
  SourceIndex index;
  index.oid = rows.oid(row, 0);
  index.name = rows.str(row, 1);
  index.table = rows.str(row, 2);
  index.tail = rows.str(row, 3);
  index.where = rows.str(row, 4);
  index.tablespace = rows.str(row, 5);
  index.options = rows.str(row, 6);
  index.is_unique = rows.boolean(row, 7);
  index.is_valid = rows.boolean(row, 8);
  index.is_exclusion = rows.boolean(row, 9);
  index.has_expressions = rows.boolean(row, 10);
  index.nulls_not_distinct = rows.boolean(row, 11);
  index.on_leaves_only = rows.boolean(row, 12);
  index.key_columns = rows.str(row, 13);
  index.include_columns = rows.str(row, 14);
  index.used_columns = rows.str(row, 15);
  index.equality_columns = rows.str(row, 16);
  index.constraint = rows.oid(row, 17);
  index.constraint_type = rows.is_null(row, 18) ? '\0' : rows.text(row, 18).front();
  index.constraint_suffix = rows.str(row, 19);
  index.constraint_sql = rows.str(row, 20);
  return index;
}

}  // namespace

Result<SourceIndexes> read_source_indexes(Connection& source, const Table& table) {
  const std::string oid = std::to_string(table.oid);
  SourceIndexes found;
  std::vector<std::uint32_t> wanted;
  PGFANOUT_TRY_ASSIGN(const Rows own, source.query("SELECT indexrelid FROM pg_index"
                                                   " WHERE indrelid = $1::oid ORDER BY 1",
                                                   {oid}));
  wanted.reserve(static_cast<std::size_t>(own.size()));
  for (int row = 0; row < own.size(); ++row) wanted.push_back(own.oid(row, 0));
  if (table.kind == 'p') {
    PGFANOUT_TRY_ASSIGN(const Rows groups,
                        source.query(fmt::format(kLeafGroupsSql, kSchemaLeaves), {oid}));
    for (int row = 0; row < groups.size(); ++row) {
      if (groups.integer(row, 1) == groups.integer(row, 2)) {
        wanted.push_back(groups.oid(row, 0));
      } else {
        found.on_some_leaves.push_back(fmt::format("{} on {} of {} leaves", groups.text(row, 3),
                                                   groups.text(row, 1), groups.text(row, 2)));
      }
    }
  }
  PGFANOUT_TRY_ASSIGN(const Rows rows, source.query(kIndexPartsSql, {oid, oid_array(wanted)}));
  for (int row = 0; row < rows.size(); ++row) found.carried.push_back(index_of(rows, row));
  return found;
}

}  // namespace pgfanout
