#include "copier/plan/server_limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/amount.h"

namespace pgfanout {
namespace {

/// Of one transaction that drops relations: more would not make it faster.
constexpr std::int64_t kMostDropLocks = 2000;
constexpr std::int64_t kJournalLocks = 20;
/// Of the job's own queries: the journal, and about 70 catalogs with their indexes.
constexpr std::int64_t kOwnLocks = 100;
/// By shared_memory_size of versions 15 and 18 for two settings that differ by 10,000: an object
/// with two entries for holders, and the tenth that the server adds.
constexpr std::int64_t kBytesOfSlot = 410;

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

std::int64_t locks_of_copy(const TableParts& source, const TableParts& target) {
  return kJournalLocks + 4 * (target.leaves + 1) +
         locks_of_statement(source.leaves, source.indexes);
}

std::int64_t locks_of_build(const TableParts& source, const TableParts& target) {
  const std::int64_t adopted = target.keys_out > 0 ? 3 * (target.leaves + 1) : 0;
  return kOwnLocks + locks_of_statement(source.leaves, source.indexes) +
         std::max(locks_of_statement(target.leaves, target.indexes), adopted);
}

std::int64_t locks_of_swap(const TableParts& source, const TableParts& target) {
  const std::int64_t keys = source.keys_out + source.keys_in;
  return kOwnLocks + (1 + 3 * keys) * (source.leaves + 1) + 3 * (target.leaves + 1) +
         source.indexes + target.indexes;
}

std::int64_t locks_of_rollback(const TableParts& source, const TableParts& target) {
  const std::int64_t keys =
      source.keys_out + source.keys_in + (source.keys_in > 0 ? source.indexes : 0);
  return kOwnLocks + (3 + keys) * (source.leaves + 1) + 3 * (target.leaves + 1) + source.indexes +
         target.indexes;
}

std::int64_t locks_of_drop(const TableParts& table) {
  return 8 + 2 * table.indexes + 3 * table.keys_out + table.rules;
}

std::vector<LockNeed> lock_needs(const TableParts& source, const TableParts& target, bool swaps) {
  const std::int64_t each = locks_of_drop(target);
  std::vector<LockNeed> needs = {
      {"copy", locks_of_copy(source, target), "the target's tables are made in one transaction"},
      {"build", locks_of_build(source, target),
       "stages index to verify; ANALYZE of the parent needs all leaves and indexes"}};
  if (swaps) {
    needs.push_back({"swap", locks_of_swap(source, target),
                     "both tables change names, and the fence is dropped"});
    needs.push_back({"rollback", locks_of_rollback(source, target),
                     "the names change back; then the target is dropped in batches of leaves"});
    needs.push_back({"cleanup", kOwnLocks + locks_of_drop(source), "one leaf at a time"});
  }
  needs.push_back({"drop",
                   kOwnLocks + std::max(each, std::min(kMostDropLocks, each * target.leaves)),
                   fmt::format("of what the job made; {} for one leaf, and fewer leaves at a time "
                               "where fewer locks are free",
                               each)});
  needs.push_back({"statement", locks_of_statement(target.leaves, target.indexes),
                   "of the application, over all leaves; one that names the key: " +
                       std::to_string(2 * (1 + target.indexes))});
  needs.push_back({"pg_dump", target.leaves + 1, "the table alone, with its leaves"});
  return needs;
}

std::optional<Issue> judge_locks(const std::vector<LockNeed>& needs, const ServerFacts& facts,
                                 const std::string& where) {
  const std::int64_t room = facts.lock_slots - facts.locks_used;
  const auto is_bounded = [](const LockNeed& need) { return need.of == "drop"; };
  const LockNeed* most = nullptr;
  for (const LockNeed& need : needs) {
    if (!is_bounded(need) && (most == nullptr || need.locks > most->locks)) most = &need;
  }
  if (most == nullptr || most->locks * 2 <= room) return std::nullopt;
  const bool fits = most->locks <= room;
  const std::string set =
      "set " + setting_text(facts, locks_setting(facts, 2 * most->locks + facts.locks_used, 1));
  return Issue{fits ? Severity::warning : Severity::error, "swap-locks",
               fmt::format("{} takes about {} locks in one transaction ({}), and the server has "
                           "room for {} in all, {} of them free",
                           most->of, most->locks, most->basis, facts.lock_slots, room),
               where, fits ? set + ", or let nobody else use many locks in the window" : set};
}

std::size_t drop_batch(std::span<const std::int64_t> locks_each, std::int64_t free_slots) {
  std::int64_t left = std::min(free_slots / 2, kMostDropLocks);
  std::size_t count = 0;
  while (count < locks_each.size() && (left -= locks_each[count]) >= 0) ++count;
  return std::max<std::size_t>(count, 1);
}

std::int64_t statements_at_once(const ServerFacts& facts, std::int64_t locks) {
  return locks > facts.lock_slots ? 0 : 2 * facts.lock_slots / std::max<std::int64_t>(locks, 1);
}

std::int64_t locks_setting(const ServerFacts& facts, std::int64_t locks, std::int64_t sessions) {
  const std::int64_t slots = std::max(locks, (sessions * locks + 1) / 2);
  const std::int64_t holders = std::max<std::int64_t>(facts.lock_holders, 1);
  return std::max((slots + holders - 1) / holders, facts.max_locks());
}

std::string setting_text(const ServerFacts& facts, std::int64_t setting) {
  const std::int64_t more = (setting - facts.max_locks()) * facts.lock_holders * kBytesOfSlot;
  return fmt::format(
      "max_locks_per_transaction = {} (today {}; takes {} of shared memory more, and "
      "needs a restart)",
      setting, facts.max_locks(), amount_of_bytes(static_cast<std::uint64_t>(more)));
}

}  // namespace pgfanout
