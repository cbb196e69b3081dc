#include "copier/stage/range_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/base/crash_point.h"
#include "copier/pg/server_error.h"

namespace pgfanout {

namespace {

/// Five reopenings a range, and as many attempts to make each of them.
constexpr int kReopenings = 5;
constexpr int kAttempts = 5;
constexpr std::chrono::milliseconds kFirstPause{250};
constexpr std::chrono::milliseconds kLongestPause{4000};

void add(std::atomic<std::uint64_t>* counter, std::chrono::nanoseconds time) {
  if (counter == nullptr) return;
  counter->fetch_add(static_cast<std::uint64_t>(time.count()), std::memory_order_relaxed);
}

/// Counts one as busy while it lives.
class BusyMark {
 public:
  explicit BusyMark(std::atomic<std::uint64_t>* busy) : busy_(busy) {
    if (busy_ != nullptr) ++*busy_;
  }
  ~BusyMark() {
    if (busy_ != nullptr) --*busy_;
  }
  BusyMark(const BusyMark&) = delete;
  BusyMark& operator=(const BusyMark&) = delete;

 private:
  std::atomic<std::uint64_t>* const busy_;
};

}  // namespace

/// Where the reading of one range stands.
struct RangeReader::Progress {
  const SourceRange& range;
  const std::uint32_t number;
  const std::function<void(RowBatchPointer)>& emit;
  RowBatchPointer batch = nullptr;
  std::uint64_t messages_in_batch = 0;
  bool is_stream_start = true;        ///< The next batch begins with the header.
  std::uint64_t rows_before = 0;      ///< Rows of the range in earlier batches, set aside or not.
  std::uint64_t stream_began_at = 0;  ///< rows_before when the current stream was opened.
  std::uint64_t replay_until = 0;     ///< Rows before this one have been emitted before.
  std::uint64_t rows_emitted = 0;
  std::string after_ctid = {};
  int reopenings = 0;
  std::chrono::steady_clock::time_point batch_began = std::chrono::steady_clock::now();
  const CopyOutStream* stream = nullptr;  ///< That is open.
  std::chrono::steady_clock::time_point counted_until = batch_began;
  std::chrono::nanoseconds waited{0};          ///< Since then, but for the stream's waiting.
  std::chrono::nanoseconds stream_counted{0};  ///< Of the stream's waiting.

  /// Takes over how long the open stream has waited since the last call.
  void take_waiting() {
    if (stream == nullptr) return;
    const std::chrono::nanoseconds now = stream->waited();
    waited += now - std::exchange(stream_counted, now);
  }
  /// Batches that are emitted after it have no stream.
  void leave_stream() {
    take_waiting();
    stream = nullptr;
  }

  [[nodiscard]] bool is_replaying() const { return rows_before < replay_until; }

  /// Emitted batches stay emitted; the next stream starts where this one did.
  void rewind() {
    batch = nullptr;
    messages_in_batch = 0;
    replay_until = std::max(replay_until, rows_before);
    rows_before = stream_began_at;
  }
};

RangeReader::RangeReader(std::size_t batch_bytes, MemoryBudget& budget, Rejects& rejects,
                         Stop& stop, ReaderCounters counters, std::function<void()> starved,
                         bool can_replay, const Pace* pace, Pause pause)
    : batch_bytes_(batch_bytes),
      budget_(budget),
      rejects_(rejects),
      stop_(stop),
      counters_(counters),
      starved_(std::move(starved)),
      can_replay_(can_replay),
      pace_(pace),
      pause_(std::move(pause)) {}

Result<std::uint64_t> RangeReader::read(RangeSource& source, const SourceRange& range,
                                        std::uint32_t number,
                                        const std::function<void(RowBatchPointer)>& emit) {
  crash_point("reader-began");
  const BusyMark busy(counters_.busy);
  Progress progress{range, number, emit};
  Opened opened = open(source, progress);
  while (true) {
    auto ended = opened ? read_stream(**opened, progress) : Result<void>(opened.error());
    if (ended) return progress.rows_emitted;
    progress.leave_stream();
    if (opened) opened->reset();
    if (stop_.is_set()) return std::move(ended).error();
    const bool is_about_data = ended.error().consequence == Consequence::refuse &&
                               !ended.error().sqlstate.empty() && !progress.is_replaying();
    if (is_about_data) ended = set_aside(source, progress, ended.error());
    if (ended) {
      opened = open(source, progress);
      continue;
    }
    const bool reopens = can_replay_ && is_transient(ended.error()) &&
                         ++progress.reopenings <= kReopenings && !stop_.is_set();
    if (!reopens) return std::move(ended).error();
    progress.rewind();
    opened = reopen(source, progress);
    if (!opened) return std::move(opened).error();
  }
}

/// Waits for the server from the statement to its first row.
RangeReader::Opened RangeReader::open(RangeSource& source, Progress& progress) {
  const auto began = std::chrono::steady_clock::now();
  Opened opened = source.open(progress.range, progress.after_ctid);
  const auto time = std::chrono::steady_clock::now() - began;
  progress.waited += time;
  add(counters_.source_wait_ns, time);
  return opened;
}

/// Returns what the last attempt did.
RangeReader::Opened RangeReader::reopen(RangeSource& source, Progress& progress) {
  Opened opened = interrupted("connection-lost", "the connection was lost");
  Backoff pauses(kFirstPause, kLongestPause);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    pause_(pauses.next(), [this] { return stop_.is_set(); });
    if (stop_.is_set()) return interrupted("cancelled", "stopped");
    opened = open(source, progress);
    if (opened || !is_transient(opened.error())) break;
  }
  return opened;
}

