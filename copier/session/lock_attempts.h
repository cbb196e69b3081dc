// Work that needs locks which others may hold. Each attempt is short, so that other sessions do not
// queue behind a waiting lock for long; the whole has a bound as well, since lock_timeout counts
// per lock.
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
[[nodiscard]] bool may_retry(const LockPatience& patience, std::chrono::milliseconds elapsed,
                             std::chrono::milliseconds pause);

/// The locks that are in the way: any, or those that keep SHARE from being granted.
enum class LockConflict : std::uint8_t { any, writes };

struct LockAttempts {
  LockPatience patience;
  std::vector<std::uint32_t> relations;  ///< OIDs, to name the sessions that hold locks on them.
  LockConflict conflict = LockConflict::any;
  bool end_blockers = false;  ///< Terminate them between attempts.
  TransactionOptions transaction;
  std::function<void(const std::string&)> tell_blocked;  ///< Of each failed attempt; may be empty.
};

/// Runs `work` in a transaction, retried with growing pauses if a lock cannot be acquired. Refuses
/// with "lock-timeout", and names the sessions that hold the locks.
Result<void> with_lock_attempts(Connection& connection, const LockAttempts& attempts,
                                const Cancellation& cancellation,
                                const std::function<Result<void>()>& work);

}  // namespace pgfanout
