// The methods of insertion. Each prepares what it sends, starts the clock, and stops it when the
// server has committed all rows. Where the client computes the key, it does so within that time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "bench/insert/insert_case.h"
#include "bench/insert/row_set.h"
#include "copier/pg/connection.h"
#include "copier/pg/write_channel.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout::bench {

/// One insertion: the case, its rows, and a connection for each writer.
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

/// The keys of one writer's rows, if the client sends them.
class Keys {
 public:
  /// `insertion` outlives this.
  explicit Keys(const Insertion& insertion) : insertion_(insertion) {}

  /// Computes the keys of rows `from` to `to`, in place of those before.
  Result<void> compute(std::uint64_t from, std::uint64_t to);
  /// Of a row between `from` and `to`; absent if the client sends no keys.
  [[nodiscard]] std::optional<std::int64_t> of(std::uint64_t row) const {
    return keys_.empty() ? std::nullopt : std::optional(keys_[row - from_]);
  }

 private:
  const Insertion& insertion_;
  KeyScratch scratch_;
  std::uint64_t from_ = 0;
  std::vector<std::int64_t> keys_;
};

/// A channel for each connection, which it takes over.
Result<std::vector<std::unique_ptr<WriteChannel>>> open_channels(Insertion& insertion);

/// The rows of one writer: `from` to `to`.
struct Share {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

/// Splits `rows` into `writers` shares that differ by one row at most.
[[nodiscard]] Share share_of(std::uint64_t rows, std::uint32_t writers, std::uint32_t writer);

/// Runs work(0), work(1), ... at once, each in a thread of its own. Returns the seconds from their
/// common start to the end of the last, or the first writer's error.
Result<double> time_writers(std::uint32_t writers,
                            const std::function<Result<void>(std::uint32_t)>& work);

}  // namespace pgfanout::bench
