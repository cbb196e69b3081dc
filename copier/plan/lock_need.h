// How many entries of the server's lock table statements over a partitioned table take, and which
// max_locks_per_transaction that asks for. Pure.
#pragma once

#include <cstdint>

namespace pgfanout {

/// A statement that no condition on the key narrows locks the parent, every leaf, and the indexes
/// of all of them.
[[nodiscard]] std::int64_t locks_of_statement(std::int64_t leaves, std::int64_t indexes);

/// The least max_locks_per_transaction under which `clients` such statements run at once, where the
/// lock table has room for that many locks for each of `lock_holders`.
[[nodiscard]] std::int64_t locks_setting(std::int64_t clients, std::int64_t locks_each,
                                         std::int64_t lock_holders);

}  // namespace pgfanout
