#include "copier/catalog/name_holders.h"

#include <fmt/format.h>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/type_catalog.h"

namespace pgfanout {
namespace {

/// An array type is no holder: the server renames it when its name is needed.
constexpr const char* kHoldersSql = R"sql(
WITH wanted(kind, schema, name) AS (
  SELECT * FROM ROWS FROM (unnest($1::text[]), unnest($2::text[]), unnest($3::text[])) AS w),
tree(oid) AS (
  SELECT $4::oid UNION SELECT t.relid::oid
  FROM pg_partition_tree($4::oid::regclass) t)
SELECT CASE c.relkind WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' WHEN 'S' THEN 'SEQUENCE'
    WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
    WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END,
  c.oid, n.nspname, c.relname,
  c.oid IN (SELECT tree.oid FROM tree)
  OR EXISTS (SELECT 1 FROM pg_index i JOIN tree ON tree.oid = i.indrelid
    WHERE i.indexrelid = c.oid)
  OR EXISTS (SELECT 1 FROM pg_index i JOIN pg_class m ON m.oid = i.indrelid
    JOIN pg_namespace s ON s.oid = m.relnamespace
    JOIN wanted v ON v.kind = 'MATERIALIZED VIEW' AND v.schema = s.nspname AND v.name = m.relname
    WHERE i.indexrelid = c.oid AND m.relkind = 'm')
  OR EXISTS (SELECT 1 FROM pg_depend d JOIN tree ON tree.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i')
FROM (SELECT DISTINCT w.schema, w.name FROM wanted w WHERE w.kind <> 'STATISTICS') w
JOIN pg_namespace n ON n.nspname = w.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
UNION ALL SELECT CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, t.oid, n.nspname,
  t.typname, false
FROM (SELECT DISTINCT w.schema, w.name FROM wanted w
  WHERE w.kind IN ('TABLE', 'MATERIALIZED VIEW')) w
JOIN pg_namespace n ON n.nspname = w.schema
JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = w.name AND t.typrelid = 0
WHERE NOT EXISTS (SELECT 1 FROM pg_type e WHERE e.typarray = t.oid)
UNION ALL SELECT 'STATISTICS', s.oid, n.nspname, s.stxname, s.stxrelid IN (SELECT oid FROM tree)
FROM (SELECT DISTINCT w.schema, w.name FROM wanted w WHERE w.kind = 'STATISTICS') w
JOIN pg_namespace n ON n.nspname = w.schema
JOIN pg_statistic_ext s ON s.stxnamespace = n.oid AND s.stxname = w.name
ORDER BY 3, 4, 1)sql";

}  // namespace

std::string NameHolder::text() const {
  return fmt::format("{} {}.{}", lower_case(kind), display_name(schema), display_name(name));
}

std::string NameHolder::hint() const {
  return fmt::format("rename it (ALTER {} {} RENAME TO ...) or drop it before the window", kind,
                     quoted_name(schema, name));
}

Result<std::vector<NameHolder>> find_name_holders(Connection& connection,
                                                  const std::vector<WantedName>& wanted,
                                                  std::uint32_t source_oid) {
  const auto array_of = [&](std::string WantedName::*part) {
    return text_array(parts_of(wanted, part));
  };
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(kHoldersSql, {array_of(&WantedName::kind), array_of(&WantedName::schema),
                                     array_of(&WantedName::name), std::to_string(source_oid)}));
  return read_rows<NameHolder>(rows, &NameHolder::kind, &NameHolder::oid, &NameHolder::schema,
                               &NameHolder::name, &NameHolder::is_of_source);
}

Result<bool> is_reject_table(Connection& connection, const std::string& qualified) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query("SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1)"
                       " AND attname IN ('job', 'epoch', 'target_leaf', 'row_bytes')"
                       " AND NOT attisdropped",
                       {qualified}));
  return rows.integer(0, 0) == 4;
}

}  // namespace pgfanout
