// Work that needs locks which others may hold: tried in short attempts, so that nobody queues up
// behind a waiting lock for long, and with a bound on the whole, since lock_timeout counts per
// lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "copier/pg/transaction.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct LockPatience {
  std::chrono::milliseconds each_lock{500};
  std::chrono::milliseconds in_all{5000};
};

/// How long an attempt that begins `elapsed` after the first one may wait for each lock.
[[nodiscard]] std::chrono::milliseconds lock_timeout_at(const LockPatience& patience,
                                                        std::chrono::milliseconds elapsed);
/// Whether another attempt, after this pause, begins within the whole.
[[nodiscard]] bool may_try_again(const LockPatience& patience, std::chrono::milliseconds elapsed,
                                 std::chrono::milliseconds pause);

/// A session that holds locks on relations.
struct Blocker {
  std::int64_t pid = 0;
  std::string text;  ///< "pid 71 (user app, application 'web', active, transaction open for ...)".
};

/// Sessions other than this one that hold a lock on one of `relations` (OIDs): any lock, or those
/// that keep a writer's lock, SHARE, from being granted.
enum class LockConflict : std::uint8_t { any, writes };
Result<std::vector<Blocker>> find_blockers(Connection& connection,
                                           const std::vector<std::uint32_t>& relations,
                                           LockConflict conflict);

struct LockAttempts {
  LockPatience patience;
  std::vector<std::uint32_t> relations;  ///< For naming who is in the way.
  LockConflict conflict = LockConflict::any;
  bool end_blockers = false;  ///< Terminate them between attempts.
  TransactionOptions transaction;
  std::function<void(const std::string&)> tell_blocked;  ///< Of each failed attempt; may be empty.
};

/// Runs `work` in a transaction, retried with growing pauses if a lock cannot be acquired. Refuses
/// with "lock-timeout", naming who is in the way.
Result<void> with_lock_attempts(Connection& connection, const LockAttempts& attempts,
                                const Cancellation& cancellation,
                                const std::function<Result<void>()>& work);

}  // namespace pgfanout
