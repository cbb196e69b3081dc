#include "copier/journal/reject_table.h"

#include <fmt/format.h>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/type_catalog.h"

namespace pgfanout {
namespace {

std::string hex(const std::vector<std::uint8_t>& bytes) {
  std::string text = "\\x";
  text.reserve(2 + bytes.size() * 2);
  for (const std::uint8_t byte : bytes) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

Parameter optional_text(const std::string& text) {
  return text.empty() ? Parameter() : Parameter(text);
}

Result<bool> is_there(Connection& connection, const std::string& qualified) {
  PGFANOUT_TRY_ASSIGN(const Rows before,
                      connection.query("SELECT to_regclass($1) IS NOT NULL", {qualified}));
  return before.boolean(0, 0);
}

/// Not just a table of that name: one that a copy has made.
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

std::string qualified_of(const RejectPlace& place) {
  return quoted_name(place.schema, reject_table_name(place.target));
}

Result<void> insert_all(Connection& connection, const RejectPlace& place,
                        const std::string& qualified, const std::vector<LocatedReject>& rejects) {
  const std::string insert = fmt::format(
      "INSERT INTO {} (job, source_leaf, source_ctid, identity, code, reason, sqlstate, row_bytes,"
      " epoch, target_leaf) VALUES ($1, $2, $3::tid, $4::json, $5, $6, $7, $8::bytea, $9, $10)",
      qualified);
  for (const LocatedReject& row : rejects) {
    PGFANOUT_TRY(connection.query(
        insert, {place.job, row.location.leaf, optional_text(row.location.ctid),
                 optional_text(row.location.identity), row.reject.code, row.reject.reason,
                 optional_text(row.reject.sqlstate),
                 row.reject.bytes.empty() ? Parameter() : Parameter(hex(row.reject.bytes)),
                 std::to_string(place.epoch), optional_text(row.reject.target_leaf)}));
  }
  return {};
}

}  // namespace

std::string reject_table_name(const std::string& target) {
  return suffixed_name(target, "_rejects");
}

Result<void> store_rejects(Connection& connection, const RejectPlace& place,
                           const std::vector<LocatedReject>& rejects,
                           const std::vector<std::string>& kept) {
  const std::string qualified = qualified_of(place);
  PGFANOUT_TRY_ASSIGN(const bool exists, is_there(connection, qualified));
  if (rejects.empty()) {
    PGFANOUT_TRY_ASSIGN(const bool is_ours, is_reject_table(connection, qualified));
    if (!is_ours) return {};
  }
  if (!exists) {
    PGFANOUT_TRY(make_table(connection, place, qualified));
  } else {
    PGFANOUT_TRY(connection.query(
        fmt::format("DELETE FROM {} WHERE job = $1 AND epoch >= $2 AND NOT (epoch = $2"
                    " AND target_leaf IS NOT NULL AND target_leaf = ANY ($3::text[]))",
                    qualified),
        {place.job, std::to_string(place.epoch), text_array(kept)}));
  }
  return insert_all(connection, place, qualified, rejects);
}

Result<std::uint64_t> count_rejects(Connection& connection, const RejectPlace& place,
                                    const std::vector<std::string>& kept) {
  const std::string qualified = qualified_of(place);
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
