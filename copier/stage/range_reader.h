// Stage: reads one range into batches. Runs on an I/O thread of its own, never inside a worker of
// the pipeline, since it waits for sockets and for the memory budget.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "copier/base/memory_budget.h"
#include "copier/base/pace.h"
#include "copier/base/pause.h"
#include "copier/base/stop.h"
#include "copier/catalog/source_range.h"
#include "copier/stage/range_source.h"
#include "copier/stage/rejects.h"
#include "copier/stage/row_batch.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Counters of a reader; null members are not counted.
struct ReaderCounters {
  std::atomic<std::uint64_t>* bytes = nullptr;
  std::atomic<std::uint64_t>* rows = nullptr;
  std::atomic<std::uint64_t>* rejected = nullptr;
  std::atomic<std::uint64_t>* pace_wait_ns = nullptr;
  std::atomic<std::uint64_t>* source_wait_ns = nullptr;
  std::atomic<std::uint64_t>* work_ns = nullptr;  ///< All else but for waiting for memory.
  std::atomic<std::uint64_t>* busy = nullptr;     ///< Readers that have a range in hand.
};

class RangeReader {
 public:
  /// All references outlive the reader. `starved` is called before waiting for memory. `can_replay`
  /// says that a row is the same each time that it is read. Between batches it obeys `pace`, if
  /// there is one. `pause` is how it waits between attempts to connect.
  RangeReader(std::size_t batch_bytes, MemoryBudget& budget, Rejects& rejects, Stop& stop,
              ReaderCounters counters, std::function<void()> starved, bool can_replay = false,
              const Pace* pace = nullptr, Pause pause = pause_for);

  /// Streams the range to its end, handing each batch to `emit`. A row that the server cannot
  /// produce (a failing expression) is set aside, or ends the job, as `rejects` says; reading goes
  /// on behind it. `number` is the range's number in the ledger.
  ///
  /// With `can_replay`, a lost connection is opened again, a few times a range. The stream then
  /// starts again where it started: behind the last row set aside, or with the range. It begins
  /// with as many rows as had been handed on from there, in batches with is_replay, the first of
  /// which has is_first. The last of them ends where the lost stream's last batch ended, and what
  /// follows was never seen. A replay that is itself lost is restarted, again with is_first.
  ///
  /// Returns the number of rows handed on, without those of replays.
  Result<std::uint64_t> read(RangeSource& source, const SourceRange& range, std::uint32_t number,
                             const std::function<void(RowBatchPointer)>& emit);

 private:
  struct Progress;
  using Opened = Result<std::unique_ptr<CopyOutStream>>;
  Opened open(RangeSource& source, Progress& progress);
  Opened reopen(RangeSource& source, Progress& progress);
  Result<void> finish_stream(Progress& progress);
  Result<void> read_stream(CopyOutStream& stream, Progress& progress);
  Result<void> set_aside(RangeSource& source, Progress& progress, const Error& error);
  void obey_pace(Progress& progress);
  void count_work(Progress& progress);
  Result<void> start_batch(Progress& progress, std::size_t bytes);
  void emit_batch(Progress& progress, std::uint64_t rows, bool is_last);

  const std::size_t batch_bytes_;
  MemoryBudget& budget_;
  Rejects& rejects_;
  Stop& stop_;
  const ReaderCounters counters_;
  const std::function<void()> starved_;
  const bool can_replay_;
  const Pace* const pace_;
  const Pause pause_;
};

}  // namespace pgfanout
