#include "copier/catalog/type_catalog.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"

namespace pgfanout {
namespace {

constexpr const char* kTypesSql =
    "WITH RECURSIVE reached(oid) AS ( SELECT unnest($1::oid[]) UNION"
    " SELECT part.oid FROM reached r JOIN pg_type t ON t.oid = r.oid CROSS JOIN LATERAL ("
    "  SELECT t.typbasetype AS oid WHERE t.typtype = 'd' UNION ALL"
    "  SELECT e.oid FROM pg_type e WHERE e.typarray = t.oid UNION ALL"
    "  SELECT a.atttypid FROM pg_attribute a WHERE t.typtype = 'c'"
    "   AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped UNION ALL"
    "  SELECT g.rngsubtype FROM pg_range g WHERE t.oid IN (g.rngtypid, g.rngmultitypid)) part)"
    " SELECT t.oid, format_type(t.oid, NULL), t.typtype,"
    " (SELECT e.oid FROM pg_type e WHERE e.typarray = t.oid), t.typbasetype,"
    " (SELECT g.rngsubtype FROM pg_range g WHERE t.oid IN (g.rngtypid, g.rngmultitypid)),"
    " (SELECT string_agg(a.atttypid::text, ' ' ORDER BY a.attnum)"
    "  FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid"
    "  AND a.attnum > 0 AND NOT a.attisdropped),"
    " t.typsend <> 0 AND t.typreceive <> 0,"
    " CASE t.typtype WHEN 'c' THEN (SELECT format('(%s)', string_agg("
    "   format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum))"
    "   FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)"
    "  WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)"
    "  WHEN 'r' THEN (SELECT format_type(g.rngsubtype, NULL) FROM pg_range g"
    "   WHERE g.rngtypid = t.oid) END"
    " FROM pg_type t WHERE t.oid IN (SELECT r.oid FROM reached r)";

/// {}: kBaseType.
constexpr const char* kTypeSql =
    "SELECT format_type(t.oid, $2::int4), t.typtype, base.oid, element.oid, element.typtype,"
    " t.typstorage FROM pg_type t CROSS JOIN LATERAL {}"
    " LEFT JOIN pg_type element ON element.typarray = base.oid WHERE t.oid = $1::oid";

}  // namespace

std::string oid_array(const std::vector<std::uint32_t>& oids) {
  return fmt::format("{{{}}}", fmt::join(oids, ","));
}

std::string text_array(const std::vector<std::string>& values) {
  const auto quoted = [](const std::string& value) {
    std::string text = "\"";
    for (const char byte : value) {
      if (byte == '"' || byte == '\\') text += '\\';
      text += byte;
    }
    return text + '"';
  };
  return "{" + joined(values, ",", quoted) + "}";
}

Result<TypeMap> read_types(Connection& connection, const std::vector<std::uint32_t>& types) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(kTypesSql, {oid_array(types)}));
  TypeMap map;
  for (int row = 0; row < rows.size(); ++row) {
    std::uint32_t oid = 0;
    TypeFacts facts;
    read_row(rows, row, oid, facts.name, facts.kind, facts.element, facts.base, facts.subtype,
             facts.fields, facts.has_binary_form, facts.definition);
    map.emplace(oid, std::move(facts));
  }
  return map;
}

Result<Column> describe_type(Connection& connection, std::uint32_t oid, std::int32_t modifier) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(fmt::format(kTypeSql, kBaseType),
                                       {std::to_string(oid), std::to_string(modifier)}));
  if (rows.size() != 1) {
    return refused("type-missing", fmt::format("there is no type with OID {}", oid),
                   "it was dropped meanwhile: run the command again");
  }
  Column column;
  column.type_oid = oid;
  column.type_modifier = modifier;
  read_row(rows, 0, column.type_sql, column.type_type, column.base_type_oid,
           column.element_type_oid, column.element_type_type, column.storage);
  column.type_storage = column.storage;
  return column;
}

Result<std::uint32_t> find_type(Connection& connection, const std::string& name) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query("SELECT to_regtype($1)::oid", {name}));
  return rows.oid(0, 0);
}

}  // namespace pgfanout
