// The source while it is copied: locked against writes, then seen through one exported snapshot.
//
// The order matters: a snapshot taken before the lock would miss what was committed in between, and
// a reader that joins a snapshot after a TRUNCATE or rewrite sees no rows and no error.
#pragma once

#include <chrono>
#include <string>

#include "copier/pg/connection.h"
#include "copier/plan/table.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

class SourceSession {
 public:
  /// Opens a transaction that holds SHARE on `table` and its leaves (unless the job assumes quiet),
  /// and exports its snapshot. The lock is tried in short attempts up to the job's lock time-out;
  /// the error then names the sessions in the way.
  static Result<SourceSession> open(Connection connection, const Table& table,
                                    const JobDescription& job, const Cancellation& cancellation);

  [[nodiscard]] Connection& connection() { return connection_; }
  /// Statements that put another session under the same snapshot, rows in physical order.
  /// Read only, unless a mapping calls a function that writes (nextval).
  [[nodiscard]] std::string reader_begin(bool writes) const;

  /// Whether nothing can have changed since the snapshot: the lock was held all the time, or,
  /// without one, no transaction has written anywhere on that server. Ends the transaction.
  [[nodiscard]] bool close_and_check_unchanged();

 private:
  explicit SourceSession(Connection connection) : connection_(std::move(connection)) {}

  Connection connection_;
  std::string snapshot_;
  bool is_locked_ = false;
  std::string next_transaction_;  ///< Unlocked: first transaction id not yet given at the snapshot.
  bool was_idle_ = false;         ///< Unlocked: no writing transaction was running then.
};

}  // namespace pgfanout
