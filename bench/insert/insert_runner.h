// Runs one case once: fresh table, checkpoint, insertion, and the proof that all rows arrived.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "bench/insert/bench_server.h"
#include "bench/insert/insert_case.h"
#include "bench/insert/row_set.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout::bench {

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

  /// An error of code "bench-check": what arrived is not what was sent.
  Result<Timing> run(const InsertCase& each);

  /// Rows of a case: no more of them than take 128 MiB.
  [[nodiscard]] std::uint64_t rows_of(Width width) const;

 private:
  InsertRunner(BenchServer& server, std::uint64_t rows, const Cancellation& cancellation,
               KeyExpression key)
      : server_(server), rows_(rows), cancellation_(cancellation), key_(std::move(key)) {}
  Result<RowSet*> rows_for(Width width);
  Result<std::vector<Connection>> connect(std::uint32_t writers);
  Result<double> insert_all(const InsertCase& each, RowSet& rows);

  BenchServer& server_;
  std::uint64_t rows_;
  const Cancellation& cancellation_;
  KeyExpression key_;
  std::optional<RowSet> set_;  ///< Of the last case.
};

}  // namespace pgfanout::bench
