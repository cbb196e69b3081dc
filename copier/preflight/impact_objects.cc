#include "copier/preflight/impact_objects.h"

#include <fmt/format.h>

#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

std::vector<std::string> first_column(const Rows& rows) {
  std::vector<std::string> values;
  values.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) values.push_back(rows.str(row, 0));
  return values;
}

Result<std::vector<std::string>> names(Connection& connection, const Table& table,
                                       const std::string& sql) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(sql, {std::to_string(table.oid)}));
  return first_column(rows);
}

// The table's own objects (its indexes, triggers, policies, ...) are carried over, not bound. The
// second column says what becomes of an object: (v)iew, (f)unction, (o)ther, or nothing of these.
// {0}: the tree of tables.
constexpr const char* kBoundSql = R"sql(
WITH tree AS (SELECT tree.oid FROM {0}),
bound(class, oid, leaf) AS (
  SELECT 'pg_class'::regclass::oid, tree.oid,
    NULLIF(tree.oid, $1::oid) FROM tree
  UNION ALL
  SELECT 'pg_type'::regclass, y.oid, NULLIF(tree.oid, $1::oid)
    FROM tree JOIN pg_class c ON c.oid = tree.oid
    JOIN pg_type r ON r.oid = c.reltype
    JOIN pg_type y ON y.oid IN (r.oid, r.typarray)),
dependent AS (
  SELECT d.classid, d.objid, d.objsubid, min(bound.leaf::int8) AS leaf,
    bool_or(bound.class = 'pg_type'::regclass) AS by_type
  FROM bound JOIN pg_depend d ON d.refclassid = bound.class AND d.refobjid = bound.oid
  WHERE d.deptype IN ('n', 'a') GROUP BY 1, 2, 3)
SELECT found.name, found.becomes,
  d.leaf::oid::regclass::text
FROM dependent d CROSS JOIN LATERAL (
  SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' WHEN 'v' THEN 'view '
      ELSE format('rule %I on ', r.rulename) END
      || r.ev_class::regclass::text AS name,
    CASE WHEN c.relkind IN ('v', 'm') THEN 'v' ELSE 'o' END AS becomes
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    AND r.ev_class NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT 'function ' || p.oid::regprocedure::text || CASE WHEN d.by_type
      THEN ' (row type)' ELSE ' (BEGIN ATOMIC)' END, 'f'
    FROM pg_proc p
    WHERE d.classid = 'pg_proc'::regclass AND p.oid = d.objid
  UNION ALL
  SELECT format('column %s.%I (row type)', c.oid::regclass, a.attname), 'o'
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid
    AND a.attnum = d.objsubid AND d.objsubid > 0 AND d.by_type
    AND c.oid NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT 'type ' || format_type(y.oid, NULL) || ' (row type)', 'o'
    FROM pg_type y
    WHERE d.classid = 'pg_type'::regclass AND y.oid = d.objid AND d.by_type
    AND y.typtype = 'd'
  UNION ALL
  SELECT format('policy %I on %s', p.polname, p.polrelid::regclass), 'o'
    FROM pg_policy p
    WHERE d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    AND p.polrelid NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT format('default of %s.%I', f.adrelid::regclass, a.attname), 'o'
    FROM pg_attrdef f JOIN pg_attribute a
      ON a.attrelid = f.adrelid AND a.attnum = f.adnum
    WHERE d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
    AND f.adrelid NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT format('constraint %I on %s', k.conname, k.conrelid::regclass), 'o'
    FROM pg_constraint k
    WHERE d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    AND k.contype <> 'f' AND k.conrelid <> 0 AND k.conrelid NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT format('trigger %I on %s', t.tgname, t.tgrelid::regclass), 'o'
    FROM pg_trigger t
    WHERE d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    AND NOT t.tgisinternal AND t.tgrelid NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT format('cast from %s to %s', format_type(s.castsource, NULL),
      format_type(s.casttarget, NULL)), 'o'
    FROM pg_cast s
    WHERE d.classid = 'pg_cast'::regclass AND s.oid = d.objid
  UNION ALL
  SELECT format('operator %s', o.oid::regoperator), 'o'
    FROM pg_operator o
    WHERE d.classid = 'pg_operator'::regclass AND o.oid = d.objid
) found ORDER BY 2, 1)sql";

