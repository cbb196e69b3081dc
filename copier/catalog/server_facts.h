// Facts about a server and the session on it, and the free space where the server keeps its files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

inline constexpr int kFirstWithSchemaPublications = 150000;  ///< As server_version() counts.
inline constexpr int kFirstWithSetOption = 160000;           ///< GRANT role ... WITH SET.
inline constexpr int kFirstWithUnvalidatedParents = 180000;
inline constexpr int kFirstWithNamedNotNulls = 180000;

/// A limit on connections and how many sessions count against it now, the job's own left out.
struct ConnectionLimit {
  std::int64_t limit = -1;  ///< -1: none.
  std::int64_t used = 0;
};

struct ServerFacts {
  int version = 0;  ///< 150018 for 15.18.
  std::string encoding;
  std::string system_identifier;
  std::string started_at;  ///< Tells a server from its clones.
  std::uint32_t database_oid = 0;
  bool is_in_recovery = false;
  bool zeroes_damaged_pages = false;
  bool ignores_checksums = false;
  std::string wal_level;
  std::int64_t max_connections = 0;
  std::int64_t reserved_connections = 0;  ///< For superusers and for pg_use_reserved_connections.
  std::int64_t used_connections = 0;      ///< By client sessions that are not this job's.
  ConnectionLimit role;
  ConnectionLimit database;
  /// Server processes of any kind, and prepared transactions: the shared lock table has room for
  /// max_locks_per_transaction objects for each.
  std::int64_t lock_holders = 0;
  std::int64_t lock_slots = 0;  ///< Of that table.
  std::int64_t locks_used = 0;  ///< Of those, objects that sessions hold locks on now.

  [[nodiscard]] std::int64_t max_locks() const {
    return lock_slots / std::max<std::int64_t>(lock_holders, 1);
  }
};

Result<ServerFacts> read_server_facts(Connection& connection);
/// The same as lock_slots - locks_used.
Result<std::int64_t> read_free_locks(Connection& connection);

/// One postmaster: not a clone, not a standby of the other.
[[nodiscard]] bool is_same_server(const ServerFacts& a, const ServerFacts& b);
[[nodiscard]] bool is_same_database(const ServerFacts& a, const ServerFacts& b);

/// A file system, by one of its folders.
struct DiskRoom {
  std::string path;
  std::uint64_t device = 0;
  std::uint64_t free_bytes = 0;  ///< For those who are not root.
};

struct ServerDisk {
  std::optional<DiskRoom> data;  ///< Of new tables; absent: unknown, see `unseen`.
  std::optional<DiskRoom> wal;
  std::string data_path;  ///< As the server names it; empty: it does not say.
  std::string unseen;     ///< Why data is absent.
};

/// `tablespace`: the leaves' tablespace by name; empty: the session's default.
Result<ServerDisk> read_server_disk(Connection& connection, const std::string& tablespace);

/// Absent if the folder does not exist or cannot be read.
[[nodiscard]] std::optional<DiskRoom> read_disk_room(const std::string& path);

}  // namespace pgfanout
