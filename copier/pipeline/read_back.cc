#include "copier/pipeline/read_back.h"

#include "copier/stage/check.h"

namespace pgfanout {

Result<void> run_read_back(ReadBack read, Ledger& ledger, JobCounters& counters,
                           const Cancellation& cancellation) {
  Stop stop(cancellation);
  const StreamCounters streams(counters, read.sources.size(), read.memory_bytes);
  MemoryBudget budget(read.memory_bytes, streams.memory());
  Rejects no_rejects(0);
  const RowFields fields(read.row_layout);
  const ReaderOptions reading{
      .batch_bytes = read_batch_bytes(read.memory_bytes, read.sources.size()),
      .budget = budget,
      .rejects = no_rejects,
      .stop = stop,
      .counters = streams.reading_back(),
      .pace = read.pace};
  std::vector<std::atomic<std::uint32_t>> ranges_left(ledger.leaves().size());
  for (const SourceRange& range : read.ranges) ++ranges_left[range.leaf];
  run_row_stream({read.ranges, read.sources, fields, read.key, reading,
                  [&](const RowBatch& batch) -> Result<void> {
                    check_batch(fields, read.layout, batch, read.ranges[batch.range].leaf, ledger);
                    return {};
                  },
                  [&](std::uint32_t range, std::uint64_t) {
                    const std::uint32_t leaf = read.ranges[range].leaf;
                    if (--ranges_left[leaf] == 0 && read.leaf_done) read.leaf_done(leaf);
                  }},
                 stop);
  if (auto error = stop.error()) return *std::move(error);
  // A leaf without a range was not read, however empty it may be.
  for (const SourceRange& range : read.ranges) {
    if (ranges_left[range.leaf] == 0) ledger.mark_read_back(range.leaf);
  }
  return {};
}

}  // namespace pgfanout
