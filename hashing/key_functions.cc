// One row a function, as in pg_proc.
#include "hashing/key_functions.h"

#include <array>

namespace pgfanout::keyexpr {
namespace {

constexpr std::array hash_functions = std::to_array<HashFunction>({
    {"hashtext", KeyType::text, false},
    {"hashtextextended", KeyType::text, true},
    {"hashbpchar", KeyType::bpchar, false},
    {"hashbpcharextended", KeyType::bpchar, true},
    {"hashint2", KeyType::int2, false},
    {"hashint2extended", KeyType::int2, true},
    {"hashint4", KeyType::int4, false},
    {"hashint4extended", KeyType::int4, true},
    {"hashint8", KeyType::int8, false},
    {"hashint8extended", KeyType::int8, true},
    {"uuid_hash", KeyType::uuid, false},
    {"uuid_hash_extended", KeyType::uuid, true},
    // From server version 18 on; KeyExpression::functions() lets callers check.
    {"hashbytea", KeyType::bytea, false},
    {"hashbyteaextended", KeyType::bytea, true},
});

}  // namespace

const HashFunction* find_hash_function(std::string_view name) {
  for (const HashFunction& function : hash_functions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

}  // namespace pgfanout::keyexpr
