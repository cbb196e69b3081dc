// The kernels over a stream of rows: finding the rows in a binary COPY stream, and routing them
// into the lanes of 100 leaves.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "bench/require.h"
#include "copier/stage/route.h"
#include "copier/stage/row_batch.h"
#include "copier/wire/decoder.h"
#include "tests/layout/list_layout.h"
#include "tests/wire/decode_in_pieces.h"
#include "tests/wire/stream_builder.h"

namespace pgfanout {
namespace {

/// A table's columns. Streams of it fill a buffer of the size that readers hand over.
struct Shape {
  std::vector<std::size_t> field_bytes;  ///< Largest size of each field; below 16 the exact one.
  unsigned null_percent;
  std::vector<std::uint16_t> wanted;
  std::size_t stream_bytes;
};

/// int8, int4, timestamp, and a short name.
Shape narrow() {
  return {{8, 4, 8, 15}, 0, {0}, 512U << 10};
}
/// 12 fields, 586 bytes on average: keys, times, a few texts, one of them long; some NULL.
Shape typical() {
  return {{8, 8, 8, 4, 4, 1, 40, 40, 80, 120, 260, 556}, 8, {0, 2}, 512U << 10};
}
/// Mostly one value of some 100 kB.
Shape wide() {
  return {{8, 200000}, 0, {0}, 8U << 20};
}
/// Hundreds of integers: mostly length words.
Shape many_fields() {
  return {std::vector<std::size_t>(400, 4), 0, {399}, 512U << 10};
}

StreamBuilder::Field random_value(const Shape& shape, std::size_t bytes, std::mt19937& random) {
  if (random() % 100 < shape.null_percent) return std::nullopt;
  return std::string(bytes < 16 ? bytes : random() % (bytes + 1), 'v');
}

Bytes stream_of(const Shape& shape) {
  std::mt19937 random(1);
  StreamBuilder stream;
  while (stream.bytes().size() < shape.stream_bytes) {
    std::vector<StreamBuilder::Field> row;
    for (const std::size_t bytes : shape.field_bytes) {
      row.push_back(random_value(shape, bytes, random));
    }
    stream.row(row);
  }
  return stream.bytes();
}

void decode(benchmark::State& state, const Shape& shape) {
  const Bytes stream = stream_of(shape);
  const auto field_count = static_cast<std::uint16_t>(shape.field_bytes.size());
  require(decode_at_once(stream, field_count, shape.wanted, false) ==
              decode_naively(stream, field_count, shape.wanted, false),
          "the decoder and its naive twin differ");
  Decoder decoder(field_count, shape.wanted);
  RowIndex index;
  std::size_t rows = 0;
  for ([[maybe_unused]] auto _ : state) {
    index.clear();
    decoder.start_at_row();
    benchmark::DoNotOptimize(decoder.decode(stream, 0, index));
    benchmark::ClobberMemory();
    rows += index.rows.size();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(rows));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(stream.size()));
  state.counters["row_bytes"] =
      static_cast<double>(stream.size()) / static_cast<double>(index.rows.size());
}

BENCHMARK_CAPTURE(decode, narrow, narrow());
BENCHMARK_CAPTURE(decode, typical, typical());
BENCHMARK_CAPTURE(decode, wide, wide());
BENCHMARK_CAPTURE(decode, many_fields, many_fields());

constexpr std::size_t kLeaves = 100;

/// A range of (key text, payload) rows in one batch, decoded and hashed.
RowBatch hashed_batch(std::size_t rows, std::size_t payload_bytes, const RowFields& fields) {
  StreamBuilder stream;
  stream.header();
  for (std::size_t row = 0; row < rows; ++row) {
    stream.row({"collection-" + std::to_string(row * 7919), std::string(payload_bytes, 'x')});
  }
  stream.trailer();
  RowBatch batch;
  batch.is_first = batch.is_last = true;
  batch.expected_rows = rows;
  batch.bytes = Buffer(stream.bytes().size());
  batch.bytes.append(stream.bytes());
  require(decode_batch(fields, batch).has_value(), "the rows cannot be decoded");
  const KeyColumn columns[] = {{"k", KeyType::text, "text"}};
  KeyScratch scratch;
  hash_batch(fields, *KeyExpression::compile("abs(hashtext(k)) % 100", columns), scratch, batch);
  return batch;
}

void verify_routing(const RowBatch& batch, LaneSet& lanes) {
  lanes.close();
  std::vector<std::uint64_t> expected(kLeaves);
  for (const std::int64_t key : batch.keys) ++expected[static_cast<std::size_t>(key)];
  for (std::uint32_t lane = 0; lane < kLeaves; ++lane) {
    std::uint64_t found = 0;
    while (auto sealed = lanes.take(lane)) found += sealed->rows;
    require(found == expected[lane], "a lane has other rows than its key's");
  }
}

void route_rows(benchmark::State& state) {
  const auto payload = static_cast<std::size_t>(state.range(0));
  RowLayout shape;
  shape.fields = shape.copied = shape.digested = 2;
  shape.key_fields = {0};
  const RowFields fields(shape);
  const RowBatch batch = hashed_batch((256 << 10U) / (payload + 40), payload, fields);
  const LayoutPointer leaves = testing::list_layout(kLeaves);
  const std::vector<bool> none_done;
  MemoryBudget budget(1ULL << 30U);
  Rejects rejects(0);
  Ledger ledger(1, kLeaves);
  JobCounters counters;
  {
    LaneSet lanes(kLeaves, 256 << 10U, budget);
    Router router(fields, *leaves, lanes, ledger, rejects, counters, none_done);
    require(router.route(batch).has_value(), "the rows cannot be routed");
    verify_routing(batch, lanes);
  }
  LaneSet lanes(kLeaves, 256 << 10U, budget);
  Router router(fields, *leaves, lanes, ledger, rejects, counters, none_done);
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
