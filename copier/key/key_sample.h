// Rows of the table itself, as the server sends them, with the key that it computes.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/key/key_oracle.h"
#include "hashing/key_expression.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct KeySample {
  std::vector<ProbeRow> rows;
  std::vector<KeyOutcome> server;
};

/// Up to `count` rows from pages drawn at random over all leaves; all rows of a small table.
Result<KeySample> sample_table(KeyOracle& oracle, const Table& table, const KeyExpression& key,
                               std::uint64_t count, std::mt19937_64& random);

}  // namespace pgfanout
