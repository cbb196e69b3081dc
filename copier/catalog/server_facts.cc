#include "copier/catalog/server_facts.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>

#include "copier/catalog/catalog_query.h"

namespace pgfanout {
namespace {

/// FROM item: the shared lock table. Its size is computed as the server does when it starts:
/// MaxBackends and max_prepared_transactions; one is the autovacuum launcher. A lock by the fast
/// path is not in it, and a row of pg_locks is a mode.
constexpr const char* kLockTable =
    "(SELECT h.holders, h.holders * current_setting('max_locks_per_transaction')::int8 AS slots,"
    " (SELECT count(*) FROM (SELECT DISTINCT l.locktype, l.database, l.relation, l.page, l.tuple,"
    "  l.virtualxid, l.transactionid::text, l.classid, l.objid, l.objsubid FROM pg_locks l"
    "  WHERE NOT l.fastpath) held) AS used"
    " FROM (SELECT current_setting('max_connections')::int8"
    "  + current_setting('max_prepared_transactions')::int8"
    "  + COALESCE(current_setting('autovacuum_worker_slots', true),"
    "   current_setting('autovacuum_max_workers'))::int8 + 1"
    "  + current_setting('max_worker_processes')::int8"
    "  + current_setting('max_wal_senders')::int8 AS holders) h)";

/// {}: the lock table.
constexpr const char* kFactsSql =
    "SELECT (SELECT s.system_identifier FROM pg_control_system() s),"
    " pg_postmaster_start_time(), d.oid, pg_is_in_recovery(),"
    " current_setting('zero_damaged_pages')::bool,"
    " current_setting('ignore_checksum_failure')::bool, current_setting('wal_level'),"
    " current_setting('max_connections'), current_setting('superuser_reserved_connections')::int8"
    "  + COALESCE(current_setting('reserved_connections', true)::int8, 0),"
    " CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END, r.rolconnlimit,"
    " l.holders, l.slots, l.used FROM pg_database d, pg_roles r, {} l WHERE d.datname = "
    "current_database() AND r.rolname = session_user";

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

/// A superuser's settings are rows that others do not see.
constexpr const char* kPathsSql =
    "SELECT COALESCE((SELECT s.setting FROM pg_settings s WHERE s.name = 'data_directory'), ''),"
    " COALESCE((SELECT pg_tablespace_location(t.oid) FROM pg_tablespace t"
    "  WHERE t.oid = COALESCE((SELECT n.oid FROM pg_tablespace n WHERE n.spcname ="
    "   COALESCE(NULLIF($1, ''), current_setting('default_tablespace'))),"
    "   (SELECT d.dattablespace FROM pg_database d WHERE d.datname = current_database()))), ''),"
    " inet_server_addr() IS NULL, COALESCE(inet_server_addr() <<= '127.0.0.0/8'::inet"
    "  OR inet_server_addr() = '::1'::inet, false),"
    " has_function_privilege('pg_stat_file(text)', 'EXECUTE')";

/// Whether the folder of that name here is the server's own: a server in a container has a folder
/// of the same name elsewhere. The server says when its own was changed.
Result<bool> is_same_folder(Connection& connection, const std::string& path) {
  PGFANOUT_TRY_ASSIGN(const Rows row,
                      connection.query("SELECT EXTRACT(epoch FROM f.modification)::int8"
                                       " FROM pg_stat_file('.') f"));
  struct stat here {};
  return stat(path.c_str(), &here) == 0 && here.st_mtim.tv_sec == row.integer(0, 0);
}

}  // namespace

Result<ServerFacts> read_server_facts(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(fmt::format(kFactsSql, kLockTable)));
  if (row.size() != 1) {
    return refused("no-such-role", "the session's role or database was dropped meanwhile");
  }
  ServerFacts facts;
  facts.version = connection.server_version();
  facts.encoding = connection.encoding();
  read_row(row, 0, facts.system_identifier, facts.started_at, facts.database_oid,
           facts.is_in_recovery, facts.zeroes_damaged_pages, facts.ignores_checksums,
           facts.wal_level, facts.max_connections, facts.reserved_connections, facts.database.limit,
           facts.role.limit, facts.lock_holders, facts.lock_slots, facts.locks_used);
  PGFANOUT_TRY_ASSIGN(const Rows name,
                      connection.query("SELECT current_setting('application_name')"));
  PGFANOUT_TRY_ASSIGN(const Rows sessions,
                      connection.query(kSessionsSql, {own_sessions_pattern(name.text(0, 0))}));
  read_row(sessions, 0, facts.used_connections, facts.role.used, facts.database.used);
  return facts;
}

Result<std::int64_t> read_free_locks(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(fmt::format(
                                          "SELECT l.slots - l.used FROM {} l", kLockTable)));
  return row.integer(0, 0);
}

bool is_same_server(const ServerFacts& a, const ServerFacts& b) {
  return a.system_identifier == b.system_identifier && a.started_at == b.started_at;
}

bool is_same_database(const ServerFacts& a, const ServerFacts& b) {
  return is_same_server(a, b) && a.database_oid == b.database_oid;
}

std::optional<DiskRoom> read_disk_room(const std::string& path) {
  struct stat folder {};
  if (path.empty() || stat(path.c_str(), &folder) != 0) return std::nullopt;
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(path, error);
  if (error) return std::nullopt;
  return DiskRoom{path, folder.st_dev, space.available};
}

Result<ServerDisk> read_server_disk(Connection& connection, const std::string& tablespace) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(kPathsSql, {tablespace}));
  ServerDisk disk;
  const std::string home = row.str(0, 0);
  disk.data_path = row.is_null(0, 1) || row.text(0, 1).empty() ? home : row.str(0, 1);
  // A tablespace in the server's own folder is named relative to it.
  if (!disk.data_path.empty() && disk.data_path.front() != '/' && !home.empty()) {
    disk.data_path = home + "/" + disk.data_path;
  }
  const bool by_socket = row.boolean(0, 2);
  const bool may_prove = row.boolean(0, 4);
  if (!by_socket && !row.boolean(0, 3)) {
    disk.unseen = "the server is on another host";
    return disk;
  }
  if (home.empty()) {
    disk.unseen = "this role cannot see data_directory: grant it pg_read_all_settings";
    return disk;
  }
  bool is_here = by_socket;
  if (may_prove) {
    PGFANOUT_TRY_ASSIGN(is_here, is_same_folder(connection, home));
  }
  if (!is_here) {
    disk.unseen = "it is not proven that the server's data_directory is on this host";
    return disk;
  }
  disk.data = read_disk_room(disk.data_path);
  if (!disk.data) disk.unseen = "this process cannot read " + disk.data_path;
  disk.wal = read_disk_room(home + "/pg_wal");
  return disk;
}

}  // namespace pgfanout
