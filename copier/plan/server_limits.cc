#include "copier/plan/server_limits.h"

#include <fmt/format.h>

#include <algorithm>

namespace pgfanout {
namespace {

constexpr std::int64_t kMaxAutoReaders = 8;
/// More writers than this leave processors no less idle, and every backend costs: its start, its
/// page tables over the shared buffers, and the switches between them (docs/PERFORMANCE.md).
constexpr std::int64_t kAutoWritersPerCore = 4;
constexpr std::int64_t kMinAutoWriters = 8;

/// Lanes shared evenly: with room for 40 of 100, every writer gets 3 lanes at most and 34 do it.
std::int64_t auto_writers(const ConnectionWish& wish, std::int64_t room) {
  const std::int64_t leaves = wish.leaves;
  const std::int64_t useful =
      std::min(room, std::max(kMinAutoWriters, kAutoWritersPerCore * std::int64_t{wish.cores}));
  if (useful >= leaves) return leaves;
  const std::int64_t lanes_each = (leaves + useful - 1) / useful;
  return (leaves + lanes_each - 1) / lanes_each;
}

Error no_room(std::string message, std::string_view side) {
  return refused("no-connections", std::move(message),
                 "end sessions, or raise max_connections or the limit of the role or database",
                 std::string(side));
}

Error too_many(std::string_view option, std::uint32_t wanted, std::int64_t fit,
               std::string_view side) {
  return refused("no-connections",
                 fmt::format("{} {} does not fit the {} server: {} would", option, wanted, side,
                             std::max<std::int64_t>(fit, 0)),
                 fmt::format("use {} {} or less, or auto", option, std::max<std::int64_t>(fit, 1)),
                 std::string(side));
}

std::int64_t auto_readers(const ConnectionWish& wish) {
  return std::clamp<std::int64_t>(wish.cores, 1, kMaxAutoReaders);
}

ConnectionBudget budget_of(const ConnectionWish& wish, std::int64_t readers, std::int64_t writers) {
  return {wish.readers.value_or(static_cast<std::uint32_t>(readers)),
          wish.writers.value_or(static_cast<std::uint32_t>(writers))};
}

Result<ConnectionBudget> share_one_server(std::int64_t room, const ConnectionWish& wish) {
  if (room < 2) {
    return no_room(fmt::format("the server has {} connections left for readers and writers, and 2 "
                               "are needed at the least",
                               std::max<std::int64_t>(room, 0)),
                   "source and target");
  }
  const std::int64_t least_writers = wish.writers.value_or(1);
  const std::int64_t least_readers = wish.readers.value_or(1);
  if (wish.writers && room < least_writers + least_readers) {
    return too_many("--writers", *wish.writers, room - least_readers, "target");
  }
  if (wish.readers && room < least_readers + least_writers) {
    return too_many("--readers", *wish.readers, room - least_writers, "source");
  }
  const std::int64_t readers =
      wish.readers ? least_readers
                   : std::clamp<std::int64_t>(auto_readers(wish), 1,
                                              wish.writers ? room - least_writers : room / 2);
  return budget_of(wish, readers, auto_writers(wish, room - readers));
}

Result<ConnectionBudget> share_two_servers(std::int64_t source_room, std::int64_t target_room,
                                           const ConnectionWish& wish) {
  if (source_room < 1) return no_room("the source's server has no connection left", "source");
  if (target_room < 1) return no_room("the target's server has no connection left", "target");
  if (wish.readers && *wish.readers > source_room) {
    return too_many("--readers", *wish.readers, source_room, "source");
  }
  if (wish.writers && *wish.writers > target_room) {
    return too_many("--writers", *wish.writers, target_room, "target");
  }
  ConnectionBudget budget =
      budget_of(wish, std::min(auto_readers(wish), source_room), auto_writers(wish, target_room));
  // Readers also read the target back, once its writers are done.
  budget.readers = static_cast<std::uint32_t>(std::min<std::int64_t>(budget.readers, target_room));
  return budget;
}

}  // namespace

std::int64_t free_connections(const ServerFacts& facts) {
  std::int64_t free = facts.max_connections - facts.reserved_connections - facts.used_connections;
  for (const ConnectionLimit& limit : {facts.role, facts.database}) {
    if (limit.limit >= 0) free = std::min(free, limit.limit - limit.used);
  }
  return free;
}

Result<ConnectionBudget> share_connections(const ServerFacts& source, const ServerFacts& target,
                                           const ConnectionWish& wish) {
  const std::int64_t target_room = free_connections(target) - kControlSessions;
  const std::int64_t source_room = free_connections(source) - kControlSessions;
  auto budget = is_same_server(source, target)
                    ? share_one_server(std::min(source_room, target_room), wish)
                    : share_two_servers(source_room, target_room, wish);
  // More writers than lanes would have nothing to do.
  if (budget) budget->writers = std::min(budget->writers, std::max(wish.leaves, 1U));
  return budget;
}

std::int64_t locks_of_statement(std::int64_t leaves, std::int64_t indexes) {
  return (leaves + 1) * (1 + indexes);
}

std::int64_t locks_setting(std::int64_t clients, std::int64_t locks_each,
                           std::int64_t lock_holders) {
  const std::int64_t holders = std::max<std::int64_t>(lock_holders, 1);
  return (clients * locks_each + holders - 1) / holders;
}

}  // namespace pgfanout
