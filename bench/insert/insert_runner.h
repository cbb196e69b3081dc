// Runs one case once: fresh table, checkpoint, insertion, and the proof that all rows arrived:
// every byte, by digest, and every key, by the server's own expression.
#pragma once

#include <cstdint>
#include <optional>

#include "bench/insert/bench_server.h"
#include "bench/insert/insert_case.h"
#include "bench/insert/row_set.h"
#include "copier/pg/connection.h"
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

/// The result of one insertion.
struct Timing {
  double seconds = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
};

class InsertRunner {
 public:
  /// Both references outlive this.
  static Result<InsertRunner> make(BenchServer& server, std::uint64_t rows,
                                   const Cancellation& cancellation);

  /// An error of code "bench-check" says that the rows that arrived are not those that were sent.
  Result<Timing> run(const InsertCase& each);

  /// Rows of a case: no more of them than take 128 MiB.
  [[nodiscard]] std::uint64_t rows_of(Width width) const;

 private:
  InsertRunner(BenchServer& server, std::uint64_t rows, const Cancellation& cancellation,
               KeyExpression key)
      : server_(server), rows_(rows), cancellation_(cancellation), key_(std::move(key)) {}
  Result<double> insert_all(const InsertCase& each, RowSet& rows);

  BenchServer& server_;
  std::uint64_t rows_;
  const Cancellation& cancellation_;
  KeyExpression key_;
  std::optional<RowSet> rows_of_width_;  ///< Of the last case.
};

}  // namespace pgfanout::bench
