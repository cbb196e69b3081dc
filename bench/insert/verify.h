// Whether what arrived is what was sent: every byte, by digest, and every key, by the server's own
// expression.
#pragma once

#include <cstdint>

#include "bench/insert/insert_case.h"
#include "copier/pg/connection.h"
#include "hashing/row_digest.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout::bench {

/// The rows that arrived in the table.
struct Arrived {
  MultisetDigest digest;         ///< Of all columns but the key.
  std::uint64_t wrong_keys = 0;  ///< Rows whose partition_key is not the expression's value.
  std::uint64_t wrong_leaves = 0;
};

/// Reads the whole table again.
Result<Arrived> read_arrived(Connection& connection, const InsertCase& each,
                             const Cancellation& cancellation);

/// Code "bench-check" if anything differs.
Result<void> compare_arrived(const Arrived& arrived, const MultisetDigest& sent);

}  // namespace pgfanout::bench
