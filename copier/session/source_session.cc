#include "copier/session/source_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/session/lock_attempts.h"

namespace pgfanout {
namespace {

Error cannot_lock(const std::vector<LockedTable>& tables, Error error) {
  const bool is_forbidden = error.sqlstate == "42501";
  const bool is_standby = error.sqlstate == "0A000" || error.sqlstate == "25006";
  if (is_forbidden) {
    error.hint =
        "grant UPDATE, DELETE or TRUNCATE (MAINTAIN from 17 on) on the table, so that it can "
        "be locked against writes, or use --assume-quiet when nothing writes to it";
  } else if (is_standby) {
    error.consequence = Consequence::refuse;
    error.hint = "a standby cannot lock tables: use --assume-quiet";
  } else if (error.code == "lock-timeout") {
    // It could not start: what it made and raised before goes again.
    error.consequence = Consequence::refuse;
    error.message = "could not lock the table against writes in time";
  } else {
    return error;
  }
  if (is_forbidden || is_standby) error.code = "cannot-lock";
  error.where.clear();
  for (const auto& [table, lock] : tables) {
    error.where += (error.where.empty() ? "" : ", ") + table->qualified;
  }
  return error;
}

constexpr const char* kBegin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
constexpr const char* kPhysicalOrder =
    "SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL synchronize_seqscans = off";

Result<void> lock_tables(Connection& connection, const std::vector<LockedTable>& tables,
                         const LockPatience& patience, const Cancellation& cancellation) {
  LockAttempts attempts;
  attempts.patience = patience;
  attempts.conflict = LockConflict::writes;
  attempts.transaction = {kBegin, TransactionEnd::stay_open};
  std::string locks;
  for (const auto& [table, lock] : tables) {
    attempts.relations.push_back(table->oid);
    for (const Leaf& leaf : table->leaves) attempts.relations.push_back(leaf.oid);
    if (lock == TableLock::none) continue;
    locks += lock_statement(*table, lock) + "; ";
  }
  auto locked =
      with_lock_attempts(connection, attempts, cancellation, [&] { return connection.run(locks); });
  if (!locked) return cannot_lock(tables, std::move(locked).error());
  return {};
}

}  // namespace

std::string lock_statement(const Table& table, TableLock lock) {
  const char* mode = "ACCESS SHARE";
  if (lock == TableLock::behind_fence) mode = "SHARE UPDATE EXCLUSIVE";
  if (lock == TableLock::against_writes) mode = "SHARE";
  return fmt::format("LOCK TABLE {} IN {} MODE", table.qualified, mode);
}

Result<SourceSession> SourceSession::open(Connection connection,
                                          const std::vector<LockedTable>& tables,
                                          const LockPatience& patience,
                                          const Cancellation& cancellation) {
  SourceSession session(std::move(connection));
  Connection& open = session.connection_;
  PGFANOUT_TRY(lock_tables(open, tables, patience, cancellation));
  session.is_locked_ = std::none_of(tables.begin(), tables.end(), [](const LockedTable& table) {
    return table.lock == TableLock::none;
  });
  PGFANOUT_TRY(open.run(kPhysicalOrder));
  PGFANOUT_TRY_ASSIGN(const Rows snapshot, open.query("SELECT pg_export_snapshot()"));
  session.snapshot_ = snapshot.str(0, 0);
  PGFANOUT_TRY_ASSIGN(session.then_, QuietServer::watch(open));
  return session;
}

std::string SourceSession::reader_begin(bool writes, const std::string& path) const {
  return fmt::format("{} {}; SET TRANSACTION SNAPSHOT '{}'; {}; SET LOCAL search_path = {}", kBegin,
                     writes ? "READ WRITE" : "READ ONLY", snapshot_, kPhysicalOrder, path);
}

bool SourceSession::close_and_check_unchanged() {
  const bool is_alive = static_cast<bool>(connection_.run("COMMIT"));
  if (is_locked_) return is_alive;
  return is_alive && then_->has_stayed_quiet(connection_);
}

}  // namespace pgfanout
