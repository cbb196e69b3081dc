#include "copier/stage/range_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/base/crash_point.h"

namespace pgfanout {

/// Where the reading of one range stands.
struct RangeReader::Progress {
  const SourceRange& range;
  const std::uint32_t number;
  const std::function<void(RowBatchPointer)>& emit;
  RowBatchPointer batch;
  std::uint64_t messages_in_batch = 0;
  bool is_stream_start = true;        ///< The next batch begins with the header.
  std::uint64_t rows_before = 0;      ///< Rows of the range in earlier batches, set aside or not.
  std::uint64_t stream_began_at = 0;  ///< rows_before when the current stream was opened.
  std::uint64_t rows_emitted = 0;
  std::string after_ctid;
};

RangeReader::RangeReader(std::size_t batch_bytes, MemoryBudget& budget, Rejects& rejects,
                         Stop& stop, ReaderCounters counters, std::function<void()> starved)
    : batch_bytes_(batch_bytes),
      budget_(budget),
      rejects_(rejects),
      stop_(stop),
      counters_(counters),
      starved_(std::move(starved)) {}

Result<std::uint64_t> RangeReader::read(RangeSource& source, const SourceRange& range,
                                        std::uint32_t number,
                                        const std::function<void(RowBatchPointer)>& emit) {
  Progress progress{range, number, emit, nullptr, 0, true, 0, 0, 0, {}};
  crash_point("reader-began");
  while (true) {
    auto opened = source.open(range, progress.after_ctid);
    auto ended = opened ? read_stream(**opened, progress) : Result<void>(opened.error());
    if (ended) return progress.rows_emitted;
    if (opened) opened->reset();
    const Error& error = ended.error();
    if (stop_.is_set() || error.consequence != Consequence::refuse || error.sqlstate.empty()) {
      return error;
    }
    PGFANOUT_TRY(set_aside(source, progress, error));
  }
}

Result<void> RangeReader::read_stream(CopyOutStream& stream, Progress& progress) {
  progress.is_stream_start = true;
  progress.stream_began_at = progress.rows_before;
  while (true) {
    PGFANOUT_TRY_ASSIGN(const CopyOutEvent event, stream.next());
    if (event == CopyOutEvent::end) break;
    const ByteView message = stream.message();
    if (progress.batch != nullptr && progress.batch->bytes.room() < message.size()) {
      emit_batch(progress, progress.messages_in_batch, false);
    }
    if (progress.batch == nullptr) PGFANOUT_TRY(start_batch(progress, message.size()));
    progress.batch->bytes.append(message);
    ++progress.messages_in_batch;
  }
  if (progress.batch == nullptr) {
    return interrupted("malformed-stream", "the server ended a COPY without a trailer");
  }
  // The last message is the trailer: alone, or behind the header when there are no rows.
  emit_batch(progress, progress.messages_in_batch - 1, true);
  return {};
}

Result<void> RangeReader::start_batch(Progress& progress, std::size_t bytes) {
  const std::size_t capacity = std::max(batch_bytes_, bytes);
  Lease lease = budget_.acquire(capacity, [this] {
    starved_();
    if (stop_.is_set()) budget_.cancel();
  });
  if (stop_.is_set() || lease.bytes() == 0) return interrupted("cancelled", "stopped");
  progress.batch = std::make_unique<RowBatch>();
  progress.batch->range = progress.number;
  progress.batch->first_row = progress.rows_before;
  progress.batch->is_first = std::exchange(progress.is_stream_start, false);
  progress.batch->bytes = Buffer(capacity);
  progress.batch->lease = std::move(lease);
  progress.messages_in_batch = 0;
  return {};
}

void RangeReader::emit_batch(Progress& progress, std::uint64_t rows, bool is_last) {
  // What the later stages note about each row: its place, its fields, key, state and digest.
  constexpr std::uint64_t kNotesBytesPerRow = 80;
  RowBatchPointer batch = std::exchange(progress.batch, nullptr);
  batch->expected_rows = rows;
  batch->is_last = is_last;
  batch->lease.absorb(budget_.charge(rows * kNotesBytesPerRow));
  progress.rows_before += rows;
  progress.rows_emitted += rows;
  if (counters_.bytes != nullptr) counters_.bytes->fetch_add(batch->bytes.size());
  if (counters_.rows != nullptr) counters_.rows->fetch_add(rows);
  progress.emit(std::move(batch));
  crash_point("reader-batch");
}

/// A stream broke off because of the data. Rows before the bad one were delivered and go on.
Result<void> RangeReader::set_aside(RangeSource& source, Progress& progress, const Error& error) {
  if (progress.batch != nullptr) emit_batch(progress, progress.messages_in_batch, false);
  PGFANOUT_TRY_ASSIGN(
      const UnreadableRow row,
      source.find_unreadable(progress.range, progress.after_ctid,
                             progress.rows_before - progress.stream_began_at, error));
  Reject reject;
  reject.range = progress.number;
  reject.row = progress.rows_before;
  reject.code = "source-expression";
  reject.reason = row.reason;
  reject.sqlstate = row.sqlstate;
  reject.ctid = row.ctid;
  PGFANOUT_TRY(rejects_.add(std::move(reject)));
  if (counters_.rejected != nullptr) counters_.rejected->fetch_add(1);
  progress.after_ctid = row.ctid;
  ++progress.rows_before;
  return {};
}

}  // namespace pgfanout
