#include "copier/catalog/server_disk.h"

#include <sys/stat.h>

#include <filesystem>
#include <system_error>

namespace pgfanout {
namespace {

/// A superuser's settings are rows that others do not see.
constexpr const char* kPathsSql =
    "SELECT COALESCE((SELECT s.setting FROM pg_settings s WHERE s.name = 'data_directory'), ''),"
    " COALESCE((SELECT pg_tablespace_location(t.oid) FROM pg_tablespace t"
    "  WHERE t.oid = COALESCE((SELECT n.oid FROM pg_tablespace n WHERE n.spcname ="
    "   COALESCE(NULLIF($1, ''), current_setting('default_tablespace'))),"
    "   (SELECT d.dattablespace FROM pg_database d    WHERE d.datname = current_database()))), ''),"
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

std::optional<DiskRoom> room_at(const std::string& path) {
  struct stat folder {};
  if (path.empty() || stat(path.c_str(), &folder) != 0) return std::nullopt;
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(path, error);
  if (error) return std::nullopt;
  return DiskRoom{path, folder.st_dev, space.available};
}

Result<ServerDisk> look_at_disk(Connection& connection, const std::string& tablespace) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(kPathsSql, {tablespace}));
  ServerDisk disk;
  const std::string home = row.str(0, 0);
  disk.data_path = row.is_null(0, 1) || row.text(0, 1).empty() ? home : row.str(0, 1);
  // A tablespace may lie in the server's own folder, and is then named from there.
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
    disk.unseen = "this role may not see data_directory: grant it pg_read_all_settings";
    return disk;
  }
  bool is_here = by_socket;
  if (may_prove) {
    PGFANOUT_TRY_ASSIGN(is_here, is_same_folder(connection, home));
  }
  if (!is_here) {
    disk.unseen = "the server's data_directory is not for certain one of this host's";
    return disk;
  }
  disk.data = room_at(disk.data_path);
  if (!disk.data) disk.unseen = "this process may not look at " + disk.data_path;
  disk.wal = room_at(home + "/pg_wal");
  return disk;
}

}  // namespace pgfanout
