// Free space where a server keeps its files, as far as this process can see it: on the server's own
// host only, and only where that is beyond doubt. Reads no file of the server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A file system, by one of its folders.
struct DiskRoom {
  std::string path;
  std::uint64_t device = 0;
  std::uint64_t free_bytes = 0;  ///< For those who are not root.
};

struct ServerDisk {
  std::optional<DiskRoom> data;  ///< Where new tables go; absent: not to be seen from here.
  std::optional<DiskRoom> wal;
  std::string data_path;  ///< As the server names it; empty: it does not say.
  std::string unseen;     ///< Why data is absent.
};

/// `tablespace`: the leaves' tablespace by name; empty: the session's default.
Result<ServerDisk> look_at_disk(Connection& connection, const std::string& tablespace);

/// Absent if there is no such folder or it may not be looked at.
[[nodiscard]] std::optional<DiskRoom> room_at(const std::string& path);

}  // namespace pgfanout
