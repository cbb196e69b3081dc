// Streams ranges of rows: the one pipeline that copy, read-back and comparison run.
//
// Each source has a reader's thread, and each reader a pipeline of its own: read -> decode -> hash
// -> hand over. A message owns its batch, and one is on its way at a time, all of it on the
// reader's thread. The readers share the list of ranges and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "copier/base/memory_budget.h"
#include "copier/base/stop.h"
#include "copier/catalog/source_range.h"
#include "copier/stage/range_reader.h"
#include "copier/stage/row_batch.h"
#include "hashing/key_expression.h"
#include "pgfanout/observer.h"

namespace pgfanout {

struct RowStream {
  const std::vector<SourceRange>& ranges;
  std::span<const std::unique_ptr<RangeSource>> sources;  ///< One a reader.
  const RowFields& fields;
  const KeyExpression& key;
  const ReaderOptions& options;
  /// The last stage: takes a hashed batch. Called concurrently, but for each range in order.
  std::function<Result<void>(const RowBatch&)> hand_over;
  /// Called on a reader's thread when all batches of a range were handed over and the server has
  /// confirmed its end.
  std::function<void(std::uint32_t range, std::uint64_t rows)> range_done;
  std::optional<std::uint32_t> epoch = {};  ///< Only its ranges; absent: all.
};

/// Runs the streams side by side. Waits until every range was streamed, or until `stop` is set: the
/// first error of any stage goes there, and so does an exception.
void run_row_streams(const std::vector<RowStream>& streams, Stop& stop);

/// Bytes a reader's batch holds, for a budget shared by `readers`.
[[nodiscard]] std::size_t read_batch_bytes(std::uint64_t budget_bytes, std::size_t readers);

/// How a stream of rows counts its readers, its memory, and where its time goes. Counts `readers`
/// as long as it lives; afterwards no memory is held.
class StreamCounters {
 public:
  StreamCounters(JobCounters& counters, std::size_t readers, std::uint64_t memory_bytes);
  ~StreamCounters();
  StreamCounters(const StreamCounters&) = delete;
  StreamCounters& operator=(const StreamCounters&) = delete;

  [[nodiscard]] MemoryCounters memory() const {
    return {&counters_.memory_used, &counters_.target_wait_ns};
  }
  /// Of rows that the copy, or the source's side of a comparison, reads.
  [[nodiscard]] ReaderCounters reading(bool counts_rejects = false) const;
  /// Of rows that are read from the target.
  [[nodiscard]] ReaderCounters reading_back() const;

 private:
  JobCounters& counters_;
};

}  // namespace pgfanout
