// The source while it is copied: locked against writes, then seen through one exported snapshot.
//
// The lock comes first: a snapshot taken before it would miss rows committed in between, and a
// reader that joins a snapshot after a TRUNCATE or rewrite sees no rows and no error.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "copier/session/lock_attempts.h"
#include "copier/session/quiet_server.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The lock that keeps other sessions from changing the table.
enum class TableLock : std::uint8_t {
  none,
  against_rewrites,  ///< ACCESS SHARE: TRUNCATE, rewrites, dropping. Enough for one snapshot.
  behind_fence,      ///< SHARE UPDATE EXCLUSIVE: nothing removes a fence, which refuses writes.
  against_writes,    ///< SHARE: writes wait.
};

/// `lock` is not none.
[[nodiscard]] std::string lock_statement(const Table& table, TableLock lock);

struct LockedTable {
  const Table* table = nullptr;
  TableLock lock = TableLock::none;
};

class SourceSession {
 public:
  /// Opens a transaction that holds the locks on `tables` and their leaves, and exports its
  /// snapshot. Locks are tried in short attempts; the error then names the sessions that hold
  /// them.
  static Result<SourceSession> open(Connection connection, const std::vector<LockedTable>& tables,
                                    const LockPatience& patience, const Cancellation& cancellation);

  [[nodiscard]] Connection& connection() { return connection_; }
  /// Statements that put another session under the same snapshot, rows in physical order, and under
  /// a search_path, as SET takes it: that of the application where expressions of it are read.
  /// Read only, unless a mapping calls a function that writes (nextval).
  [[nodiscard]] std::string reader_begin(bool writes, const std::string& path) const;

  /// Ends the transaction. Returns whether the rows that were read are the table's: the lock was
  /// held all the time, or, without one, no transaction has written anywhere on that server since
  /// the snapshot.
  [[nodiscard]] bool close_and_check_unchanged();
  /// The session itself, after close_and_check_unchanged().
  [[nodiscard]] Connection take_connection() { return std::move(connection_); }

 private:
  explicit SourceSession(Connection connection) : connection_(std::move(connection)) {}

  Connection connection_;
  std::string snapshot_;
  bool is_locked_ = false;
  std::optional<QuietServer> then_;  ///< By the snapshot: judges an unlocked source.
};

}  // namespace pgfanout
