// The limits of servers: connections for readers and writers, locks for statements over a
// partitioned table. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "copier/catalog/server_facts.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct ConnectionWish {
  std::optional<std::uint32_t> readers;
  std::optional<std::uint32_t> writers;
  std::uint32_t leaves = 1;
  std::uint32_t cores = 1;  ///< Of this host.
};

struct ConnectionBudget {
  std::uint32_t readers = 1;
  std::uint32_t writers = 1;
};

/// Sessions of a job other than readers and writers, on one server and in all.
inline constexpr std::int64_t kControlSessions = 3;

/// Connections that the server has left for this job, its control sessions included.
[[nodiscard]] std::int64_t free_connections(const ServerFacts& facts);

/// Refuses with "no-connections" if not even one of each fits, or if what was asked for does not;
/// the error then says what does.
Result<ConnectionBudget> share_connections(const ServerFacts& source, const ServerFacts& target,
                                           const ConnectionWish& wish);

/// A statement that no condition on the key narrows locks the parent, every leaf, and the indexes
/// of all of them.
[[nodiscard]] std::int64_t locks_of_statement(std::int64_t leaves, std::int64_t indexes);

/// The least max_locks_per_transaction under which `clients` such statements run at once, where the
/// lock table has room for that many locks for each of `lock_holders`.
[[nodiscard]] std::int64_t locks_setting(std::int64_t clients, std::int64_t locks_each,
                                         std::int64_t lock_holders);

}  // namespace pgfanout
