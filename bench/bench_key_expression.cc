// How fast keys are computed, by expression. Before an expression is timed, every key is compared
// with what the same computation gives row by row, written out by hand.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "hashing/key_expression.h"
#include "hashing/pg_hash.h"

namespace pgfanout {
namespace {

constexpr std::size_t row_count = 4096;

/// One column of `type`, all values of the same length.
struct Batch {
  std::vector<std::uint8_t> bytes;
  std::vector<FieldRef> fields;

  [[nodiscard]] ByteView value(std::size_t row) const {
    return ByteView(bytes).subspan(fields[row].offset,
                                   static_cast<std::size_t>(fields[row].length));
  }
};

Batch random_batch(std::size_t length, bool as_letters) {
  std::mt19937_64 random(length);
  Batch batch;
  for (std::size_t row = 0; row < row_count; ++row) {
    // Eleven bytes of something else between the fields, as in a row of several columns.
    batch.bytes.resize(batch.bytes.size() + 11);
    batch.fields.push_back(
        {static_cast<std::uint32_t>(batch.bytes.size()), static_cast<std::int32_t>(length)});
    for (std::size_t i = 0; i < length; ++i) {
      const std::uint64_t drawn = random();
      batch.bytes.push_back(static_cast<std::uint8_t>(as_letters ? 'a' + drawn % 26 : drawn));
    }
  }
  return batch;
}

std::string uuid_text(ByteView uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", unsigned{uuid[i]});
    text += digits;
  }
  return text;
}

std::int64_t leaf_of(std::int64_t hash) {
  return (hash < 0 ? -hash : hash) % 100;
}

using Reference = std::function<std::int64_t(ByteView value)>;

void run(benchmark::State& state, const std::string& sql, KeyType type, const Batch& batch,
         const Reference& reference) {
  const std::vector<KeyColumn> columns = {{"k", type, "a type"}};
  const auto expression = KeyExpression::compile(sql, columns);
  if (!expression) return state.SkipWithError(expression.error().message.c_str());
  KeyScratch scratch;
  std::vector<std::int64_t> keys(row_count);
  std::vector<KeyState> states(row_count);
  const auto evaluate = [&] {
    expression->evaluate(batch.bytes.data(), batch.fields, row_count, scratch, keys, states);
  };
  evaluate();
  for (std::size_t row = 0; row < row_count; ++row) {
    if (states[row] != KeyState::ok || keys[row] != reference(batch.value(row))) {
      return state.SkipWithError("a key differs from the reference");
    }
  }
  for (auto _ : state) {
    evaluate();
    benchmark::DoNotOptimize(keys.data());
    benchmark::ClobberMemory();
  }
  const auto rows = state.iterations() * static_cast<std::int64_t>(row_count);
  state.SetItemsProcessed(rows);
  state.SetBytesProcessed(rows * batch.fields[0].length);
}

void bench_uuid_text_hash(benchmark::State& state) {
  run(state, "abs(hashtext(k::text)) % 100", KeyType::uuid, random_batch(16, false),
      [](ByteView value) { return leaf_of(hashtext(as_bytes(uuid_text(value)))); });
}

void bench_text_hash(benchmark::State& state) {
  run(state, "abs(hashtext(k)) % 100", KeyType::text,
      random_batch(static_cast<std::size_t>(state.range(0)), true),
      [](ByteView value) { return leaf_of(hashtext(value)); });
}

void bench_uuid_hash(benchmark::State& state) {
  run(state, "abs(uuid_hash(k)) % 100", KeyType::uuid, random_batch(16, false),
      [](ByteView value) { return leaf_of(uuid_hash(value)); });
}

void bench_int8_arithmetic(benchmark::State& state) {
  run(state, "abs(k % 100)", KeyType::int8, random_batch(8, false), [](ByteView value) {
    std::uint64_t bits = 0;
    for (const std::uint8_t byte : value) bits = bits << 8 | byte;
    const std::int64_t rest = static_cast<std::int64_t>(bits) % 100;
    return rest < 0 ? -rest : rest;
  });
}

void bench_concatenation(benchmark::State& state) {
  run(state, "abs(hashtext(k || '/' || k)) % 100", KeyType::text, random_batch(20, true),
      [](ByteView value) {
        const std::string text(as_text(value));
        return leaf_of(hashtext(as_bytes(text + "/" + text)));
      });
}

BENCHMARK(bench_uuid_text_hash);
BENCHMARK(bench_text_hash)->Arg(10)->Arg(36)->Arg(100);
BENCHMARK(bench_uuid_hash);
BENCHMARK(bench_int8_arithmetic);
BENCHMARK(bench_concatenation);

}  // namespace
}  // namespace pgfanout

BENCHMARK_MAIN();
