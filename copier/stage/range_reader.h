// Stage: reads one range into batches. Runs on an I/O thread of its own, never inside a worker of
// the pipeline, since it waits for sockets and for the memory budget.
#pragma once

#include <cstdint>
#include <functional>

#include "copier/base/memory_budget.h"
#include "copier/base/stop.h"
#include "copier/plan/source_range.h"
#include "copier/stage/range_source.h"
#include "copier/stage/rejects.h"
#include "copier/stage/row_batch.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// What a reader counts; null members are not counted.
struct ReaderCounters {
  std::atomic<std::uint64_t>* bytes = nullptr;
  std::atomic<std::uint64_t>* rows = nullptr;
  std::atomic<std::uint64_t>* rejected = nullptr;
};

class RangeReader {
 public:
  /// All references outlive the reader. `starved` is called before waiting for memory.
  RangeReader(std::size_t batch_bytes, MemoryBudget& budget, Rejects& rejects, Stop& stop,
              ReaderCounters counters, std::function<void()> starved);

  /// Streams the range to its end, handing each batch to `emit`. A row that the server cannot
  /// produce (a failing expression) is set aside, or ends the job, as `rejects` says; reading goes
  /// on behind it. `number` is the range's number in the ledger.
  /// Returns the number of rows handed on.
  Result<std::uint64_t> read(RangeSource& source, const SourceRange& range, std::uint32_t number,
                             const std::function<void(RowBatchPointer)>& emit);

 private:
  struct Progress;
  Result<void> read_stream(CopyOutStream& stream, Progress& progress);
  Result<void> set_aside(RangeSource& source, Progress& progress, const Error& error);
  Result<void> start_batch(Progress& progress, std::size_t bytes);
  void emit_batch(Progress& progress, std::uint64_t rows, bool is_last);

  const std::size_t batch_bytes_;
  MemoryBudget& budget_;
  Rejects& rejects_;
  Stop& stop_;
  const ReaderCounters counters_;
  const std::function<void()> starved_;
};

}  // namespace pgfanout
