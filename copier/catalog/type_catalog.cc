#include "copier/catalog/type_catalog.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

namespace pgfanout {
namespace {

constexpr const char* kTypesSql =
    "WITH RECURSIVE reached(oid) AS ( SELECT unnest($1::oid[]) UNION"
    " SELECT part.oid FROM reached r JOIN pg_type t ON t.oid = r.oid CROSS JOIN LATERAL ("
    "  SELECT t.typbasetype AS oid WHERE t.typtype = 'd' UNION ALL"
    "  SELECT e.oid FROM pg_type e WHERE e.typarray = t.oid UNION ALL"
    "  SELECT a.atttypid FROM pg_attribute a WHERE t.typtype = 'c'"
    "   AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped UNION ALL"
    "  SELECT g.rngsubtype FROM pg_range g   WHERE t.oid IN (g.rngtypid, g.rngmultitypid)) part)"
    " SELECT t.oid, format_type(t.oid, NULL), t.typtype,"
    " (SELECT e.oid FROM pg_type e WHERE e.typarray = t.oid), t.typbasetype,"
    " (SELECT g.rngsubtype FROM pg_range g WHERE t.oid IN (g.rngtypid, g.rngmultitypid)),"
    " (SELECT string_agg(a.atttypid::text, ' ' ORDER BY a.attnum)"
    "  FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid"
    "  AND a.attnum > 0 AND NOT a.attisdropped),"
    " t.typsend <> 0 AND t.typreceive <> 0"
    " FROM pg_type t WHERE t.oid IN (SELECT r.oid FROM reached r)";

constexpr const char* kTypeSql =
    "WITH RECURSIVE under(oid, below, is_domain, depth) AS ("
    " SELECT t.oid, t.typbasetype, t.typtype = 'd', 0 FROM pg_type t"
    "  WHERE t.oid = $1::oid UNION ALL SELECT b.oid, b.typbasetype, b.typtype = 'd', u.depth + 1"
    "  FROM under u JOIN pg_type b ON b.oid = u.below WHERE u.is_domain)"
    " SELECT format_type(t.oid, $2::int4), t.typtype, base.oid, element.oid,"
    " element.typtype, t.typstorage FROM pg_type t"
    " CROSS JOIN (SELECT u.oid FROM under u ORDER BY u.depth DESC LIMIT 1) base"
    " LEFT JOIN pg_type element ON element.typarray = base.oid WHERE t.oid = $1::oid";

char code_of(const Rows& rows, int row, int column) {
  const std::string_view text = rows.text(row, column);
  return text.empty() ? '\0' : text.front();
}

std::vector<std::uint32_t> oids_of(std::string_view text) {
  std::vector<std::uint32_t> oids;
  while (!text.empty()) {
    std::uint32_t oid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), oid);
    if (error != std::errc()) break;
    oids.push_back(oid);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  return oids;
}

}  // namespace

std::string oid_array(const std::vector<std::uint32_t>& oids) {
  return fmt::format("{{{}}}", fmt::join(oids, ","));
}

std::string text_array(const std::vector<std::string>& values) {
  std::string array = "{";
  for (const std::string& value : values) {
    if (array.size() > 1) array += ',';
    array += '"';
    for (const char byte : value) {
      if (byte == '"' || byte == '\\') array += '\\';
      array += byte;
    }
    array += '"';
  }
  return array + "}";
}

Result<TypeMap> read_types(Connection& connection, const std::vector<std::uint32_t>& types) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(kTypesSql, {oid_array(types)}));
  TypeMap map;
  for (int row = 0; row < rows.size(); ++row) {
    TypeFacts facts;
    facts.name = rows.str(row, 1);
    facts.kind = code_of(rows, row, 2);
    facts.element = rows.oid(row, 3);
    facts.base = rows.oid(row, 4);
    facts.subtype = rows.oid(row, 5);
    facts.fields = oids_of(rows.text(row, 6));
    facts.has_binary_form = rows.boolean(row, 7);
    map.emplace(rows.oid(row, 0), std::move(facts));
  }
  return map;
}

Result<Column> describe_type(Connection& connection, std::uint32_t oid, std::int32_t modifier) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(kTypeSql, {std::to_string(oid), std::to_string(modifier)}));
  if (rows.size() != 1) {
    return refused("type-missing", fmt::format("there is no type with OID {}", oid),
                   "it was dropped a moment ago: run the command again");
  }
  Column column;
  column.type_oid = oid;
  column.type_modifier = modifier;
  column.type_sql = rows.str(0, 0);
  column.type_type = code_of(rows, 0, 1);
  column.base_type_oid = rows.oid(0, 2);
  column.element_type_oid = rows.oid(0, 3);
  column.element_type_type = code_of(rows, 0, 4);
  column.storage = column.type_storage = code_of(rows, 0, 5);
  return column;
}

Result<std::uint32_t> find_type(Connection& connection, const std::string& name) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query("SELECT to_regtype($1)::oid", {name}));
  return rows.oid(0, 0);
}

}  // namespace pgfanout
