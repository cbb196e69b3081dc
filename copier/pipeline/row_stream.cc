#include "copier/pipeline/row_stream.h"

#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>

#include "copier/stage/row_batch.h"

namespace pgfanout {
namespace {

/// Passed from filter to filter: a batch, or the error of the filter that failed.
using Message = Result<RowBatch>;

/// A filter that works on a batch, and passes on an error of those before it.
template <class Work>
tbb::filter<Message, Message> stage(Work work) {
  return tbb::make_filter<Message, Message>(tbb::filter_mode::parallel,
                                            [work](Message message) -> Message {
                                              if (message) PGFANOUT_TRY(work(*message));
                                              return message;
                                            });
}

/// The ranges of a stream, taken by whichever reader is free. Thread-safe.
class RangeQueue {
 public:
  explicit RangeQueue(const RowStream& stream) : stream_(stream) {}

  std::optional<std::uint32_t> take() {
    while (true) {
      const std::uint32_t range = next_.fetch_add(1, std::memory_order_relaxed);
      if (range >= stream_.ranges.size()) return std::nullopt;
      if (!stream_.epoch || stream_.ranges[range].epoch == *stream_.epoch) return range;
    }
  }

 private:
  const RowStream& stream_;
  std::atomic<std::uint32_t> next_{0};
};

/// The pipeline of one reader, on its thread: it waits for the source's socket, which a worker of
/// oneTBB must not. The stages behind it are light beside what the server does for a batch, so they
/// run on the same thread, in an arena whose only place is the reader's: waking a worker costs more
/// than they do, and an idle one spins for a millisecond on processors that the servers need.
void run_reader(const RowStream& stream, RangeSource& source, RangeQueue& ranges, Stop& stop) {
  std::optional<RangeReader> reader;
  KeyScratch scratch;
  const auto read = tbb::make_filter<void, Message>(
      tbb::filter_mode::serial_in_order, [&](tbb::flow_control& control) -> Message {
        while (!stop.is_set()) {
          if (!reader) {
            const auto range = ranges.take();
            if (!range) break;
            reader.emplace(stream.options, source, stream.ranges[*range], *range);
          }
          PGFANOUT_TRY_ASSIGN(std::optional<RowBatch> batch, reader->next());
          if (batch) return *std::move(batch);
          stream.range_done(reader->number(), reader->rows());
          reader.reset();
        }
        control.stop();
        return RowBatch();
      });
  const auto decode = stage([&](RowBatch& batch) { return decode_batch(stream.fields, batch); });
  const auto hash = stage([&](RowBatch& batch) -> Result<void> {
    hash_batch(stream.fields, stream.key, scratch, batch);
    return {};
  });
  const auto hand_over = stage([&](RowBatch& batch) { return stream.hand_over(batch); });
  const auto end =
      tbb::make_filter<Message, void>(tbb::filter_mode::parallel, [&](Message message) {
        if (!message) stop.record(std::move(message).error());
      });
  constexpr int kPlaces = 1;
  tbb::task_arena own(kPlaces, kPlaces);  // Of which none is a worker's.
  own.execute([&] { tbb::parallel_pipeline(1, read & decode & hash & hand_over & end); });
}

}  // namespace

void run_row_streams(const std::vector<RowStream>& streams, Stop& stop) {
  std::deque<RangeQueue> queues;
  std::vector<std::jthread> readers;
  stop.guard("the start of the readers", [&] {
    for (const RowStream& stream : streams) {
      RangeQueue& ranges = queues.emplace_back(stream);
      for (const auto& source : stream.sources) {
        readers.emplace_back([&stream, &source, &ranges, &stop] {
          stop.guard("the reader", [&] { run_reader(stream, *source, ranges, stop); });
        });
      }
    }
  });
}

std::size_t read_batch_bytes(std::uint64_t budget_bytes, std::size_t readers) {
  constexpr std::uint64_t kSmallest = 64ULL << 10U;
  constexpr std::uint64_t kLargest = 256ULL << 10U;
  return std::clamp<std::uint64_t>(budget_bytes / (32 * std::max<std::size_t>(1, readers)),
                                   kSmallest, kLargest);
}

StreamCounters::StreamCounters(JobCounters& counters, std::size_t readers,
                               std::uint64_t memory_bytes)
    : counters_(counters) {
  counters_.readers = readers;
  counters_.memory_budget = memory_bytes;
}

StreamCounters::~StreamCounters() {
  counters_.readers = 0;
  counters_.memory_used = 0;
}

ReaderCounters StreamCounters::reading(bool counts_rejects) const {
  ReaderCounters counters = reading_back();
  counters.bytes = &counters_.bytes_read;
  counters.rows = &counters_.rows_read;
  if (counts_rejects) counters.rejected = &counters_.rows_rejected;
  return counters;
}

ReaderCounters StreamCounters::reading_back() const {
  ReaderCounters counters;
  counters.bytes = &counters_.bytes_read_back;
  counters.rows = &counters_.rows_read_back;
  counters.pace_wait_ns = &counters_.pace_wait_ns;
  counters.source_wait_ns = &counters_.source_wait_ns;
  counters.work_ns = &counters_.work_ns;
  counters.busy = &counters_.readers_busy;
  return counters;
}

}  // namespace pgfanout
