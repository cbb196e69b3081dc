// How many readers and writers the servers have room for.
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

/// Sessions that a job holds beside readers and writers, on one server and in all.
inline constexpr std::int64_t kControlSessions = 3;

/// Connections that the server has left for this job, its control sessions included.
[[nodiscard]] std::int64_t free_connections(const ServerFacts& facts);

/// Refuses with "no-connections" if not even one of each fits, or if what was asked for does not;
/// the error then says what does.
Result<ConnectionBudget> share_connections(const ServerFacts& source, const ServerFacts& target,
                                           const ConnectionWish& wish);

}  // namespace pgfanout
