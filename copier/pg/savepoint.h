// Statements that may fail inside of transactions that must survive it.
#pragma once

#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A savepoint on each connection that is in a transaction; nothing on the others. The connections
/// outlive it.
class Savepoints {
 public:
  /// Finds out which of them are.
  static Result<Savepoints> make(const std::vector<Connection*>& connections);

  Result<void> set();
  /// Undoes what was done since set(), a failure included.
  Result<void> undo();

 private:
  Result<void> run(const char* sql);

  std::vector<Connection*> in_transaction_;
};

}  // namespace pgfanout
