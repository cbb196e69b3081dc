// Asks a server which key it computes for given values, by the user's own SQL.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/key/key_probe.h"
#include "copier/pg/connection.h"
#include "hashing/key_expression.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A key, or why there is none.
struct KeyOutcome {
  KeyState state = KeyState::ok;
  std::int64_t key = 0;  ///< 0 unless the state is ok.
  friend bool operator==(const KeyOutcome&, const KeyOutcome&) = default;
};

/// "key 7", "no key: integer out of range".
[[nodiscard]] std::string describe(const KeyOutcome& outcome);

/// The compiled expression's outcomes, row by row.
[[nodiscard]] std::vector<KeyOutcome> evaluate_rows(const KeyExpression& key,
                                                    const std::vector<ProbeRow>& rows);

/// Types of the columns that the expression uses, in its order.
[[nodiscard]] std::vector<KeyType> used_types(const Table& table, const KeyExpression& key);

/// Runs statements that may fail, and leaves an open transaction as it was. All references outlive
/// it. Not thread-safe.
class KeyOracle {
 public:
  /// Finds out whether a transaction is open.
  static Result<KeyOracle> make(Connection& connection, const Table& table,
                                const KeyExpression& key);

  /// The server's outcomes, row by row. Rows that `expected` calls an error are asked one by one,
  /// since an error ends a statement.
  Result<std::vector<KeyOutcome>> ask(const std::vector<ProbeRow>& rows,
                                      const std::vector<KeyOutcome>& expected);

  /// Runs `attempt` in a savepoint if a transaction is open; undone if it fails.
  template <class Attempt>
  auto guarded(Attempt attempt) -> decltype(attempt()) {
    if (is_in_transaction_) PGFANOUT_TRY(connection_->run("SAVEPOINT pgfanout_key"));
    auto result = attempt();
    if (is_in_transaction_ && connection_->is_open()) {
      PGFANOUT_TRY(connection_->run(result ? "RELEASE SAVEPOINT pgfanout_key"
                                           : "ROLLBACK TO SAVEPOINT pgfanout_key;"
                                             "RELEASE SAVEPOINT pgfanout_key"));
    }
    return result;
  }

  [[nodiscard]] Connection& connection() const { return *connection_; }

 private:
  KeyOracle(Connection& connection, const Table& table, const KeyExpression& key)
      : connection_(&connection), table_(&table), key_(&key), types_(used_types(table, key)) {}

  Result<std::vector<KeyOutcome>> ask_batch(const std::vector<ProbeRow>& rows);
  Result<std::vector<KeyOutcome>> ask_or_split(const std::vector<ProbeRow>& rows);
  [[nodiscard]] std::string query_for(const std::vector<ProbeRow>& rows) const;

  Connection* connection_;
  const Table* table_;
  const KeyExpression* key_;
  std::vector<KeyType> types_;
  bool is_in_transaction_ = false;
};

/// The state that a server's error about a row stands for; anything else is the error itself.
Result<KeyState> key_state_of(const Error& error);

}  // namespace pgfanout
