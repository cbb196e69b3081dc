#include "copier/carry/references.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "copier/catalog/relation_name.h"

namespace pgfanout {
namespace {

constexpr int kNamedOrphans = 5;

std::string parents_of(const CarriedReference& reference, const ReferringRows& rows) {
  if (!rows.parents.empty()) return rows.parents;
  return (reference.is_partitioned ? "" : "ONLY ") + reference.table;
}

/// Is true of row r that has no parent.
std::string is_orphan(const CarriedReference& reference, const ReferringRows& rows) {
  std::vector<std::string> given;
  std::vector<std::string> equal;
  for (std::size_t at = 0; at < reference.pairs.size(); ++at) {
    const CarriedReference::Pair& pair = reference.pairs[at];
    given.push_back(fmt::format("r.k{} IS NOT NULL", at));
    equal.push_back(fmt::format("o.{} {} r.k{}{}",
                                rows.parent_keys.empty() ? pair.parent : rows.parent_keys[at],
                                pair.is_changed ? "OPERATOR(pg_catalog.=)" : pair.equal, at,
                                pair.is_changed ? "" : pair.collation));
  }
  const std::string has_none =
      fmt::format("{} AND NOT EXISTS (SELECT FROM {} AS o WHERE {})", fmt::join(given, " AND "),
                  parents_of(reference, rows), fmt::join(equal, " AND "));
  if (!reference.is_full || given.size() < 2) return has_none;
  return fmt::format("({} OR ({}) AND NOT ({}))", has_none, fmt::join(given, " OR "),
                     fmt::join(given, " AND "));
}

std::string rows_sql(const ReferringRows& rows) {
  std::string list = fmt::format("{} AS place, {} AS identity", rows.place,
                                 rows.identity.empty() ? "NULL::text" : rows.identity);
  for (std::size_t at = 0; at < rows.keys.size(); ++at) {
    list += fmt::format(", {} AS k{}", rows.keys[at], at);
  }
  return fmt::format("SELECT {} FROM {}", list, rows.from);
}

}  // namespace

std::string orphans_sql(const CarriedReference& reference, const ReferringRows& rows,
                        bool counts_all) {
  return fmt::format(
      "WITH r AS {}({}) SELECT {}, pg_catalog.count(*),"
      " pg_catalog.string_agg(shown, '; ') FILTER (WHERE number OPERATOR(pg_catalog.<=) {})"
      " FROM (SELECT COALESCE(r.identity || ' (' || r.place || ')', r.place) AS shown,"
      " pg_catalog.row_number() OVER () AS number FROM r WHERE {}) AS found",
      counts_all ? "MATERIALIZED " : "", rows_sql(rows),
      counts_all ? "(SELECT pg_catalog.count(*) FROM r)" : "0::int8", kNamedOrphans,
      is_orphan(reference, rows));
}

std::string identity_sql(const Connection& connection,
                         const std::vector<std::string>& primary_key) {
  std::string parts;
  for (const std::string& column : primary_key) {
    parts += fmt::format(
        "{}{}, pg_catalog.left({}::text, 60)", parts.empty() ? "" : ", ",
        connection.quote_literal((parts.empty() ? "" : ", ") + display_name(column) + " = "),
        quoted_name(column));
  }
  return parts.empty() ? std::string() : fmt::format("pg_catalog.concat({})", parts);
}

std::string insert_parents_sql(const CarriedReference& reference, const ReferringRows& rows) {
  std::vector<std::string> columns;
  std::vector<std::string> keys;
  std::vector<std::string> given;
  for (std::size_t at = 0; at < reference.pairs.size(); ++at) {
    columns.push_back(reference.pairs[at].parent);
    keys.push_back(fmt::format("r.k{}", at));
    given.push_back(fmt::format("r.k{} IS NOT NULL", at));
  }
  // Keys that are NULL in part, which MATCH FULL refuses, have no parent to insert.
  const std::string only_given =
      reference.is_full ? fmt::format("{} AND ", fmt::join(given, " AND ")) : std::string();
  return fmt::format("INSERT INTO {} ({}) SELECT DISTINCT {} FROM ({}) AS r WHERE {}{}",
                     reference.table, fmt::join(columns, ", "), fmt::join(keys, ", "),
                     rows_sql(rows), only_given, is_orphan(reference, rows));
}

std::string orphans_condition_sql(const CarriedReference& reference, const ReferringRows& rows) {
  return fmt::format("(tableoid, ctid) IN (SELECT r.place, r.identity FROM ({}) AS r WHERE {})",
                     rows_sql(rows), is_orphan(reference, rows));
}

Result<std::string> columns_beside(Connection& connection, const CarriedReference& reference) {
  std::string key;
  for (const CarriedReference::Pair& pair : reference.pairs) {
    key += (key.empty() ? "" : ", ") + connection.quote_literal(pair.parent);
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(
          fmt::format("SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)"
                      " FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0"
                      " AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef"
                      " AND a.attidentity = '' AND quote_ident(a.attname) NOT IN ({})",
                      key),
          {reference.table}));
  return rows.str(0, 0);
}

std::string beside_text(const std::string& columns) {
  return columns.empty() ? columns : fmt::format(" (add values for {})", columns);
}

std::string orphans_accepted_as(std::string_view key) {
  return std::string(kOrphansOf) + std::string(key);
}

}  // namespace pgfanout
