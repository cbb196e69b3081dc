#include "copier/catalog/server_facts.h"

#include <sys/stat.h>

#include <filesystem>
#include <system_error>

#include "copier/catalog/catalog_query.h"

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
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(kFactsSql));
  if (row.size() != 1) {
    return refused("no-such-role", "the session's role or database was dropped meanwhile");
  }
  ServerFacts facts;
  facts.version = connection.server_version();
  facts.encoding = connection.encoding();
  read_row(row, 0, facts.system_identifier, facts.started_at, facts.database_oid,
           facts.is_in_recovery, facts.zeroes_damaged_pages, facts.ignores_checksums,
           facts.wal_level, facts.max_connections, facts.reserved_connections, facts.lock_slots,
           facts.database.limit, facts.role.limit, facts.lock_holders);
  PGFANOUT_TRY_ASSIGN(const Rows name,
                      connection.query("SELECT current_setting('application_name')"));
  PGFANOUT_TRY_ASSIGN(const Rows sessions,
                      connection.query(kSessionsSql, {own_sessions_pattern(name.text(0, 0))}));
  read_row(sessions, 0, facts.used_connections, facts.role.used, facts.database.used);
  return facts;
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
