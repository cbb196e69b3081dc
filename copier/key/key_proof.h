// Whether client and server compute the same integer of a row: on rows of the table, and on values
// chosen to make them disagree.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/key/key_probe.h"
#include "copier/pg/connection.h"
#include "hashing/key_expression.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A key, or why there is none.
struct KeyOutcome {
  KeyState state = KeyState::ok;
  std::int64_t key = 0;  ///< 0 unless the state is ok.
  friend bool operator==(const KeyOutcome&, const KeyOutcome&) = default;
};

/// The compiled expression's outcomes, row by row.
[[nodiscard]] std::vector<KeyOutcome> evaluate_rows(const KeyExpression& key,
                                                    const std::vector<ProbeRow>& rows);

/// An integer of some columns of a table, as the server and as the client compute it.
struct RowFunction {
  std::string sql;                   ///< Over the columns by their names; an integer.
  std::vector<std::size_t> columns;  ///< Of the table.
  std::vector<std::string> names;    ///< Of the columns, quoted.
  std::vector<KeyType> types;        ///< Of the columns.
  std::vector<ProbeRow> more;        ///< To be compared besides those that types suggest.
  std::function<std::vector<KeyOutcome>(const std::vector<ProbeRow>&)> compute;
};

[[nodiscard]] RowFunction row_function(const Table& table, const KeyExpression& key);

/// The server's outcomes, row by row. Works inside of a transaction and leaves it usable.
Result<std::vector<KeyOutcome>> ask_server(Connection& connection, const RowFunction& function,
                                           const std::vector<ProbeRow>& rows);

struct KeyProof {
  std::uint64_t compared = 0;
  std::uint64_t disagreements = 0;
  std::vector<std::string> examples;  ///< The first few: values, and what either side says.
};

inline constexpr std::uint64_t kDefaultProofRows = 1000;

/// Compares on up to `count` rows of the table, on adversarial values, and on random ones made from
/// `seed`. The server evaluates the SQL as the user wrote it. Errors ("integer out of range") must
/// agree as well. Ends early, with error "cancelled", when `cancellation` is set.
Result<KeyProof> compare_keys(Connection& source, const Table& table, const RowFunction& function,
                              std::uint64_t count, std::uint64_t seed,
                              const Cancellation* cancellation = nullptr);

/// The same of the table's key; any disagreement is refused with "key-disagrees". A key that only
/// the server computes has nothing to be compared with.
Result<KeyProof> prove_key(Connection& source, const Table& table, const KeyExpression& key,
                           std::uint64_t count = kDefaultProofRows, std::uint64_t seed = 1);

}  // namespace pgfanout
