// The methods. Each prepares what it sends, then starts the clock, and stops it when the server has
// committed all rows. The client computes the key within that time, where it is the one who does.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "bench/insert/insert_case.h"
#include "bench/insert/row_set.h"
#include "copier/pg/connection.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout::bench {

/// One insertion: which rows go how over which connections, one a writer.
struct Insertion {
  const InsertCase& what;
  RowSet& rows;
  const KeyExpression& key;
  std::vector<Connection>& connections;
  const Cancellation& cancellation;
};

// Each returns the seconds that it took.
Result<double> insert_by_statements(Insertion& insertion);  ///< row and multirow.
Result<double> insert_by_pipeline(Insertion& insertion);
Result<double> insert_by_copy(Insertion& insertion);  ///< copy_text and copy_binary.
Result<double> insert_by_fan_out(Insertion& insertion);

/// By the case's method.
Result<double> insert(Insertion& insertion);

/// The rows of one writer: `from` to `to`.
struct Share {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

/// Splits `rows` into `writers` shares that differ by one row at most.
[[nodiscard]] Share share_of(std::uint64_t rows, std::uint32_t writers, std::uint32_t writer);

/// Runs work(0), work(1), ... in a thread each, all at once. Returns the seconds from their common
/// start to the end of the last, or the first writer's error.
Result<double> time_writers(std::uint32_t writers,
                            const std::function<Result<void>(std::uint32_t)>& work);

}  // namespace pgfanout::bench
