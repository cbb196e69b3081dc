#include "copier/lifecycle/reject_table.h"

#include <fmt/format.h>

#include "copier/plan/relation_name.h"

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

Result<void> make_table(Connection& connection, const std::string& job, const std::string& schema,
                        const std::string& name, const std::string& qualified) {
  PGFANOUT_TRY_ASSIGN(const Rows before,
                      connection.query("SELECT to_regclass($1) IS NOT NULL", {qualified}));
  if (before.boolean(0, 0)) return {};
  PGFANOUT_TRY(connection.run(
      fmt::format("CREATE TABLE {} (job text NOT NULL, source_leaf text NOT NULL, source_ctid tid, "
                  "identity json,"
                  " code text NOT NULL, reason text NOT NULL, sqlstate text, row_bytes bytea,"
                  " set_aside_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp())",
                  qualified)));
  PGFANOUT_TRY_ASSIGN(const Rows made, connection.query("SELECT $1::regclass::oid", {qualified}));
  return Journal(connection).add_made(job, {made.oid(0, 0), schema, name});
}

Result<void> insert_all(Connection& connection, const std::string& job,
                        const std::string& qualified, const std::vector<LocatedReject>& rejects) {
  const std::string insert = fmt::format(
      "INSERT INTO {} (job, source_leaf, source_ctid, identity, code, reason, sqlstate, row_bytes)"
      " VALUES ($1, $2, $3::tid, $4::json, $5, $6, $7, $8::bytea)",
      qualified);
  for (const LocatedReject& row : rejects) {
    PGFANOUT_TRY(connection.query(
        insert, {job, row.location.leaf, optional_text(row.location.ctid),
                 optional_text(row.location.identity), row.reject.code, row.reject.reason,
                 optional_text(row.reject.sqlstate),
                 row.reject.bytes.empty() ? Parameter() : Parameter(hex(row.reject.bytes))}));
  }
  return {};
}

}  // namespace

std::string reject_table_name(const std::string& target) {
  return suffixed_name(target, "_rejects");
}

Result<void> store_rejects(Connection& connection, const std::string& job,
                           const std::string& schema, const std::string& target,
                           const std::vector<LocatedReject>& rejects) {
  const std::string name = reject_table_name(target);
  const std::string qualified =
      connection.quote_identifier(schema) + "." + connection.quote_identifier(name);
  PGFANOUT_TRY(connection.run("BEGIN"));
  PGFANOUT_TRY(make_table(connection, job, schema, name, qualified));
  PGFANOUT_TRY(insert_all(connection, job, qualified, rejects));
  return connection.run("COMMIT");
}

}  // namespace pgfanout