// The text of a BEGIN ATOMIC function is what the server makes of it.
constexpr const char* kByTextSql = R"sql(
SELECT 'function ' || p.oid::regprocedure::text
  || CASE WHEN p.prosqlbody IS NULL THEN ' (by text)' ELSE ' (BEGIN ATOMIC)' END,
  (SELECT string_agg(format('trigger %I on %s', t.tgname,
     t.tgrelid::regclass), ', ' ORDER BY t.tgname, t.tgrelid)
   FROM pg_trigger t WHERE t.tgfoid = p.oid AND NOT t.tgisinternal
   AND t.tgparentid = 0)
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
CROSS JOIN LATERAL (SELECT COALESCE(pg_get_function_sqlbody(p.oid), p.prosrc) AS text)
  body
WHERE l.lanname NOT IN ('c', 'internal') AND p.pronamespace NOT IN (
    SELECT n.oid FROM pg_namespace n
    WHERE n.nspname IN ('pg_catalog', 'information_schema', 'pgfanout'))
  AND body.text ~* $1 AND ($2 = '' OR body.text ~* $2)
ORDER BY 1)sql";

constexpr const char* kInsertPathsSql = R"sql(
SELECT DISTINCT CASE WHEN c.relkind = 'v'
    THEN 'view ' || c.oid::regclass::text
    ELSE format('rule %I on %s', r.rulename, c.oid::regclass) END
FROM {0} JOIN pg_depend d ON d.refobjid = tree.oid
  AND d.refclassid = 'pg_class'::regclass
  AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid
JOIN pg_class c ON c.oid = r.ev_class
WHERE (c.relkind = 'v' AND r.ev_type = '1'
    AND pg_relation_is_updatable(c.oid::regclass, true) & 8 <> 0)
  OR (r.ev_type <> '1' AND pg_get_ruledef(r.oid) ~* $2)
ORDER BY 1)sql";

constexpr const char* kUniqueSql = R"sql(
SELECT COALESCE(quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid),
    format('%I UNIQUE INDEX (%s)', c.relname, (
      SELECT string_agg(pg_get_indexdef(i.indexrelid, place, false), ', '
        ORDER BY place)
      FROM generate_series(1, i.indnkeyatts::int4) place))),
  ARRAY(SELECT a.attname FROM unnest(i.indkey::int2[]) WITH ORDINALITY
      AS part(number, place) JOIN pg_attribute a
      ON a.attrelid = i.indrelid AND a.attnum = part.number
    WHERE part.place <= i.indnkeyatts ORDER BY part.place)::text[]
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
  AND k.contype IN ('p', 'u')
WHERE i.indrelid = $1::oid AND i.indisunique
ORDER BY NOT i.indisprimary, 1)sql";

constexpr const char* kGroupedSql = R"sql(
SELECT DISTINCT CASE WHEN c.relkind = 'm' THEN 'materialized view ' ELSE 'view ' END
    || c.oid::regclass::text
FROM pg_constraint k JOIN pg_depend d ON d.refobjid = k.oid
  AND d.refclassid = 'pg_constraint'::regclass
  AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid
JOIN pg_class c ON c.oid = r.ev_class
WHERE k.conrelid = $1::oid AND k.contype = 'p'
UNION SELECT 'function ' || d.objid::regprocedure::text || ' (BEGIN ATOMIC)'
FROM pg_constraint k JOIN pg_depend d ON d.refobjid = k.oid
  AND d.refclassid = 'pg_constraint'::regclass
  AND d.classid = 'pg_proc'::regclass
WHERE k.conrelid = $1::oid AND k.contype = 'p'
ORDER BY 1)sql";

/// {a,b} of a text[] of names, which the server quotes where it must.
std::vector<std::string> array_of(std::string_view text) {
  std::vector<std::string> values;
  if (text.size() < 2) return values;
  text = text.substr(1, text.size() - 2);
  std::string value;
  bool is_quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') {
      is_quoted = !is_quoted;
    } else if (text[at] == ',' && !is_quoted) {
      values.push_back(std::move(value));
      value.clear();
    } else {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      value += text[at];
    }
  }
  if (!text.empty()) values.push_back(std::move(value));
  return values;
}

