// Work in a transaction.
#pragma once

#include <cstdint>
#include <functional>
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
/// statement: if it lost the connection, nobody knows yet whether the work is committed.
inline Result<void> in_transaction(Connection& connection, const TransactionOptions& options,
                                   const std::function<Result<void>()>& work) {
  PGFANOUT_TRY(connection.run(options.begin));
  auto done = work();
  if (done && options.end == TransactionEnd::stay_open) return done;
  if (done && options.end == TransactionEnd::commit) return connection.run("COMMIT");
  if (connection.is_open()) PGFANOUT_TRY(connection.run("ROLLBACK"));
  return done;
}

}  // namespace pgfanout
