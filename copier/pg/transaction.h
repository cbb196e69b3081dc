// Work in a transaction, in a savepoint of one, and under another search_path.
#pragma once

#include <cstdint>
#include <string>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

enum class TransactionEnd : std::uint8_t { commit, roll_back, stay_open };

struct TransactionOptions {
  std::string begin = "BEGIN";
  TransactionEnd end = TransactionEnd::commit;  ///< Of work that succeeds.
};

/// Work that fails is rolled back, if the connection is still open. A COMMIT that fails is the last
/// statement: if the connection was lost, it is unknown whether the work is committed.
template <class Work>
Result<void> in_transaction(Connection& connection, const TransactionOptions& options, Work work) {
  PGFANOUT_TRY(connection.run(options.begin));
  Result<void> done = work();
  if (done && options.end == TransactionEnd::stay_open) return done;
  if (done && options.end == TransactionEnd::commit) return connection.run("COMMIT");
  if (connection.is_open()) PGFANOUT_TRY(connection.run("ROLLBACK"));
  return done;
}

/// Reads by `work`, which may fail without ending an open transaction: it runs in a savepoint then,
/// which is rolled back. Returns what the work returns, or the error of the savepoint.
template <class Work>
auto in_savepoint(Connection& connection, Work work) -> decltype(work()) {
  if (!connection.is_in_transaction()) return work();
  PGFANOUT_TRY(connection.run("SAVEPOINT pgfanout_read"));
  auto result = work();
  if (connection.is_open()) {
    PGFANOUT_TRY(
        connection.run("ROLLBACK TO SAVEPOINT pgfanout_read; RELEASE SAVEPOINT pgfanout_read"));
  }
  return result;
}

/// Runs `work` under a search_path other than the session's empty one: that of the application, for
/// statements that run its code. `path` is what SET takes: "'app', 'public'" or "DEFAULT". SQL of
/// our own in such a statement names schemas and operators in full, because the path may hide the
/// server's.
template <class Work>
auto with_search_path(Connection& connection, const std::string& path, Work work)
    -> decltype(work()) {
  PGFANOUT_TRY(connection.set_search_path(path));
  auto result = work();
  if (!connection.is_open()) return result;
  // After an error inside a transaction this fails; the rollback restores the path.
  if (auto emptied = connection.set_search_path("''"); !emptied && result) {
    return std::move(emptied).error();
  }
  return result;
}

}  // namespace pgfanout
