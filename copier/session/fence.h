// The fence: triggers that refuse writes to a table, committed in its database, so that they
// outlive a crash of this program. A row trigger on the table covers its partitions; TRUNCATE needs
// a trigger on each of them, and tables that inherit otherwise need both. All are ENABLE ALWAYS, so
// they stop replication and sessions with session_replication_role, too. Triggers do not stop
// rewrites, new partitions, or ALTER TABLE ... DISABLE TRIGGER: those change the fence's facts,
// which the journal keeps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "copier/session/lock_attempts.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

class Fence {
 public:
  /// `side` ("source", "target", "live") tells the fences of one job apart.
  Fence(std::string job, std::string side) : job_(std::move(job)), side_(std::move(side)) {}

  /// Refuses if another job has a fence around the table.
  Result<void> check_free(Connection& connection, const Table& table) const;
  /// Raises it around a table and its partitions, unless it is up already. When this returns, no
  /// transaction that wrote to the table is open any more.
  Result<void> raise(Connection& connection, const Table& table, const LockPatience& patience,
                     const Cancellation& cancellation) const;
  /// Facts that do not change while the fence keeps the table as it is: system and database,
  /// partitions, their files and columns, and the fence's own parts. Sorted.
  Result<std::vector<std::string>> facts(Connection& connection, std::uint32_t table_oid) const;
  /// Statements that lower it, for the caller's transaction; none if it is not up.
  Result<std::vector<std::string>> lower_statements(Connection& connection) const;
  /// The same of a fence that raise_statements() would raise around `table`.
  [[nodiscard]] std::vector<std::string> lower_statements(const Table& table) const;
  /// Writes pass from the first statement on, also if this fails since another session's lock on
  /// the table keeps the triggers from being dropped; the next call drops them.
  Result<void> lower(Connection& connection, const LockPatience& patience,
                     const Cancellation& cancellation) const;
  /// Whether it refuses writes, in this database.
  Result<bool> stands(Connection& connection) const;
  /// The statements of raise(), for a dry run.
  [[nodiscard]] std::vector<std::string> raise_statements(const Table& table) const;

 private:
  /// Whether its triggers are there, also if they let writes pass.
  Result<bool> is_there(Connection& connection) const;
  [[nodiscard]] std::string function_name() const { return "fence_" + side_ + "_" + job_; }

  const std::string job_;
  const std::string side_;
};

/// SQL that lets a session of the job pass its fences.
[[nodiscard]] std::string pass_fence_sql(const Connection& connection, const std::string& job);

/// "database 5 of system 7...": the fact that names the fence's database.
Result<std::string> fence_place(Connection& connection);

/// Jobs that have a fence on the table or on one of its leaves now, as "<side> <job>".
Result<std::vector<std::string>> fences_on(Connection& connection, const Table& table);

/// The facts of `then` that no longer hold `now`, in words; empty if all hold.
[[nodiscard]] std::string broken_facts(const std::vector<std::string>& then,
                                       const std::vector<std::string>& now);

}  // namespace pgfanout
