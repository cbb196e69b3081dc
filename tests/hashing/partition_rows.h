// Rows for the kernels of partition keys, and the keys that these compute.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "hashing/ordered_value.h"
#include "hashing/partition_key.h"
#include "tests/hashing/key_rows.h"

namespace pgfanout::testing {

inline BoundValue bound_value(std::string text) {
  return {BoundValue::Kind::value, std::move(text)};
}
inline const BoundValue kNullValue = {BoundValue::Kind::null, ""};
inline const BoundValue kMinimum = {BoundValue::Kind::minimum, ""};
inline const BoundValue kMaximum = {BoundValue::Kind::maximum, ""};

/// The keys of rows whose values are the server's text.
inline std::vector<std::int64_t> keys_of(const PartitionKernel& kernel,
                                         const std::vector<KeyType>& types,
                                         const std::vector<std::vector<KeyValue>>& rows) {
  KeyRows batch;
  for (const std::vector<KeyValue>& row : rows) {
    for (std::size_t column = 0; column < types.size(); ++column) {
      const KeyValue& value = row[column];
      batch.add_field(value ? binary_form(types[column], *value) : std::nullopt);
    }
  }
  std::vector<std::int64_t> keys(rows.size());
  std::vector<KeyState> states(rows.size());
  kernel.evaluate(batch.base(), batch.fields(), rows.size(), keys, states);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    EXPECT_EQ(states[row], KeyState::ok) << row;
  }
  return keys;
}

}  // namespace pgfanout::testing
