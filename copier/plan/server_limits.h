// The limits of servers: connections for readers and writers, locks for statements over a
// partitioned table. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "copier/catalog/server_facts.h"
#include "pgfanout/job_result.h"
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

/// Sessions of a job beside readers, writers and the one that plans, on one server and in all.
inline constexpr std::int64_t kControlSessions = 3;

/// Connections that the server has left for this job, its control sessions included.
[[nodiscard]] std::int64_t free_connections(const ServerFacts& facts);

/// Refuses with "no-connections" if not even one of each fits, or if what was asked for does not;
/// the error then says what does.
Result<ConnectionBudget> share_connections(const ServerFacts& source, const ServerFacts& target,
                                           const ConnectionWish& wish);

/// The parts of a table that its locks are counted by.
struct TableParts {
  std::int64_t leaves = 1;
  std::int64_t indexes = 0;   ///< Of each leaf, those of keys included.
  std::int64_t keys_out = 0;  ///< Foreign keys to other tables.
  std::int64_t keys_in = 0;   ///< Foreign keys from other tables.
  std::int64_t rules = 0;     ///< Defaults, checks, and from version 18 on NOT NULLs.
};

// Figures for one transaction. Each counts the objects of pg_locks that it held on a server at its
// last statement (tests/integration/few_locks_test.cc compares), and is rounded up where what it
// counts depends on the table.

/// A statement that no condition on the key narrows locks the parent, every leaf, and the indexes
/// of all of them.
[[nodiscard]] std::int64_t locks_of_statement(std::int64_t leaves, std::int64_t indexes);
/// A new leaf is locked with its row type, its TOAST table, and the index of that.
[[nodiscard]] std::int64_t locks_of_copy(const TableParts& source, const TableParts& target);
/// Of the stages index to verify: ANALYZE of the parent and a comparison are statements over all
/// leaves; a foreign key of the parent takes over the leaves' constraints with two triggers each.
[[nodiscard]] std::int64_t locks_of_build(const TableParts& source, const TableParts& target);
/// Both tables change names; of the target's fence, two triggers of each relation are dropped; of
/// a foreign key that leaves the source, a constraint and two triggers of each.
[[nodiscard]] std::int64_t locks_of_swap(const TableParts& source, const TableParts& target);
/// The same with the fences of both sides, and the source's keys are added again.
[[nodiscard]] std::int64_t locks_of_rollback(const TableParts& source, const TableParts& target);
/// A leaf with what goes with it: TOAST table with index, two row types, default and CHECK of the
/// key column, indexes with their constraints, foreign keys with their triggers, rules.
[[nodiscard]] std::int64_t locks_of_drop(const TableParts& table);

/// A line for each; without `swaps` only those of the stages before.
[[nodiscard]] std::vector<LockNeed> lock_needs(const TableParts& source, const TableParts& target,
                                               bool swaps);
/// Error if one of them does not fit the server, warning if half of the server would not do.
[[nodiscard]] std::optional<Issue> judge_locks(const std::vector<LockNeed>& needs,
                                               const ServerFacts& facts, const std::string& where);

/// How many relations, of which each is dropped with so many locks, one transaction drops: their
/// locks leave half of the `free_slots` to others, and last a short time. At least one of any.
[[nodiscard]] std::size_t drop_batch(std::span<const std::int64_t> locks_each,
                                     std::int64_t free_slots);

/// How many sessions can hold the same `locks` at once: the server has two entries for holders for
/// each object of its lock table.
[[nodiscard]] std::int64_t statements_at_once(const ServerFacts& facts, std::int64_t locks);
/// The least max_locks_per_transaction, and never less than today's, with room for so many objects
/// and `sessions` that hold `locks` of them each.
[[nodiscard]] std::int64_t locks_setting(const ServerFacts& facts, std::int64_t locks,
                                         std::int64_t sessions);
/// "max_locks_per_transaction = 512 (today 64; takes 22 MB of shared memory more)".
[[nodiscard]] std::string setting_text(const ServerFacts& facts, std::int64_t setting);

}  // namespace pgfanout
