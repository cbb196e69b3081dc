#include "copier/pg/transaction.h"

namespace pgfanout {

Result<void> in_transaction(Connection& connection, const TransactionOptions& options,
                            const std::function<Result<void>()>& work) {
  PGFANOUT_TRY(connection.run(options.begin));
  auto done = work();
  if (done && options.end == TransactionEnd::stay_open) return done;
  if (done && options.end == TransactionEnd::commit) return connection.run("COMMIT");
  if (connection.is_open()) PGFANOUT_TRY(connection.run("ROLLBACK"));
  return done;
}

}  // namespace pgfanout
