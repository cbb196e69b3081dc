// How fast rows are digested, by their length. Before anything is timed, a known digest must come
// out, and the sum must not depend on order.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "hashing/row_digest.h"

namespace pgfanout {
namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void verify() {
  MultisetDigest empty_row;
  empty_row.add(row_digest({}));
  // XXH3_128bits() of nothing, as xxHash's own documentation of its test vectors has it.
  require(empty_row.hex() == "99aa06d3014798d86001c324468d497f", "the digest of nothing is wrong");
  const RowDigest first = row_digest(as_bytes("first"));
  const RowDigest second = row_digest(as_bytes("second"));
  MultisetDigest forwards;
  forwards.add(first);
  forwards.add(second);
  MultisetDigest backwards;
  backwards.add(second);
  backwards.add(first);
  require(forwards == backwards, "the sum depends on order");
}

void bench_row_digest(benchmark::State& state) {
  constexpr std::size_t rows = 512;
  const auto length = static_cast<std::size_t>(state.range(0));
  std::mt19937_64 random(length);
  std::vector<std::uint8_t> bytes(rows * length);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  MultisetDigest sum;
  for (auto _ : state) {
    for (std::size_t i = 0; i < rows; ++i) {
      sum.add(row_digest(ByteView(bytes.data() + i * length, length)));
    }
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(rows * length));
}

void bench_merge(benchmark::State& state) {
  MultisetDigest part;
  part.add(row_digest(as_bytes("row")));
  MultisetDigest sum;
  for (auto _ : state) {
    sum.merge(part);
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(bench_row_digest)->Arg(20)->Arg(100)->Arg(200)->Arg(600)->Arg(2000)->Arg(20000);
BENCHMARK(bench_merge);

}  // namespace
}  // namespace pgfanout

int main(int argc, char** argv) {
  pgfanout::verify();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
