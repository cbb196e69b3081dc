#include "copier/journal/reject_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/type_catalog.h"
#include "copier/journal/journal.h"

namespace pgfanout {
namespace {

/// json_build_object('id', id::text, ...), or NULL without a primary key.
std::string identity_sql(const Connection& connection, const Table& table) {
  if (table.primary_key.empty()) return "NULL::text";
  std::string arguments;
  for (const std::string& column : table.primary_key) {
    arguments += fmt::format("{}{}, {}::text", arguments.empty() ? "" : ", ",
                             connection.quote_literal(column), quoted_name(column));
  }
  return fmt::format("json_build_object({})::text", arguments);
}

/// Whether a copy made it: a table of that name may be another's.
Result<bool> is_reject_table(Connection& connection, const std::string& qualified) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query("SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1)"
                       " AND attname IN ('job', 'epoch', 'target_leaf', 'row_bytes')"
                       " AND NOT attisdropped",
                       {qualified}));
  return rows.integer(0, 0) == 4;
}

Result<void> make_table(Connection& connection, const RejectPlace& place,
                        const std::string& qualified) {
  PGFANOUT_TRY(connection.run(
      fmt::format("CREATE TABLE {} (job text NOT NULL, epoch integer NOT NULL,"
                  " source_leaf text NOT NULL, source_ctid tid, identity json, target_leaf text,"
                  " code text NOT NULL, reason text NOT NULL, sqlstate text, row_bytes bytea,"
                  " set_aside_at timestamptz NOT NULL DEFAULT clock_timestamp())",
                  qualified)));
  PGFANOUT_TRY_ASSIGN(const Rows made, connection.query("SELECT $1::regclass::oid", {qualified}));
  return Journal(connection)
      .add_made(place.job, {made.oid(0, 0), place.schema, reject_table_name(place.target)});
}

}  // namespace

std::string RowLocation::text() const {
  std::string where = leaf;
  if (!ctid.empty()) where += " ctid " + ctid;
  if (!identity.empty()) where += " " + identity;
  return where;
}

Result<RowLocation> locate_row(Connection& connection, const Table& table,
                               const std::vector<SourceRange>& ranges, const Reject& reject) {
  const SourceRange& range = ranges[reject.range];
  RowLocation location{table.leaves[range.leaf].qualified, reject.ctid, {}};
  // Rows of a range come in physical order, so an ordinal names a row.
  const std::string place =
      reject.ctid.empty() ? fmt::format("{} OFFSET {} LIMIT 1", range_condition(range), reject.row)
                          : fmt::format(" WHERE ctid = '{}'::tid", reject.ctid);
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(fmt::format(
                                           "SELECT ctid, {} FROM ONLY {}{}",
                                           identity_sql(connection, table), location.leaf, place)));
  if (rows.size() == 1) {
    location.ctid = rows.str(0, 0);
    location.identity = rows.str(0, 1);
  }
  return location;
}

std::string reject_table_name(const std::string& target) {
  return suffixed_name(target, "_rejects");
}

Result<void> store_rejects(Connection& connection, const RejectPlace& place,
                           const std::vector<LocatedReject>& rejects,
                           const std::vector<std::string>& kept) {
  const std::string qualified = quoted_name(place.schema, reject_table_name(place.target));
  PGFANOUT_TRY_ASSIGN(const Rows table,
                      connection.query("SELECT to_regclass($1) IS NOT NULL", {qualified}));
  if (rejects.empty()) {
    PGFANOUT_TRY_ASSIGN(const bool is_ours, is_reject_table(connection, qualified));
    if (!is_ours) return {};
  }
  if (!table.boolean(0, 0)) {
    PGFANOUT_TRY(make_table(connection, place, qualified));
  } else {
    PGFANOUT_TRY(connection.run(
        fmt::format("DELETE FROM {} WHERE job = $1 AND epoch >= $2 AND NOT (epoch = $2"
                    " AND target_leaf IS NOT NULL AND target_leaf = ANY ($3::text[]))",
                    qualified),
        {place.job, std::to_string(place.epoch), text_array(kept)}));
  }
  const std::string insert = fmt::format(
      "INSERT INTO {} (job, source_leaf, source_ctid, identity, code, reason, sqlstate, row_bytes,"
      " epoch, target_leaf) VALUES ($1, $2, NULLIF($3, '')::tid, NULLIF($4, '')::json, $5, $6, "
      "NULLIF($7, ''),"
      " NULLIF($8, '')::bytea, $9, NULLIF($10, ''))",
      qualified);
  for (const LocatedReject& row : rejects) {
    const std::string bytes =
        row.reject.bytes.empty() ? "" : fmt::format("\\x{:02x}", fmt::join(row.reject.bytes, ""));
    PGFANOUT_TRY(connection.run(
        insert, {place.job, row.location.leaf, row.location.ctid, row.location.identity,
                 row.reject.code, row.reject.reason, row.reject.sqlstate, bytes,
                 std::to_string(place.epoch), row.reject.target_leaf}));
  }
  return {};
}

Result<std::uint64_t> count_rejects(Connection& connection, const RejectPlace& place,
                                    const std::vector<std::string>& kept) {
  const std::string qualified = quoted_name(place.schema, reject_table_name(place.target));
  PGFANOUT_TRY_ASSIGN(const bool is_ours, is_reject_table(connection, qualified));
  if (!is_ours) return std::uint64_t{0};
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(fmt::format("SELECT count(*) FROM {} WHERE job = $1 AND (epoch < $2"
                                   " OR epoch = $2 AND target_leaf = ANY ($3::text[]))",
                                   qualified),
                       {place.job, std::to_string(place.epoch), text_array(kept)}));
  return static_cast<std::uint64_t>(rows.integer(0, 0));
}

}  // namespace pgfanout
