// Random expressions over random rows: the compiled program against the naive twin.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/hashing/naive_key_expression.h"

namespace pgfanout {

/// Rows such that all expressions see several sub-batches, clean ones among them.
inline std::vector<std::vector<KeyValue>> rows_for(std::mt19937_64& random) {
  std::vector<std::vector<KeyValue>> rows = random_key_rows(random, 400);
  const std::vector<KeyValue> plain = {
      "3", "5", "8", "t", "v", "c       ", "550e8400-e29b-41d4-a716-446655440000", "t"};
  std::fill(rows.begin() + 256, rows.begin() + 300, plain);
  for (auto& row : rows) row.resize(all_key_columns().size());
  return rows;
}

/// So many random expressions have the values and errors of their naive twins.
inline void expect_agreement(std::uint64_t seed, int expressions) {
  std::mt19937_64 random(seed);
  const std::vector<std::vector<KeyValue>> rows = rows_for(random);
  KeyScratch scratch;
  int refused = 0;
  int states[5] = {};
  for (int i = 0; i < expressions; ++i) {
    const auto key = random_key(random, 1 + static_cast<int>(random() % 6));
    const std::string sql = key->sql(random);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", expression " + std::to_string(i) + ": " + sql);
    const auto expression = KeyExpression::compile(sql, all_key_columns());
    if (!expression) {
      // Only a constant part that always fails may be refused: the tree is correct otherwise.
      ASSERT_NE(expression.error().message.find("always"), std::string::npos)
          << expression.error().message << "\n"
          << expression.error().where;
      ++refused;
      continue;
    }
    ASSERT_EQ(expression->result_type(), key->type);
    const KeyAnswers answers = evaluate_rows(*expression, all_key_columns(), rows, scratch);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const NaiveValue twin = naive_evaluate(*key, rows[row]);
      ASSERT_EQ(answers.states[row], twin.state) << "row " << row;
      if (twin.state == KeyState::ok) {
        ASSERT_EQ(answers.keys[row], twin.number) << "row " << row;
      }
      ++states[static_cast<int>(twin.state)];
    }
  }
  EXPECT_LT(refused, expressions / 5);
  for (const KeyState state :
       {KeyState::ok, KeyState::null, KeyState::out_of_range, KeyState::division_by_zero}) {
    EXPECT_GT(states[static_cast<int>(state)], expressions / 2) << to_string(state);
  }
}

}  // namespace pgfanout