Result<void> RangeReader::read_stream(CopyOutStream& stream, Progress& progress) {
  progress.is_stream_start = true;
  progress.stream_began_at = progress.rows_before;
  progress.stream = &stream;
  progress.stream_counted = {};
  if (counters_.source_wait_ns != nullptr) stream.count_waiting(*counters_.source_wait_ns);
  while (true) {
    PGFANOUT_TRY_ASSIGN(const CopyOutEvent event, stream.next());
    if (event == CopyOutEvent::end) return finish_stream(progress);
    const ByteView message = stream.message();
    if (progress.batch != nullptr && progress.batch->bytes.room() < message.size()) {
      emit_batch(progress, progress.messages_in_batch, false);
    }
    if (progress.batch == nullptr) PGFANOUT_TRY(start_batch(progress, message.size()));
    progress.batch->bytes.append(message);
    ++progress.messages_in_batch;
    if (progress.rows_before + progress.messages_in_batch == progress.replay_until) {
      emit_batch(progress, progress.messages_in_batch, false);
    }
  }
}

Result<void> RangeReader::finish_stream(Progress& progress) {
  if (progress.is_replaying()) {
    Error error = interrupted("replay-differs",
                              "a range that was read again ended before rows that it had before",
                              "the snapshot must show the same rows each time: please report it");
    error.consequence = Consequence::unproven;
    return error;
  }
  if (progress.batch == nullptr) {
    return interrupted("malformed-stream", "the server ended a COPY without a trailer");
  }
  // The last message is the trailer: alone, or behind the header when there are no rows.
  emit_batch(progress, progress.messages_in_batch - 1, true);
  return {};
}

/// Before memory is taken, so that a reader at rest holds none.
void RangeReader::obey_pace(Progress& progress) {
  if (pace_ == nullptr) return;
  const auto waited = pace_->hold(std::chrono::steady_clock::now() - progress.batch_began, stop_);
  add(counters_.pace_wait_ns, waited);
  progress.waited += waited;
  progress.batch_began = std::chrono::steady_clock::now();
}

Result<void> RangeReader::start_batch(Progress& progress, std::size_t bytes) {
  obey_pace(progress);
  const std::size_t capacity = std::max(batch_bytes_, bytes);
  const auto asked = std::chrono::steady_clock::now();
  Lease lease = budget_.acquire(capacity, [this] {
    starved_();
    if (stop_.is_set()) budget_.cancel();
  });
  if (stop_.is_set() || lease.bytes() == 0) return interrupted("cancelled", "stopped");
  progress.waited += std::chrono::steady_clock::now() - asked;
  progress.batch = std::make_unique<RowBatch>();
  progress.batch->range = progress.number;
  progress.batch->first_row = progress.rows_before;
  progress.batch->is_first = std::exchange(progress.is_stream_start, false);
  progress.batch->is_replay = progress.is_replaying();
  progress.batch->bytes = Buffer(capacity);
  progress.batch->lease = std::move(lease);
  progress.messages_in_batch = 0;
  return {};
}

/// Counts the time since the last batch, less the time spent waiting. Once a batch.
void RangeReader::count_work(Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  progress.take_waiting();
  const auto worked =
      now - std::exchange(progress.counted_until, now) - std::exchange(progress.waited, {});
  if (worked.count() > 0) add(counters_.work_ns, worked);
}

void RangeReader::emit_batch(Progress& progress, std::uint64_t rows, bool is_last) {
  // Notes of the later stages about each row: its place, its fields, key, state and digest.
  constexpr std::uint64_t kNotesBytesPerRow = 80;
  RowBatchPointer batch = std::exchange(progress.batch, nullptr);
  batch->expected_rows = rows;
  batch->is_last = is_last;
  batch->lease.absorb(budget_.charge(rows * kNotesBytesPerRow));
  progress.rows_before += rows;
  if (!batch->is_replay) {
    progress.rows_emitted += rows;
    if (counters_.bytes != nullptr) counters_.bytes->fetch_add(batch->bytes.size());
    if (counters_.rows != nullptr) counters_.rows->fetch_add(rows);
  }
  progress.emit(std::move(batch));
  count_work(progress);
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
  progress.stream_began_at = progress.rows_before;
  return {};
}

}  // namespace pgfanout
