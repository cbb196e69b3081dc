// The naive twin of the key expression's evaluator: a walk over the tree, one row at a time, with
// 128-bit arithmetic and the naive hash. It shares nothing with hashing/ but the names of types and
// states.
#pragma once

#include <vector>

#include "tests/hashing/random_key_expression.h"

namespace pgfanout {

/// The expression's value in `row`, which has a value for each of all_key_columns().
[[nodiscard]] NaiveValue naive_evaluate(const RandomKey& key, const std::vector<KeyValue>& row);

}  // namespace pgfanout