Result<std::vector<std::string>> functions_with(Connection& connection, const std::string& pattern,
                                                const std::string& also) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(kByTextSql, {pattern, also}));
  std::vector<std::string> found;
  found.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    found.push_back(rows.is_null(row, 1)
                        ? rows.str(row, 0)
                        : fmt::format("{}, called by {}", rows.text(row, 0), rows.text(row, 1)));
  }
  return found;
}

std::string with_name(std::string pattern, const Table& table) {
  constexpr std::string_view kPlace = "TABLE";
  const std::string name = name_pattern(table.schema, table.name);
  for (auto at = pattern.find(kPlace); at != std::string::npos;
       at = pattern.find(kPlace, at + name.size())) {
    pattern.replace(at, kPlace.size(), name);
  }
  return pattern;
}

}  // namespace

std::string literal_pattern(std::string_view text) {
  std::string pattern;
  for (const char byte : text) {
    const bool is_plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                          (byte >= 'A' && byte <= 'Z') || byte == '_' ||
                          static_cast<unsigned char>(byte) >= 0x80U;
    if (!is_plain) pattern += '\\';
    pattern += byte;
  }
  return pattern;
}

std::string name_pattern(std::string_view schema, std::string_view name) {
  return fmt::format(R"re((?:"?{}"?\s*\.\s*)?"?{}(?![\w$])"?)re", literal_pattern(schema),
                     literal_pattern(name));
}

Result<BoundObjects> find_bound_objects(Connection& connection, const Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(fmt::format(kBoundSql, kSchemaTree),
                                                        {std::to_string(table.oid)}));
  BoundObjects bound;
  for (int row = 0; row < rows.size(); ++row) {
    const std::string_view becomes = rows.text(row, 1);
    (becomes == "v"   ? bound.views
     : becomes == "f" ? bound.functions
                      : bound.others)
        .push_back(rows.str(row, 0));
    if (!rows.is_null(row, 2)) {
      bound.by_leaf.push_back(fmt::format("{}: {}", rows.text(row, 0), rows.text(row, 2)));
    }
  }
  return bound;
}

Result<std::vector<std::string>> find_by_text(Connection& connection, const Table& table,
                                              const TextSearch& search) {
  return functions_with(connection, with_name(search.pattern, table), search.also);
}

Result<std::vector<std::string>> find_leaf_names(Connection& connection, const Table& table) {
  std::string pattern;
  for (const Leaf& leaf : table.leaves) {
    if (leaf.oid == table.oid) continue;
    pattern += fmt::format("{}{}", pattern.empty() ? "" : "|", literal_pattern(leaf.name));
  }
  if (pattern.empty()) return std::vector<std::string>();
  return functions_with(connection, fmt::format(R"((?<![\w$])(?:{})(?![\w$]))", pattern), "");
}

Result<std::vector<std::string>> find_insert_paths(Connection& connection, const Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(fmt::format(kInsertPathsSql, kSchemaTree),
                                       {std::to_string(table.oid),
                                        fmt::format(R"(insert\s+into\s+{})",
                                                    name_pattern(table.schema, table.name))}));
  return first_column(rows);
}

Result<std::vector<UniqueKey>> find_unique_keys(Connection& connection, const Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(kUniqueSql, {std::to_string(table.oid)}));
  std::vector<UniqueKey> keys;
  keys.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    keys.push_back({rows.str(row, 0), array_of(rows.text(row, 1))});
  }
  return keys;
}

Result<std::vector<std::string>> find_inbound_keys(Connection& connection, const Table& table) {
  return names(connection, table,
               "SELECT format('%I on %s', k.conname, k.conrelid::regclass)"
               " FROM pg_constraint k WHERE k.confrelid = $1::oid"
               " AND k.contype = 'f' AND k.conparentid = 0 ORDER BY 1");
}

Result<std::vector<std::string>> find_grouped_by_key(Connection& connection, const Table& table) {
  return names(connection, table, kGroupedSql);
}

}  // namespace pgfanout
