#include "copier/lifecycle/source_session.h"

#include <fmt/format.h>

#include <algorithm>

namespace pgfanout {
namespace {

std::string names_of(const std::vector<LockedTable>& tables) {
  std::string names;
  for (const auto& [table, lock] : tables) names += (names.empty() ? "" : ", ") + table->qualified;
  return names;
}

/// Sessions that hold a lock which conflicts with SHARE, for a person.
std::string blockers(Connection& connection, const std::vector<LockedTable>& tables) {
  std::string oids = "0";
  for (const auto& [table, lock] : tables) {
    oids += "," + std::to_string(table->oid);
    for (const Leaf& leaf : table->leaves) oids += "," + std::to_string(leaf.oid);
  }
  auto rows = connection.query(fmt::format(
      "SELECT DISTINCT l.pid, coalesce(a.usename, '?'), coalesce(a.application_name, ''),"
      " coalesce(a.state, '?'), coalesce(date_trunc('second', now() - a.xact_start)::text, '?')"
      " FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
      " WHERE l.relation IN ({}) AND l.granted AND l.pid <> pg_backend_pid()"
      " AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareLock')"
      " ORDER BY 1 LIMIT 5",
      oids));
  std::string text;
  for (int row = 0; rows && row < rows->size(); ++row) {
    text += fmt::format("{}pid {} (user {}, application '{}', {}, transaction open for {})",
                        text.empty() ? "held by " : "; ", rows->text(row, 0), rows->text(row, 1),
                        rows->text(row, 2), rows->text(row, 3), rows->text(row, 4));
  }
  return text;
}

Error cannot_lock(Connection& connection, const std::vector<LockedTable>& tables, Error error) {
  const std::string names = names_of(tables);
  if (error.sqlstate == "42501") {
    error.code = "cannot-lock";
    error.where = names;
    error.hint =
        "grant UPDATE, DELETE or TRUNCATE (MAINTAIN from 17 on) on the table, so that it can "
        "be locked against writes, or use --assume-quiet when nothing writes to it";
    return error;
  }
  if (error.sqlstate == "0A000" || error.sqlstate == "25006") {
    error.code = "cannot-lock";
    error.consequence = Consequence::refuse;
    error.where = names;
    error.hint = "a standby cannot lock tables: use --assume-quiet";
    return error;
  }
  if (error.sqlstate == "55P03") {
    error.code = "lock-timeout";
    error.consequence = Consequence::refuse;
    error.message = "could not lock the table against writes in time";
    error.where = names;
    error.hint = blockers(connection, tables);
    if (error.hint.empty()) error.hint = "another session held a lock";
    error.hint += "; end it, or wait longer with --lock-timeout";
  }
  return error;
}

constexpr const char* kBegin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
constexpr const char* kPhysicalOrder =
    "SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL synchronize_seqscans = off";

Result<void> lock_tables(Connection& connection, const std::vector<LockedTable>& tables,
                         std::chrono::milliseconds timeout, const Cancellation& cancellation) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + timeout;
  std::string locks;
  for (const auto& [table, lock] : tables) {
    if (lock == TableLock::none) continue;
    locks += fmt::format("; LOCK TABLE {} IN {} MODE", table->qualified,
                         lock == TableLock::against_writes ? "SHARE" : "ACCESS SHARE");
  }
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    const auto attempt = std::clamp<std::int64_t>(left.count(), 50, 500);
    auto locked = connection.run(fmt::format(
        "{}; SET LOCAL lock_timeout = {}{}; SET LOCAL lock_timeout = 0", kBegin, attempt, locks));
    if (locked) return {};
    Error error = std::move(locked).error();
    PGFANOUT_TRY(connection.run("ROLLBACK"));
    if (cancellation.is_set()) return interrupted("cancelled", "stopped on request");
    if (error.sqlstate != "55P03" || Clock::now() >= deadline) {
      return cannot_lock(connection, tables, std::move(error));
    }
  }
}

}  // namespace

Result<SourceSession> SourceSession::open(Connection connection,
                                          const std::vector<LockedTable>& tables,
                                          std::chrono::milliseconds lock_timeout,
                                          const Cancellation& cancellation) {
  SourceSession session(std::move(connection));
  Connection& open = session.connection_;
  PGFANOUT_TRY(lock_tables(open, tables, lock_timeout, cancellation));
  session.is_locked_ = std::none_of(tables.begin(), tables.end(), [](const LockedTable& table) {
    return table.lock == TableLock::none;
  });
  PGFANOUT_TRY(open.run(kPhysicalOrder));
  PGFANOUT_TRY_ASSIGN(const Rows snapshot,
                      open.query("SELECT pg_export_snapshot(), "
                                 "pg_snapshot_xmin(pg_current_snapshot())::text, "
                                 "pg_snapshot_xmax(pg_current_snapshot())::text"));
  session.snapshot_ = snapshot.str(0, 0);
  session.was_idle_ = snapshot.text(0, 1) == snapshot.text(0, 2);
  session.next_transaction_ = snapshot.str(0, 2);
  return session;
}

std::string SourceSession::reader_begin(bool writes) const {
  return fmt::format("{} {}; SET TRANSACTION SNAPSHOT '{}'; {}", kBegin,
                     writes ? "READ WRITE" : "READ ONLY", snapshot_, kPhysicalOrder);
}

bool SourceSession::close_and_check_unchanged() {
  const bool is_alive = static_cast<bool>(connection_.run("COMMIT"));
  if (is_locked_) return is_alive;
  if (!is_alive || !was_idle_) return false;
  const auto now = connection_.query("SELECT pg_snapshot_xmax(pg_current_snapshot())::text");
  return now && now->text(0, 0) == next_transaction_;
}

}  // namespace pgfanout
