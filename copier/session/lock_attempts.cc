#include "copier/session/lock_attempts.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/pause.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Names the sessions other than this one that hold a lock in the way, and terminates them if the
/// caller wants that: "held by pid 71 (user app, application 'web', active, ...)".
std::string deal_with_blockers(Connection& connection, const LockAttempts& attempts) {
  const auto blockers = connection.query(fmt::format(
      "SELECT DISTINCT l.pid, format('pid %s (user %s, application ''%s'', %s, transaction open for"
      " %s, query started %s ago)', l.pid, COALESCE(a.usename, '?'), a.application_name,"
      " COALESCE(a.state, '?'),"
      " COALESCE(date_trunc('second', clock_timestamp() - a.xact_start)::text, '?'),"
      " COALESCE(date_trunc('second', clock_timestamp() - a.query_start)::text, '?'))"
      " FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
      " WHERE l.relation IN (0, {}) AND l.granted AND l.pid IS NOT NULL"
      " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
      " AND l.pid <> pg_backend_pid(){} ORDER BY 1 LIMIT 5",
      attempts.relations.empty() ? "0" : fmt::format("{}", fmt::join(attempts.relations, ", ")),
      attempts.conflict == LockConflict::any
          ? ""
          : " AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareLock')"));
  if (!blockers || blockers->size() == 0) return "held by another session";
  std::string text;
  for (int row = 0; row < blockers->size(); ++row) {
    text += (text.empty() ? "held by " : "; ") + blockers->str(row, 1);
    if (!attempts.end_blockers) continue;
    const auto ended = connection.query("SELECT pg_terminate_backend($1)", {blockers->str(row, 0)});
    text += ended && ended->boolean(0, 0) ? " (terminated)" : " (could not be terminated)";
  }
  return text;
}

Result<void> attempt(Connection& connection, const LockAttempts& attempts, milliseconds each_lock,
                     const std::function<Result<void>()>& work) {
  TransactionOptions transaction = attempts.transaction;
  transaction.begin += fmt::format("; SET LOCAL lock_timeout = {}", each_lock.count());
  return in_transaction(connection, transaction, [&]() -> Result<void> {
    PGFANOUT_TRY(work());
    if (transaction.end != TransactionEnd::stay_open) return {};
    return connection.run("SET LOCAL lock_timeout = 0");
  });
}

}  // namespace

milliseconds lock_timeout_at(const LockPatience& patience, milliseconds elapsed) {
  constexpr milliseconds kShortest{20};
  return std::clamp(patience.in_all - elapsed, kShortest, std::max(kShortest, patience.each_lock));
}

bool may_retry(const LockPatience& patience, milliseconds elapsed, milliseconds pause) {
  return elapsed + pause < patience.in_all;
}

Result<void> with_lock_attempts(Connection& connection, const LockAttempts& attempts,
                                const Cancellation& cancellation,
                                const std::function<Result<void>()>& work) {
  const auto began = Clock::now();
  const auto elapsed = [&] { return std::chrono::floor<milliseconds>(Clock::now() - began); };
  Backoff pauses(milliseconds(50), milliseconds(2000));
  while (true) {
    if (cancellation.is_set()) return interrupted("cancelled", "stopped on request");
    auto done = attempt(connection, attempts, lock_timeout_at(attempts.patience, elapsed()), work);
    if (done) return {};
    Error error = std::move(done).error();
    // Retried: a lock that was not granted in time, and a deadlock that the server ended.
    if (error.sqlstate != "55P03" && error.sqlstate != "40P01") return error;
    const std::string blockers = deal_with_blockers(connection, attempts);
    const milliseconds pause = pauses.next();
    if (!may_retry(attempts.patience, elapsed(), pause)) {
      const double waited = std::chrono::duration<double>(attempts.patience.in_all).count();
      Error refusal = refused("lock-timeout",
                              fmt::format("could not acquire the locks within {:.1f} s", waited),
                              blockers + "; end that session, or wait longer");
      refusal.sqlstate = error.sqlstate;
      return refusal;
    }
    if (attempts.tell_blocked) attempts.tell_blocked(blockers);
    pause_unless(cancellation, pause);
  }
}

}  // namespace pgfanout
