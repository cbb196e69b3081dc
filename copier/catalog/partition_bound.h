// A partition's bound, read from the text in which the server states it: FOR VALUES IN (...),
// FROM (...) TO (...), WITH (modulus m, remainder r), DEFAULT. The server prints plain constants
// without their types, each as its type's output function has it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "hashing/partition_key.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct PartitionBound {
  enum class Kind : std::uint8_t { list, range, hash, rest };
  Kind kind = Kind::rest;          ///< rest: the default partition.
  std::vector<BoundValue> values;  ///< LIST: those that the partition takes.
  std::vector<BoundValue> from;    ///< RANGE: one for each column; belongs to the partition.
  std::vector<BoundValue> to;      ///< The same; does not belong to it.
  std::uint32_t modulus = 0;       ///< HASH.
  std::uint32_t remainder = 0;
};

/// Parses pg_get_expr(relpartbound, oid) of a session with standard_conforming_strings. Refuses
/// anything else with code "bad-bound".
Result<PartitionBound> parse_partition_bound(std::string_view bound);

}  // namespace pgfanout
