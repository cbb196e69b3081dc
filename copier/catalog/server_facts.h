// Facts about a server and the session on it, read once at the start of a plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

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
  std::int64_t lock_slots = 0;    ///< max_locks_per_transaction times lock_holders.
  std::int64_t lock_holders = 0;  ///< max_connections and max_prepared_transactions.
};

Result<ServerFacts> read_server_facts(Connection& connection);

/// One postmaster: not a clone, not a standby of the other.
[[nodiscard]] bool is_same_server(const ServerFacts& a, const ServerFacts& b);
[[nodiscard]] bool is_same_database(const ServerFacts& a, const ServerFacts& b);

}  // namespace pgfanout
