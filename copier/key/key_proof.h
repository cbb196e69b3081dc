// Whether the compiled key expression and the server agree: on rows of the table, and on values
// chosen to make them disagree.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "hashing/key_expression.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct KeyProof {
  std::uint64_t compared = 0;
  std::uint64_t disagreements = 0;
  std::vector<std::string> examples;  ///< The first few: values, and what either side says.
};

inline constexpr std::uint64_t kDefaultProofRows = 1000;

/// Compares on up to `count` rows of the table, on adversarial values, and on random ones made from
/// `seed`. The server evaluates the expression as the user wrote it. Errors ("integer out of
/// range") must agree as well. Works inside a transaction and leaves it usable. Ends early, with
/// error "cancelled", when `cancellation` is set.
Result<KeyProof> compare_keys(Connection& source, const Table& table, const KeyExpression& key,
                              std::uint64_t count, std::uint64_t seed,
                              const Cancellation* cancellation = nullptr);

/// The same; any disagreement is refused with "key-disagrees".
Result<KeyProof> prove_key(Connection& source, const Table& table, const KeyExpression& key,
                           std::uint64_t count = kDefaultProofRows, std::uint64_t seed = 1);

}  // namespace pgfanout
