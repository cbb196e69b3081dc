#include "copier/pipeline/row_stream.h"

#include <tbb/enumerable_thread_specific.h>
#include <tbb/flow_graph.h>

#include <algorithm>
#include <exception>

#include "copier/pipeline/reader_threads.h"
#include "copier/stage/decode.h"
#include "copier/stage/hash.h"

namespace pgfanout {
namespace {

namespace flow = tbb::flow;

/// Runs one stage on a batch. After a stop batches are dropped, so that the graph empties at once.
/// Nodes pass on an owning pointer that oneTBB can copy; null stands for a dropped batch. Only what
/// cannot throw runs at once, in the thread that brings the batch.
template <class Stage>
auto stage(Stop& stop, Stage body) {
  return [&stop, body](RowBatch* message) noexcept -> RowBatch* {
    RowBatchPointer batch(message);
    if (batch == nullptr || stop.flag().is_set()) return nullptr;
    try {
      Result<void> done = body(*batch);
      if (done) return batch.release();
      stop.record(std::move(done).error());
    } catch (const std::exception& failure) {
      stop.record(interrupted("internal", failure.what()));
    }
    return nullptr;
  };
}

}  // namespace

void run_row_stream(RowStream stream, Stop& stop) {
  using ReadNode = flow::async_node<std::uint32_t, RowBatch*>;
  using StageNode = flow::function_node<RowBatch*, RowBatch*, flow::lightweight>;
  using SinkNode = flow::function_node<RowBatch*, flow::continue_msg, flow::lightweight>;

  tbb::enumerable_thread_specific<KeyScratch> scratch;
  flow::graph graph;
  ReadNode::gateway_type* gateway = nullptr;
  ReaderThreads readers(stream.sources, [&](RangeSource& source, std::uint32_t range) {
    if (!stop.is_set()) {
      const auto rows =
          stream.reader.read(source, stream.ranges[range], range,
                             [&](RowBatchPointer batch) { gateway->try_put(batch.release()); });
      if (rows) stream.range_done(range, *rows);
      if (!rows) stop.record(rows.error());
    }
    gateway->release_wait();
  });

  // Reading waits for sockets on the readers' own threads; the gateway brings their batches in. The
  // stages behind it are light beside what the server does for a batch, so each batch runs through
  // them on the thread that read it: waking a worker costs more, and an idle one spins for a
  // millisecond on processors that the servers need.
  ReadNode read(graph, flow::unlimited, [&](std::uint32_t range, ReadNode::gateway_type&) {
    gateway->reserve_wait();
    readers.submit(range);
  });
  StageNode decode(graph, flow::unlimited, stage(stop, [&](RowBatch& batch) {
                     return decode_batch(stream.fields, batch);
                   }));
  StageNode hash(graph, flow::unlimited, stage(stop, [&](RowBatch& batch) -> Result<void> {
                   hash_batch(stream.fields, stream.key, scratch.local(), batch);
                   return {};
                 }));
  const auto last = stage(stop, [&](RowBatch& batch) { return stream.hand_over(batch); });
  SinkNode hand_over(graph, flow::unlimited, [last](RowBatch* batch) noexcept {
    const RowBatchPointer done(last(batch));
    return flow::continue_msg();
  });
  flow::make_edge(read, decode);
  flow::make_edge(decode, hash);
  flow::make_edge(hash, hand_over);

  gateway = &read.gateway();
  for (std::uint32_t range = 0; range < stream.ranges.size(); ++range) {
    if (!stream.epoch || stream.ranges[range].epoch == *stream.epoch) read.try_put(range);
  }
  graph.wait_for_all();
  readers.finish();  // Before the nodes go that they have used.
}

std::size_t read_batch_bytes(std::uint64_t budget_bytes, std::size_t readers) {
  constexpr std::uint64_t kSmallest = 64ULL << 10U;
  constexpr std::uint64_t kLargest = 256ULL << 10U;
  return std::clamp<std::uint64_t>(budget_bytes / (32 * std::max<std::size_t>(1, readers)),
                                   kSmallest, kLargest);
}

}  // namespace pgfanout
