// Foreign keys that come back at a rollback. Rows may violate them by now, since nothing checked
// them after the swap: such a key comes back NOT VALID, and its rows are named.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// "ALTER TABLE <table> <addition>", where the addition is that of a foreign key.
struct KeyAddition {
  std::string table;
  std::string addition;  ///< "ADD CONSTRAINT name FOREIGN KEY ...".
  std::string name;      ///< As in the catalog.
};
[[nodiscard]] std::optional<KeyAddition> key_addition(const std::string& sql);

struct UnvalidatedKey {
  std::uint32_t table_oid = 0;  ///< The referring table.
  std::string name;
};

/// Runs a statement of a rollback within its transaction.
Result<void> run_undo(Connection& connection, const std::string& sql,
                      std::vector<UnvalidatedKey>& unvalidated);

/// The warning about it, with the rows that refer nowhere, and the statements that validate it.
Result<Issue> issue_of(Connection& connection, const UnvalidatedKey& key, std::string code);

}  // namespace pgfanout
