// How fast rows are found in a binary COPY stream. Every stream is decoded by the naive twin first,
// and nothing is timed unless both find the same rows.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "copier/wire/decoder.h"
#include "tests/wire/decode_in_pieces.h"
#include "tests/wire/stream_builder.h"

namespace pgfanout {
namespace {

/// A table's shape. Streams of it fill a buffer of the size that readers hand over.
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
/// Hundreds of integers: length words are all there is.
Shape many_fields() {
  return {std::vector<std::size_t>(400, 4), 0, {399}, 512U << 10};
}

StreamBuilder::Field random_value(const Shape& shape, std::size_t bytes, std::mt19937& random) {
  if (random() % 100 < shape.null_percent) return std::nullopt;
  return std::string(bytes < 16 ? bytes : random() % (bytes + 1), 'v');
}

Bytes rows_of(const Shape& shape) {
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
  const Bytes stream = rows_of(shape);
  const auto field_count = static_cast<std::uint16_t>(shape.field_bytes.size());
  if (decode_at_once(stream, field_count, shape.wanted, false) !=
      decode_naively(stream, field_count, shape.wanted, false)) {
    state.SkipWithError("the decoder and its twin differ");
    return;
  }
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

}  // namespace
}  // namespace pgfanout

BENCHMARK_MAIN();
