#include "copier/session/lock_attempts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "copier/base/pause.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Names the sessions other than the job's own that hold a lock in the way, and terminates them if
/// the caller wants that: "held by pid 71 (user app, application 'web', active, ...)".
std::string deal_with_blockers(Connection& connection, const LockAttempts& attempts) {
  const auto list = [](const std::vector<std::uint32_t>& oids) {
    return oids.empty() ? std::string("0") : fmt::format("{}", fmt::join(oids, ", "));
  };
  const auto blockers = connection.query(fmt::format(
      "SELECT DISTINCT l.pid, format('pid %s (%s, %s, transaction open for %s, query started %s "
      "ago)',"
      " l.pid, CASE WHEN a.backend_type = 'autovacuum worker' THEN a.query"
      " ELSE format('user %s, application ''%s''', COALESCE(a.usename, '?'), a.application_name) "
      "END,"
      " COALESCE(a.state, '?'),"
      " COALESCE(date_trunc('second', clock_timestamp() - a.xact_start)::text, '?'),"
      " COALESCE(date_trunc('second', clock_timestamp() - a.query_start)::text, '?'))"
      " FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
      " WHERE (l.relation IN ({}){} OR l.relation IN ({})"
      "  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock'))"
      " AND l.granted AND l.pid IS NOT NULL"
      " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
      " AND l.pid <> pg_backend_pid() AND NOT (COALESCE(a.application_name, '') LIKE 'pgfanout/%'"
      "  AND split_part(a.application_name, '/', 2)"
      "   = split_part(current_setting('application_name'), '/', 2)) ORDER BY 1 LIMIT 5",
      list(attempts.relations),
      attempts.conflict == LockConflict::any
          ? ""
          : " AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareLock')",
      list(attempts.referenced)));
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
  const bool in_savepoint = attempts.in == AttemptIn::savepoint;
  if (in_savepoint || attempts.in == AttemptIn::nothing) {
    PGFANOUT_TRY(connection.run(fmt::format(
        "{} lock_timeout = {}", in_savepoint ? "SAVEPOINT pgfanout_lock; SET LOCAL" : "SET",
        each_lock.count())));
    auto done = work();
    if (!connection.is_open()) return done;
    PGFANOUT_TRY(connection.run(!in_savepoint ? "SET lock_timeout = 0"
                                : done        ? "RELEASE pgfanout_lock; SET LOCAL lock_timeout = 0"
                                       : "ROLLBACK TO pgfanout_lock; RELEASE pgfanout_lock"));
    return done;
  }
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
  LockWaits* waits = attempts.patience.waits;
  const auto ended = [&](Result<void> result) {
    if (waits != nullptr) waits->end(&began);
    return result;
  };
  Backoff pauses(milliseconds(50), milliseconds(2000));
  while (true) {
    if (cancellation.is_set()) return ended(interrupted("cancelled", "stopped on request"));
    auto done = attempt(connection, attempts, lock_timeout_at(attempts.patience, elapsed()), work);
    if (done) return ended({});
    Error error = std::move(done).error();
    // Retried: a lock that was not granted in time, and a deadlock that the server ended.
    if (error.sqlstate != "55P03" && error.sqlstate != "40P01") return ended(std::move(error));
    const std::string blockers = deal_with_blockers(connection, attempts);
    const milliseconds pause = pauses.next();
    if (!may_retry(attempts.patience, elapsed(), pause)) {
      const double waited = std::chrono::duration<double>(attempts.patience.in_all).count();
      Error timed_out = interrupted(
          "lock-timeout", fmt::format("could not acquire the locks within {:.1f} s", waited),
          fmt::format("{}; end that session and call the same command again, or wait "
                      "longer with {}",
                      blockers, attempts.option));
      timed_out.sqlstate = error.sqlstate;
      return ended(std::move(timed_out));
    }
    if (waits != nullptr) waits->note(&began, began, blockers);
    if (attempts.tell_blocked) attempts.tell_blocked(blockers);
    pause_unless(cancellation, pause);
  }
}

}  // namespace pgfanout
