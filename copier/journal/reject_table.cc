#include "copier/journal/reject_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/type_catalog.h"
#include "copier/journal/journal.h"
#include "copier/pg/transaction.h"

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

/// A table of the reject table's name, which may be another's.
struct FoundTable {
  std::uint32_t oid = 0;    ///< 0: there is none.
  bool is_ours = false;     ///< A copy made it.
  bool has_digest = false;  ///< Those of earlier versions have none.
};
Result<FoundTable> find_table(Connection& connection, const std::string& qualified) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query("SELECT c.oid, count(*) FILTER (WHERE a.attname IN"
                       " ('job', 'epoch', 'target_leaf', 'row_bytes')) = 4,"
                       " count(*) FILTER (WHERE a.attname = 'row_digest') = 1"
                       " FROM (SELECT to_regclass($1)::oid AS oid) AS c LEFT JOIN pg_attribute a"
                       " ON a.attrelid = c.oid AND NOT a.attisdropped GROUP BY c.oid",
                       {qualified}));
  return FoundTable{rows.oid(0, 0), rows.boolean(0, 1), rows.boolean(0, 2)};
}

Result<void> make_table(Connection& connection, const RejectPlace& place,
                        const std::string& qualified) {
  PGFANOUT_TRY(connection.run(
      fmt::format("CREATE TABLE {} (job text NOT NULL, epoch integer NOT NULL,"
                  " source_leaf text NOT NULL, source_ctid tid, identity json, target_leaf text,"
                  " code text NOT NULL, reason text NOT NULL, sqlstate text, row_bytes bytea,"
                  " set_aside_at timestamptz NOT NULL DEFAULT clock_timestamp(), row_digest text)",
                  qualified)));
  PGFANOUT_TRY_ASSIGN(const Rows made, connection.query("SELECT $1::regclass::oid", {qualified}));
  return Journal(connection)
      .add_made(place.job, {{made.oid(0, 0), place.schema, reject_table_name(place.target)}});
}

/// The last job from the source $5 that could have put rows into the target, and how many rows it
/// has set aside by its books. Target and reject table ($3, $4: OIDs) may have been renamed since.
constexpr const char* kLastJobSql = R"sql(
WITH related AS (
  SELECT DISTINCT j.target_schema, j.target_name FROM pgfanout.job j
  WHERE (j.target_schema = $1 AND j.target_name = $2) OR EXISTS (
    SELECT 1 FROM pgfanout.made_relation m WHERE m.job = j.job AND m.relation IN ($3::oid, $4::oid)))
SELECT j.job, j.source_oid = $5::oid,
  (SELECT COALESCE(sum(e.rejected_rows), 0) FROM pgfanout.epoch e WHERE e.job = j.job)
  + (SELECT COALESCE(sum(l.refused_rows), 0) FROM pgfanout.leaf_load l WHERE l.job = j.job)
FROM pgfanout.job j JOIN related USING (target_schema, target_name)
WHERE j.state <> 'rolled back' AND (
  EXISTS (SELECT 1 FROM pgfanout.made_relation m WHERE m.job = j.job AND m.relation = $3::oid)
  OR NOT EXISTS (SELECT 1 FROM pgfanout.made_relation m WHERE m.job = j.job
    AND m.schema_name = j.target_schema AND m.relation_name = j.target_name))
ORDER BY j.started_at DESC LIMIT 1)sql";

Result<SetAside> read_set_aside_from(Connection& connection, const std::string& qualified,
                                     const Table& target, std::uint32_t source_oid) {
  SetAside found;
  PGFANOUT_TRY_ASSIGN(const FoundTable table, find_table(connection, qualified));
  if (!table.is_ours) return found;
  constexpr int kFirstWithBooks = 3;
  std::string job;
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(connection));
  if (version >= kFirstWithBooks) {
    PGFANOUT_TRY_ASSIGN(
        const Rows last,
        connection.query(kLastJobSql, {target.schema, target.name, std::to_string(target.oid),
                                       std::to_string(table.oid), std::to_string(source_oid)}));
    if (last.size() == 1 && last.boolean(0, 1)) {
      job = last.str(0, 0);
      found.booked = static_cast<std::uint64_t>(last.integer(0, 2));
    }
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(fmt::format("SELECT job = $1, source_leaf, source_ctid::text, {} FROM {}",
                                   table.has_digest ? "row_digest" : "NULL", qualified),
                       {job}));
  for (int row = 0; row < rows.size(); ++row) {
    if (!rows.boolean(row, 0)) {
      ++found.of_others;
    } else if (rows.is_null(row, 3)) {
      ++found.undigested;
    } else {
      found.rows.push_back({rows.str(row, 1), rows.str(row, 2), rows.str(row, 3)});
    }
  }
  return found;
}

}  // namespace

std::string RowLocation::text() const {
  std::string where = leaf;
  if (!ctid.empty()) where += " ctid " + ctid;
  if (!identity.empty()) where += " " + identity;
  return where;
}

std::string reject_digest_sql(std::vector<std::pair<std::string, std::string>> columns) {
  std::sort(columns.begin(), columns.end());
  std::string values;
  for (const auto& [name, sql] : columns) values += (values.empty() ? "" : ", ") + sql;
  return fmt::format("encode(sha256(record_send(ROW({}))), 'hex')", values);
}

