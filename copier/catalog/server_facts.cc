#include "copier/catalog/server_facts.h"

#include <fmt/format.h>

namespace pgfanout {
namespace {

constexpr const char* kFactsSql =
    "SELECT (SELECT s.system_identifier FROM pg_control_system() s),"
    " pg_postmaster_start_time(), d.oid, pg_is_in_recovery(),"
    " current_setting('zero_damaged_pages')::bool,"
    " current_setting('ignore_checksum_failure')::bool, current_setting('wal_level'),"
    " current_setting('max_connections'), current_setting('superuser_reserved_connections')::int8"
    "  + COALESCE(current_setting('reserved_connections', true)::int8, 0),"
    " current_setting('max_locks_per_transaction')::int8"
    "  * (current_setting('max_connections')::int8"
    "   + current_setting('max_prepared_transactions')::int8),"
    " CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END, r.rolconnlimit,"
    " current_setting('max_connections')::int8"
    "  + current_setting('max_prepared_transactions')::int8 FROM pg_database d, pg_roles r"
    " WHERE d.datname = current_database() AND r.rolname = session_user";

// A role without pg_read_all_stats sees of others' sessions only who and where; that is enough
// here.
constexpr const char* kSessionsSql =
    "SELECT count(*), count(*) FILTER (WHERE a.usename = session_user),"
    " count(*) FILTER (WHERE a.datname = current_database()) FROM pg_stat_activity a"
    " WHERE a.datid IS NOT NULL AND COALESCE(a.backend_type, 'client backend') = 'client backend'"
    " AND NOT (a.usename = session_user AND a.application_name LIKE $1)"
    " AND a.pid <> pg_backend_pid()";

/// "pgfanout/JOB/%" for sessions of the same job; nothing else begins like that.
std::string own_sessions_pattern(std::string_view application_name) {
  if (!application_name.starts_with("pgfanout/")) return {};
  const auto end = application_name.find('/', std::string_view("pgfanout/").size());
  if (end == std::string_view::npos) return {};
  std::string pattern;
  for (const char byte : application_name.substr(0, end + 1)) {
    if (byte == '%' || byte == '_' || byte == '\\') pattern += '\\';
    pattern += byte;
  }
  return pattern + "%";
}

}  // namespace

Result<ServerFacts> read_server_facts(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(kFactsSql));
  if (row.size() != 1) {
    return refused("no-such-role", "the session's role or database was dropped meanwhile");
  }
  ServerFacts facts;
  facts.version = connection.server_version();
  facts.encoding = connection.encoding();
  facts.system_identifier = row.str(0, 0);
  facts.started_at = row.str(0, 1);
  facts.database_oid = row.oid(0, 2);
  facts.is_in_recovery = row.boolean(0, 3);
  facts.zeroes_damaged_pages = row.boolean(0, 4);
  facts.ignores_checksums = row.boolean(0, 5);
  facts.wal_level = row.str(0, 6);
  facts.max_connections = row.integer(0, 7);
  facts.reserved_connections = row.integer(0, 8);
  facts.lock_slots = row.integer(0, 9);
  facts.database.limit = row.integer(0, 10);
  facts.role.limit = row.integer(0, 11);
  facts.lock_holders = row.integer(0, 12);
  PGFANOUT_TRY_ASSIGN(const Rows name,
                      connection.query("SELECT current_setting('application_name')"));
  PGFANOUT_TRY_ASSIGN(const Rows sessions,
                      connection.query(kSessionsSql, {own_sessions_pattern(name.text(0, 0))}));
  facts.used_connections = sessions.integer(0, 0);
  facts.role.used = sessions.integer(0, 1);
  facts.database.used = sessions.integer(0, 2);
  return facts;
}

bool is_same_server(const ServerFacts& a, const ServerFacts& b) {
  return a.system_identifier == b.system_identifier && a.started_at == b.started_at;
}

bool is_same_database(const ServerFacts& a, const ServerFacts& b) {
  return is_same_server(a, b) && a.database_oid == b.database_oid;
}

}  // namespace pgfanout
