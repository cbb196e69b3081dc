#include "copier/pg/savepoint.h"

#include <algorithm>

namespace pgfanout {

Result<Savepoints> Savepoints::make(const std::vector<Connection*>& connections) {
  Savepoints made;
  for (Connection* connection : connections) {
    const bool is_known = std::find(made.in_transaction_.begin(), made.in_transaction_.end(),
                                    connection) != made.in_transaction_.end();
    // Outside of a transaction a savepoint is an error without consequences.
    if (is_known || !connection->run("SAVEPOINT pgfanout_check")) continue;
    PGFANOUT_TRY(connection->run("RELEASE SAVEPOINT pgfanout_check"));
    made.in_transaction_.push_back(connection);
  }
  return made;
}

Result<void> Savepoints::set() {
  return run("SAVEPOINT pgfanout_check");
}

Result<void> Savepoints::undo() {
  return run("ROLLBACK TO SAVEPOINT pgfanout_check; RELEASE SAVEPOINT pgfanout_check");
}

Result<void> Savepoints::run(const char* sql) {
  for (Connection* connection : in_transaction_) PGFANOUT_TRY(connection->run(sql));
  return {};
}

}  // namespace pgfanout