Result<RowLocation> locate_row(Connection& connection, const Table& table,
                               const std::vector<SourceRange>& ranges, const Reject& reject,
                               const std::string& digest_sql) {
  const SourceRange& range = ranges[reject.range];
  RowLocation location{table.leaves[range.leaf].qualified, reject.ctid, {}};
  // Rows of a range come in physical order, so an ordinal names a row.
  const std::string place = reject.ctid.empty()
                                ? fmt::format("(SELECT ctid FROM ONLY {}{} OFFSET {} LIMIT 1)",
                                              location.leaf, range_condition(range), reject.row)
                                : fmt::format("'{}'::tid", reject.ctid);
  const auto read = [&](const std::string& digest) {
    return connection.query(fmt::format("SELECT ctid, {}, {} FROM ONLY {} WHERE ctid = {}",
                                        identity_sql(connection, table), digest, location.leaf,
                                        place));
  };
  Result<Rows> rows = Rows(nullptr);
  bool has_digest = false;
  if (!digest_sql.empty()) {
    // A value that cannot be computed may be why the row was set aside.
    rows = in_savepoint(connection, [&] { return read(digest_sql); });
    has_digest = static_cast<bool>(rows);
  }
  if (!has_digest) rows = read("NULL");
  if (!rows) return std::move(rows).error();
  if (rows->size() == 1) {
    location.ctid = rows->str(0, 0);
    location.identity = rows->str(0, 1);
    location.digest = rows->str(0, 2);
  }
  return location;
}

Result<void> store_rejects(Connection& connection, const RejectPlace& place,
                           const std::vector<LocatedReject>& rejects,
                           const std::vector<std::string>& kept) {
  const std::string qualified = quoted_name(place.schema, reject_table_name(place.target));
  PGFANOUT_TRY_ASSIGN(const FoundTable table, find_table(connection, qualified));
  if (rejects.empty() && !table.is_ours) return {};
  if (table.oid == 0) {
    PGFANOUT_TRY(make_table(connection, place, qualified));
  } else {
    if (!table.is_ours) {
      return refused(
          "name-taken",
          fmt::format(
              "rows were to be set aside into {}, which is not a table that a copy made for "
              "them",
              qualified),
          "drop or rename it, or choose another target with --into", qualified);
    }
    if (!table.has_digest && !rejects.empty()) {
      PGFANOUT_TRY(
          connection.run(fmt::format("ALTER TABLE {} ADD COLUMN row_digest text", qualified)));
    }
    PGFANOUT_TRY(connection.run(
        fmt::format("DELETE FROM {} WHERE job = $1 AND epoch >= $2 AND NOT (epoch = $2"
                    " AND target_leaf IS NOT NULL AND target_leaf = ANY ($3::text[]))",
                    qualified),
        {place.job, std::to_string(place.epoch), text_array(kept)}));
  }
  const std::string insert = fmt::format(
      "INSERT INTO {} (job, source_leaf, source_ctid, identity, code, reason, sqlstate, row_bytes,"
      " epoch, target_leaf, row_digest) VALUES ($1, $2, NULLIF($3, '')::tid,"
      " NULLIF($4, '')::json, $5, $6, NULLIF($7, ''), NULLIF($8, '')::bytea, $9,"
      " NULLIF($10, ''), NULLIF($11, ''))",
      qualified);
  for (const LocatedReject& row : rejects) {
    const std::string bytes =
        row.reject.bytes.empty() ? "" : fmt::format("\\x{:02x}", fmt::join(row.reject.bytes, ""));
    PGFANOUT_TRY(connection.run(
        insert, {place.job, row.location.leaf, row.location.ctid, row.location.identity,
                 row.reject.code, row.reject.reason, row.reject.sqlstate, bytes,
                 std::to_string(place.epoch), row.reject.target_leaf, row.location.digest}));
  }
  return {};
}

Result<RejectCount> count_rejects(Connection& connection, const RejectPlace& place,
                                  const std::vector<std::string>& kept) {
  const std::string qualified = quoted_name(place.schema, reject_table_name(place.target));
  PGFANOUT_TRY_ASSIGN(const FoundTable table, find_table(connection, qualified));
  if (!table.is_ours) return RejectCount();
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(
          fmt::format("SELECT count(*), count(row_bytes) FROM {} WHERE job = $1 AND (epoch < $2"
                      " OR epoch = $2 AND target_leaf = ANY ($3::text[]))",
                      qualified),
          {place.job, std::to_string(place.epoch), text_array(kept)}));
  return RejectCount{static_cast<std::uint64_t>(rows.integer(0, 0)),
                     static_cast<std::uint64_t>(rows.integer(0, 1))};
}

Result<SetAside> read_set_aside(Connection& connection, const Table& target,
                                std::uint32_t source_oid) {
  const std::string qualified = quoted_name(target.schema, reject_table_name(target.name));
  auto found = read_set_aside_from(connection, qualified, target, source_oid);
  if (found || found.error().sqlstate != "42501") return found;
  return unproven(
      "rejects-unreadable",
      "this role may not read which rows the copy has set aside: " + found.error().message,
      fmt::format("GRANT SELECT ON {}; GRANT USAGE ON SCHEMA pgfanout; GRANT SELECT ON"
                  " ALL TABLES IN SCHEMA pgfanout",
                  qualified),
      qualified);
}

}  // namespace pgfanout
