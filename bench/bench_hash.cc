// How fast PostgreSQL's hash functions are, by length of the value. Before anything is timed, a
// server's known answers must come out.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>
#include <vector>

#include "hashing/pg_hash.h"

namespace pgfanout {
namespace {

struct Known {
  std::string_view text;
  std::int32_t hash;
};

// Of PostgreSQL 15.20: SELECT hashtext(...). More are in tests/golden/hash_vectors.tsv.
constexpr Known known[] = {
    {"", -1477818771},
    {"a", 1075015857},
    {"abcdefghijk", -1483803693},
    {"abcdefghijkl", -1586087212},
    {"550e8400-e29b-41d4-a716-446655440000", 428265705},
    {"c1606105947x", -2147483647 - 1},
    {"the quick brown fox jumps over the lazy dog", 146440145},
};

void verify() {
  for (const Known& answer : known) {
    const std::int32_t hash = hashtext(as_bytes(answer.text));
    const std::int64_t wide = hashtextextended(as_bytes(answer.text), 0);
    if (hash == answer.hash && static_cast<std::int32_t>(wide) == hash) continue;
    std::fprintf(stderr, "hashtext('%.*s') is %d, the server says %d\n",
                 static_cast<int>(answer.text.size()), answer.text.data(), hash, answer.hash);
    std::abort();
  }
}

constexpr std::size_t value_count = 1024;

/// Values one behind the other, so that their alignment varies as it does in a COPY stream.
std::vector<std::uint8_t> random_values(std::size_t length) {
  std::mt19937_64 random(length);
  std::vector<std::uint8_t> bytes(value_count * length + 1);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

template <class Hash>
void run(benchmark::State& state, Hash hash) {
  const auto length = static_cast<std::size_t>(state.range(0));
  const std::vector<std::uint8_t> bytes = random_values(length);
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < value_count; ++i) {
      sum += static_cast<std::uint64_t>(hash(ByteView(bytes.data() + i * length, length)));
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(value_count));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(value_count * length));
}

void bench_hashtext(benchmark::State& state) {
  run(state, [](ByteView value) { return hashtext(value); });
}

void bench_hashtextextended(benchmark::State& state) {
  run(state, [](ByteView value) { return hashtextextended(value, 1234567); });
}

void bench_hashint8(benchmark::State& state) {
  std::mt19937_64 random(8);
  std::vector<std::int64_t> values(value_count);
  for (std::int64_t& value : values) value = static_cast<std::int64_t>(random());
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (const std::int64_t value : values) sum += static_cast<std::uint64_t>(hashint8(value));
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(value_count));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(value_count * 8));
}

BENCHMARK(bench_hashtext)->Arg(4)->Arg(8)->Arg(16)->Arg(36)->Arg(100)->Arg(1000)->Arg(100000);
BENCHMARK(bench_hashtextextended)->Arg(16)->Arg(36)->Arg(1000);
BENCHMARK(bench_hashint8);

}  // namespace
}  // namespace pgfanout

int main(int argc, char** argv) {
  pgfanout::verify();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
