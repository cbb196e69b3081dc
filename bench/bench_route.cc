// Routing: rows per second from a hashed batch into the lanes of 100 leaves. Before it times, every
// row is found again in the lane of its key.
#include <benchmark/benchmark.h>

#include <stdexcept>
#include <string>

#include "copier/base/byte_order.h"
#include "copier/stage/decode.h"
#include "copier/stage/hash.h"
#include "copier/stage/route.h"
#include "copier/wire/encoder.h"

namespace pgfanout {
namespace {

constexpr std::size_t kLeaves = 100;

void append_field(std::string& row, const std::string& bytes) {
  std::string length(4, '\0');
  store_be32(reinterpret_cast<std::uint8_t*>(length.data()),
             static_cast<std::uint32_t>(bytes.size()));
  row += length + bytes;
}

/// A range of (key text, payload) rows in one batch, decoded and hashed.
RowBatch hashed_batch(std::size_t rows, std::size_t payload_bytes, const RowFields& fields) {
  std::string stream(as_text(copy_header()));
  for (std::size_t row = 0; row < rows; ++row) {
    stream += std::string("\0\2", 2);
    append_field(stream, "collection-" + std::to_string(row * 7919));
    append_field(stream, std::string(payload_bytes, 'x'));
  }
  stream += as_text(copy_trailer());
  RowBatch batch;
  batch.is_first = batch.is_last = true;
  batch.expected_rows = rows;
  batch.bytes = Buffer(stream.size());
  batch.bytes.append(as_bytes(stream));
  if (!decode_batch(fields, batch)) throw std::runtime_error("decode");
  const KeyColumn columns[] = {{"k", KeyType::text, "text"}};
  KeyScratch scratch;
  hash_batch(fields, *KeyExpression::compile("abs(hashtext(k)) % 100", columns), scratch, batch);
  return batch;
}

RowLayout layout() {
  RowLayout shape;
  shape.fields = shape.copied = shape.digested = 2;
  shape.key_fields = {0};
  return shape;
}

LeafMap leaf_map() {
  std::vector<ListBound> bounds(kLeaves);
  for (std::size_t key = 0; key < kLeaves; ++key)
    bounds[key].keys = {static_cast<std::int64_t>(key)};
  return LeafMap(bounds);
}

void verify(const RowBatch& batch, LaneSet& lanes) {
  lanes.close();
  std::vector<std::uint64_t> expected(kLeaves);
  for (const std::int64_t key : batch.keys) ++expected[static_cast<std::size_t>(key)];
  for (std::uint32_t lane = 0; lane < kLeaves; ++lane) {
    std::uint64_t found = 0;
    while (auto sealed = lanes.take(lane)) found += sealed->rows;
    if (found != expected[lane]) throw std::runtime_error("a lane has other rows than its key's");
  }
}

void route_rows(benchmark::State& state) {
  const auto payload = static_cast<std::size_t>(state.range(0));
  const RowFields fields(layout());
  const RowBatch batch = hashed_batch((256 << 10U) / (payload + 40), payload, fields);
  const LeafMap map = leaf_map();
  const std::vector<bool> none_done;
  MemoryBudget budget(1ULL << 30U);
  Rejects rejects(0);
  Ledger ledger(1, kLeaves);
  JobCounters counters;
  {
    LaneSet lanes(kLeaves, 256 << 10U, budget);
    if (!Router(fields, map, lanes, ledger, rejects, counters, none_done).route(batch)) {
      throw std::runtime_error("route");
    }
    verify(batch, lanes);
  }
  LaneSet lanes(kLeaves, 256 << 10U, budget);
  Router router(fields, map, lanes, ledger, rejects, counters, none_done);
  for (auto _ : state) {
    benchmark::DoNotOptimize(router.route(batch).has_value());
    for (const std::uint32_t lane : lanes.take_ready()) {
      if (auto sealed = lanes.take(lane)) lanes.sent(*std::move(sealed));
    }
  }
  const auto iterations = static_cast<std::int64_t>(state.iterations());
  state.SetItemsProcessed(iterations * static_cast<std::int64_t>(batch.index.rows.size()));
  state.SetBytesProcessed(iterations * static_cast<std::int64_t>(batch.bytes.size()));
}
BENCHMARK(route_rows)->Arg(20)->Arg(550)->Arg(8000);

}  // namespace
}  // namespace pgfanout

BENCHMARK_MAIN();
