#include "copier/pipeline/row_stream.h"

#include <tbb/enumerable_thread_specific.h>
#include <tbb/flow_graph.h>

#include <algorithm>

#include "copier/pipeline/reader_threads.h"
#include "copier/stage/decode.h"
#include "copier/stage/hash.h"

namespace pgfanout {
namespace {

namespace flow = tbb::flow;

/// Runs one stage on a batch. After a stop batches are dropped, so that the graph empties at once.
template <class Stage>
auto stage(Stop& stop, Stage body) {
  return [&stop, body](RowBatchPointer batch) -> RowBatchPointer {
    if (batch == nullptr || stop.flag().is_set()) return nullptr;
    if (Result<void> done = body(*batch); !done) {
      stop.record(std::move(done).error());
      return nullptr;
    }
    return batch;
  };
}

}  // namespace

void run_row_stream(RowStream stream, Stop& stop) {
  using ReadNode = flow::async_node<std::uint32_t, RowBatchPointer>;
  using StageNode = flow::function_node<RowBatchPointer, RowBatchPointer>;
  using InlineNode = flow::function_node<RowBatchPointer, RowBatchPointer, flow::lightweight>;

  tbb::enumerable_thread_specific<KeyScratch> scratch;
  flow::graph graph;
  ReadNode::gateway_type* gateway = nullptr;
  ReaderThreads readers(std::move(stream.sources), [&](RangeSource& source, std::uint32_t range) {
    if (!stop.is_set()) {
      const auto rows = stream.reader.read(source, stream.ranges[range], range,
                                           [&](RowBatchPointer batch) { gateway->try_put(batch); });
      if (rows) stream.range_done(range, *rows);
      if (!rows) stop.record(rows.error());
    }
    gateway->release_wait();
  });

  // Reading waits for sockets on the readers' own threads; the gateway brings their batches in. The
  // stages behind decode run in the task that decoded: one task a batch.
  ReadNode read(graph, flow::unlimited, [&](std::uint32_t range, ReadNode::gateway_type&) {
    gateway->reserve_wait();
    readers.submit(range);
  });
  StageNode decode(graph, flow::unlimited, stage(stop, [&](RowBatch& batch) {
                     return decode_batch(stream.fields, batch);
                   }));
  InlineNode hash(graph, flow::unlimited, stage(stop, [&](RowBatch& batch) -> Result<void> {
                    hash_batch(stream.fields, stream.key, scratch.local(), batch);
                    return {};
                  }));
  InlineNode hand_over(graph, flow::unlimited,
                       stage(stop, [&](RowBatch& batch) { return stream.hand_over(batch); }));
  flow::make_edge(read, decode);
  flow::make_edge(decode, hash);
  flow::make_edge(hash, hand_over);

  gateway = &read.gateway();
  for (std::uint32_t range = 0; range < stream.ranges.size(); ++range) read.try_put(range);
  graph.wait_for_all();
}

std::size_t read_batch_bytes(std::uint64_t budget_bytes, std::size_t readers) {
  constexpr std::uint64_t kSmallest = 64ULL << 10U;
  constexpr std::uint64_t kLargest = 256ULL << 10U;
  return std::clamp<std::uint64_t>(budget_bytes / (32 * std::max<std::size_t>(1, readers)),
                                   kSmallest, kLargest);
}

}  // namespace pgfanout
