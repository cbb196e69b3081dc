// The server's hash functions that a key expression may call.
#pragma once

#include <string_view>

#include "hashing/key_expression.h"

namespace pgfanout::keyexpr {

struct HashFunction {
  std::string_view name;
  KeyType argument;  ///< Of the first parameter; the second, if any, is an int8 seed.
  bool extended;     ///< Takes a seed and returns int8; else int4.
};

/// The function called `name`, or nullptr.
[[nodiscard]] const HashFunction* find_hash_function(std::string_view name);

}  // namespace pgfanout::keyexpr
