#include "copier/pipeline/read_back.h"

namespace pgfanout {
namespace {

/// Books a hashed batch that was read from `leaf`: its digest, the rows whose stored key is not the
/// recomputed one, and the rows that belong to another leaf. Thread-safe.
void book_read_back(const RowFields& fields, const Layout& layout, const RowBatch& batch,
                    std::uint32_t leaf, Ledger& ledger) {
  thread_local std::vector<std::uint32_t> leaf_of_row;
  leaf_of_row.resize(batch.index.rows.size());
  layout.route(layout_rows(fields, batch), leaf_of_row);
  std::uint64_t wrong_key = 0;
  std::uint64_t wrong_leaf = 0;
  for (std::size_t row = 0; row < batch.index.rows.size(); ++row) {
    if (const FieldRef* stored = fields.stored_key(batch, row)) {
      const bool has_key = batch.states[row] == KeyState::ok;
      if (!has_key || integer_field(batch, *stored) != batch.keys[row]) ++wrong_key;
    }
    if (leaf_of_row[row] != leaf) ++wrong_leaf;
  }
  ledger.add_read_back(leaf, digest_of(batch), wrong_key, wrong_leaf);
}

}  // namespace

Result<void> run_read_back(ReadBack read, Ledger& ledger, JobCounters& counters,
                           const Cancellation& cancellation) {
  Stop stop(cancellation);
  const StreamCounters streams(counters, read.sources.size(), read.memory_bytes);
  MemoryBudget budget(read.memory_bytes, streams.memory(), read.pace);
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
  const auto book = [&](const RowBatch& batch) -> Result<void> {
    book_read_back(fields, read.layout, batch, read.ranges[batch.range].leaf, ledger);
    return {};
  };
  const auto range_done = [&](std::uint32_t range, std::uint64_t) {
    const std::uint32_t leaf = read.ranges[range].leaf;
    if (--ranges_left[leaf] == 0 && read.leaf_done) read.leaf_done(leaf);
  };
  run_row_streams({{read.ranges, read.sources, fields, read.key, reading, book, range_done}}, stop);
  if (auto error = stop.error()) return *std::move(error);
  // A leaf without a range was not read, however empty it may be.
  for (const SourceRange& range : read.ranges) {
    if (ranges_left[range.leaf] == 0) ledger.mark_read_back(range.leaf);
  }
  return {};
}

}  // namespace pgfanout
