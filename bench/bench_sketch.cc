// Measures the cost of a row in the difference sketch, and of decoding the sketch. Before anything
// is timed, planted differences must come out.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <utility>
#include <vector>

#include "hashing/difference_sketch.h"

namespace pgfanout {
namespace {

// An identity of 24 bytes and a digest; a changed row is two elements.
constexpr std::size_t element_words = 10;
constexpr std::size_t max_differences = 10'000;
constexpr std::size_t max_elements = 2 * max_differences;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

std::vector<std::uint32_t> random_elements(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> words(count * element_words);
  for (std::uint32_t& word : words) word = static_cast<std::uint32_t>(random());
  return words;
}

void verify() {
  constexpr std::size_t rows = 1000;
  const std::vector<std::uint32_t> elements = random_elements(rows, 1);
  DifferenceSketch sketch(element_words, max_elements);
  for (std::size_t i = 0; i < rows; ++i) sketch.add(elements.data() + i * element_words);
  sketch.subtract_many(elements.data(), rows - 1);
  const std::uint32_t* const left = elements.data() + (rows - 1) * element_words;
  const DifferenceSketch::Answer answer = std::move(sketch).peel();
  require(answer.is_complete && answer.differences.size() == 1, "one element must be left");
  require(answer.differences[0].count == 1, "it is left once");
  require(answer.differences[0].element == std::vector(left, left + element_words),
          "another element is left");
}

void bench_add(benchmark::State& state) {
  constexpr std::size_t rows = 100'000;
  const std::vector<std::uint32_t> elements = random_elements(rows, 2);
  DifferenceSketch sketch(element_words, max_elements);
  for (auto _ : state) {
    for (std::size_t i = 0; i < rows; ++i) sketch.add(elements.data() + i * element_words);
  }
  benchmark::DoNotOptimize(sketch);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows));
}

void bench_add_many(benchmark::State& state) {
  constexpr std::size_t rows = 100'000;
  const auto batch = static_cast<std::size_t>(state.range(0));
  const std::vector<std::uint32_t> elements = random_elements(rows, 2);
  DifferenceSketch sketch(element_words, max_elements);
  for (auto _ : state) {
    for (std::size_t i = 0; i + batch <= rows; i += batch) {
      sketch.add_many(elements.data() + i * element_words, batch);
    }
  }
  benchmark::DoNotOptimize(sketch);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows / batch * batch));
}

void bench_peel(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  DifferenceSketch sketch(element_words, max_elements);
  sketch.add_many(random_elements(count, 3).data(), count);
  for (auto _ : state) {
    state.PauseTiming();
    DifferenceSketch copy = sketch;
    state.ResumeTiming();
    DifferenceSketch::Answer answer = std::move(copy).peel();
    state.PauseTiming();
    require(answer.is_complete && answer.differences.size() == count, "it must peel");
    answer = {};
    state.ResumeTiming();
  }
}

BENCHMARK(bench_add);
BENCHMARK(bench_add_many)->Arg(16)->Arg(512);
BENCHMARK(bench_peel)->Arg(0)->Arg(static_cast<int>(max_elements))->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pgfanout

int main(int argc, char** argv) {
  pgfanout::verify();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
