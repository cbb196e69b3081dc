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
#include "pgfanout/lock_waits.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct LockPatience {
  std::chrono::milliseconds each_lock{500};
  std::chrono::milliseconds in_all{5000};
  LockWaits* waits = nullptr;  ///< Told of the wait while it lasts, for those who watch the job.
};

/// How long an attempt that begins `elapsed` after the first one may wait for each lock.
[[nodiscard]] std::chrono::milliseconds lock_timeout_at(const LockPatience& patience,
                                                        std::chrono::milliseconds elapsed);
/// Whether another attempt, after this pause, begins within the whole.
[[nodiscard]] bool may_retry(const LockPatience& patience, std::chrono::milliseconds elapsed,
                             std::chrono::milliseconds pause);

/// The locks that are in the way: any, or those that keep SHARE from being granted.
enum class LockConflict : std::uint8_t { any, writes };

/// The bounds of an attempt. In the last two, lock_timeout is 0 afterwards.
enum class AttemptIn : std::uint8_t {
  transaction,
  savepoint,  ///< Of a transaction that is open, and keeps its locks.
  nothing,    ///< For VACUUM.
};

struct LockAttempts {
  LockPatience patience;
  std::vector<std::uint32_t> relations;  ///< OIDs, to name the sessions that hold locks on them.
  LockConflict conflict = LockConflict::any;
  /// More of them: tables that foreign keys refer to. There readers are not in the way.
  std::vector<std::uint32_t> referenced = {};
  const char* option = "--lock-timeout";  ///< For more patience.
  bool end_blockers = false;              ///< Terminate them between attempts.
  TransactionOptions transaction;
  AttemptIn in = AttemptIn::transaction;
  std::function<void(const std::string&)> tell_blocked;  ///< Of each failed attempt; may be empty.
};

/// Runs `work` in a transaction, retried with growing pauses if a lock cannot be acquired. In the
/// end it is interrupted by "lock-timeout", which names the sessions that hold the locks: the same
/// command succeeds once they are gone.
Result<void> with_lock_attempts(Connection& connection, const LockAttempts& attempts,
                                const Cancellation& cancellation,
                                const std::function<Result<void>()>& work);

}  // namespace pgfanout
