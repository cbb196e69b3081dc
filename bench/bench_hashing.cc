// The kernels over a row's bytes: PostgreSQL's hash functions, key expressions, row digests and
// hashes, and the difference sketch.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/require.h"
#include "hashing/difference_sketch.h"
#include "hashing/key_expression.h"
#include "hashing/pg_hash.h"
#include "hashing/row_digest.h"
#include "hashing/row_hash.h"

namespace pgfanout {
namespace {

void set_processed(benchmark::State& state, std::size_t items, std::size_t item_bytes = 0) {
  const std::int64_t all = state.iterations() * static_cast<std::int64_t>(items);
  state.SetItemsProcessed(all);
  if (item_bytes > 0) state.SetBytesProcessed(all * static_cast<std::int64_t>(item_bytes));
}

std::vector<std::uint8_t> random_bytes(std::size_t count) {
  std::mt19937_64 random(count);
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

// Hash functions of PostgreSQL, by length of the value.

constexpr std::size_t kValues = 1024;

void verify_hashes() {
  // Of PostgreSQL 15.20: SELECT hashtext(...). More are in tests/golden/hash_vectors.tsv.
  const std::pair<const char*, std::int32_t> known[] = {
      {"", -1477818771},
      {"a", 1075015857},
      {"abcdefghijk", -1483803693},
      {"abcdefghijkl", -1586087212},
      {"550e8400-e29b-41d4-a716-446655440000", 428265705},
      {"c1606105947x", -2147483647 - 1},
      {"the quick brown fox jumps over the lazy dog", 146440145},
  };
  for (const auto& [text, hash] : known) {
    require(hashtext(as_bytes(text)) == hash, "hashtext differs from the server's");
    require(static_cast<std::int32_t>(hashtextextended(as_bytes(text), 0)) == hash,
            "hashtextextended differs from the server's");
  }
}

/// Values stand one behind the other, so that their alignment varies as it does in a COPY stream.
template <class Hash>
void run_hash(benchmark::State& state, Hash hash) {
  verify_hashes();
  const auto length = static_cast<std::size_t>(state.range(0));
  const std::vector<std::uint8_t> bytes = random_bytes(kValues * length);
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kValues; ++i) {
      sum += static_cast<std::uint64_t>(hash(ByteView(bytes.data() + i * length, length)));
    }
    benchmark::DoNotOptimize(sum);
  }
  set_processed(state, kValues, length);
}

void bench_hashtext(benchmark::State& state) {
  run_hash(state, hashtext);
}

void bench_hashtextextended(benchmark::State& state) {
  run_hash(state, [](ByteView value) { return hashtextextended(value, 1234567); });
}

void bench_hashint8(benchmark::State& state) {
  verify_hashes();
  std::mt19937_64 random(8);
  std::vector<std::int64_t> values(kValues);
  for (std::int64_t& value : values) value = static_cast<std::int64_t>(random());
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (const std::int64_t value : values) sum += static_cast<std::uint64_t>(hashint8(value));
    benchmark::DoNotOptimize(sum);
  }
  set_processed(state, kValues, sizeof values[0]);
}

BENCHMARK(bench_hashtext)->Arg(4)->Arg(8)->Arg(16)->Arg(36)->Arg(100)->Arg(1000)->Arg(100000);
BENCHMARK(bench_hashtextextended)->Arg(16)->Arg(36)->Arg(1000);
BENCHMARK(bench_hashint8);

// Key expressions. Every key is compared with the same computation, row by row, written by hand.

constexpr std::size_t kRows = 4096;

/// One column, all values of the same length.
struct Column {
  std::vector<std::uint8_t> bytes;
  std::vector<FieldRef> fields;
};

Column random_column(std::size_t length, bool as_letters) {
  std::mt19937_64 random(length);
  Column column;
  for (std::size_t row = 0; row < kRows; ++row) {
    // Eleven other bytes between the fields, as in a row of several columns.
    column.bytes.resize(column.bytes.size() + 11);
    column.fields.push_back(
        {static_cast<std::uint32_t>(column.bytes.size()), static_cast<std::int32_t>(length)});
    for (std::size_t i = 0; i < length; ++i) {
      const std::uint64_t drawn = random();
      column.bytes.push_back(static_cast<std::uint8_t>(as_letters ? 'a' + drawn % 26 : drawn));
    }
  }
  return column;
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

std::int64_t integer_of(ByteView value) {
  std::uint64_t bits = 0;
  for (const std::uint8_t byte : value) bits = bits << 8 | byte;
  return static_cast<std::int64_t>(bits);
}

std::int64_t leaf_of(std::int64_t hash) {
  return (hash < 0 ? -hash : hash) % 100;
}

void run_key(benchmark::State& state, const std::string& sql, KeyType type, const Column& column,
             const std::function<std::int64_t(ByteView value)>& reference) {
  const std::vector<KeyColumn> columns = {{"k", type, "a type"}};
  const auto expression = KeyExpression::compile(sql, columns);
  require(expression.has_value(), "the expression does not compile");
  require(!expression->is_by_server(), "the key has no kernel");
  KeyScratch scratch;
  std::vector<std::int64_t> keys(kRows);
  std::vector<KeyState> states(kRows);
  const auto evaluate = [&] {
    expression->evaluate(column.bytes.data(), column.fields, kRows, scratch, keys, states);
  };
  evaluate();
  const auto length = static_cast<std::size_t>(column.fields[0].length);
  for (std::size_t row = 0; row < kRows; ++row) {
    const ByteView value = ByteView(column.bytes).subspan(column.fields[row].offset, length);
    require(states[row] == KeyState::ok && keys[row] == reference(value),
            "a key differs from the reference");
  }
  for (auto _ : state) {
    evaluate();
    benchmark::DoNotOptimize(keys.data());
    benchmark::ClobberMemory();
  }
  set_processed(state, kRows, length);
}

void bench_uuid_text_hash(benchmark::State& state) {
  run_key(state, "abs(hashtext(k::text)) % 100", KeyType::uuid, random_column(16, false),
          [](ByteView value) { return leaf_of(hashtext(as_bytes(uuid_text(value)))); });
}

void bench_text_hash(benchmark::State& state) {
  run_key(state, "abs(hashtext(k)) % 100", KeyType::text,
          random_column(static_cast<std::size_t>(state.range(0)), true),
          [](ByteView value) { return leaf_of(hashtext(value)); });
}

void bench_uuid_hash(benchmark::State& state) {
  run_key(state, "abs(uuid_hash(k)) % 100", KeyType::uuid, random_column(16, false),
          [](ByteView value) { return leaf_of(hashtext(value)); });
}

void bench_int8_arithmetic(benchmark::State& state) {
  run_key(state, "abs(k % 100)", KeyType::int8, random_column(8, false), [](ByteView value) {
    const std::int64_t rest = integer_of(value) % 100;
    return rest < 0 ? -rest : rest;
  });
}

void bench_concatenation(benchmark::State& state) {
  run_key(state, "abs(hashtext(k || '/' || k)) % 100", KeyType::text, random_column(20, true),
          [](ByteView value) {
            const std::string text(as_text(value));
            return leaf_of(hashtext(as_bytes(text + "/" + text)));
          });
}

// Keys of layouts by columns, of 100 leaves.

/// Of one column: what hash_combine64() adds to the hash with the partition seed.
std::int64_t remainder_of(std::int64_t hash) {
  return static_cast<std::int64_t>((static_cast<std::uint64_t>(hash) + 0x49a0f4dd15e5a8e3U) % 100);
}

constexpr std::int64_t kPartitionSeed = 0x7A5B22367996DCFD;

void bench_hash_of_int8(benchmark::State& state) {
  run_key(state, "hash_partition(100, \"k\")", KeyType::int8, random_column(8, false),
          [](ByteView value) {
            return remainder_of(hashint8extended(integer_of(value), kPartitionSeed));
          });
}

void bench_hash_of_bytes(benchmark::State& state, KeyType type, std::size_t length) {
  run_key(state, "hash_partition(100, \"k\")", type, random_column(length, true),
          [](ByteView value) { return remainder_of(hashtextextended(value, kPartitionSeed)); });
}

/// 99 bounds, a day apart, over days drawn from 100.
void bench_range_of_timestamp(benchmark::State& state) {
  constexpr std::int64_t day = 86'400'000'000;
  std::string key = "range_partition(\"k\"";
  for (int bound = 1; bound < 100; ++bound) {
    char text[32];
    std::snprintf(text, sizeof text, ", '2000-%02d-%02d 00:00:00'", 1 + bound / 28, 1 + bound % 28);
    key += text;
  }
  std::vector<std::int64_t> bounds;
  constexpr int days_before_month[] = {0, 31, 60, 91};
  for (int bound = 1; bound < 100; ++bound) {
    bounds.push_back((days_before_month[bound / 28] + bound % 28) * day);
  }
  Column column = random_column(8, false);
  for (const FieldRef& field : column.fields) {
    std::uint64_t value =
        static_cast<std::uint64_t>(integer_of(ByteView(column.bytes).subspan(field.offset, 8))) %
        static_cast<std::uint64_t>(120 * day);
    for (std::size_t byte = 8; byte > 0; --byte, value >>= 8) {
      column.bytes[field.offset + byte - 1] = static_cast<std::uint8_t>(value);
    }
  }
  run_key(state, key + ")", KeyType::timestamp, column, [&](ByteView value) {
    const std::int64_t at = integer_of(value);
    std::int64_t slot = 0;
    for (const std::int64_t bound : bounds) slot += bound <= at ? 1 : 0;
    return slot;
  });
}

/// 26 values of one letter.
void bench_list_of_text(benchmark::State& state) {
  std::string key = "list_partition(\"k\"";
  for (char letter = 'a'; letter <= 'z'; ++letter) key += std::string(", '") + letter + "'";
  run_key(state, key + ")", KeyType::text, random_column(1, true),
          [](ByteView value) { return std::int64_t{value[0]} - 'a'; });
}

BENCHMARK(bench_hash_of_int8);
BENCHMARK_CAPTURE(bench_hash_of_bytes, uuid, KeyType::uuid, 16);
BENCHMARK_CAPTURE(bench_hash_of_bytes, text, KeyType::text, 36);
BENCHMARK(bench_range_of_timestamp);
BENCHMARK(bench_list_of_text);
BENCHMARK(bench_uuid_text_hash);
BENCHMARK(bench_text_hash)->Arg(10)->Arg(36)->Arg(100);
BENCHMARK(bench_uuid_hash);
BENCHMARK(bench_int8_arithmetic);
BENCHMARK(bench_concatenation);

// Row digests, by length of the row.

void verify_digests() {
  MultisetDigest empty_row;
  empty_row.add(row_digest({}));
  // XXH3_128bits() of no bytes, from xxHash's own test vectors.
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
  verify_digests();
  constexpr std::size_t rows = 512;
  const auto length = static_cast<std::size_t>(state.range(0));
  const std::vector<std::uint8_t> bytes = random_bytes(rows * length);
  MultisetDigest sum;
  for (auto _ : state) {
    for (std::size_t i = 0; i < rows; ++i) {
      sum.add(row_digest(ByteView(bytes.data() + i * length, length)));
    }
  }
  benchmark::DoNotOptimize(sum);
  set_processed(state, rows, length);
}

void bench_merge(benchmark::State& state) {
  verify_digests();
  MultisetDigest part;
  part.add(row_digest(as_bytes("row")));
  MultisetDigest sum;
  for (auto _ : state) {
    sum.merge(part);
    benchmark::DoNotOptimize(sum);
  }
  set_processed(state, 1);
}

BENCHMARK(bench_row_digest)->Arg(20)->Arg(100)->Arg(200)->Arg(600)->Arg(2000)->Arg(20000);
BENCHMARK(bench_merge);

// Row hashes, of rows with the columns of the demo's table, by length of the text.

void append_field(std::vector<std::uint8_t>& row, ByteView value) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    row.push_back(static_cast<std::uint8_t>(value.size() >> shift));
  }
  row.insert(row.end(), value.begin(), value.end());
}

void verify_row_hashes() {
  // Of PostgreSQL 15.20: SELECT hashint4extended(0, hash_record_extended(ROW('a'), 0)).
  std::vector<std::uint8_t> row;
  append_field(row, as_bytes("a"));
  const HashForm form = HashForm::bytes;
  require(row_hash({&form, 1}, row) == 2365941913067651810U, "a row's hash is another");
}

void bench_row_hash(benchmark::State& state) {
  verify_row_hashes();
  const auto text = static_cast<std::size_t>(state.range(0));
  std::vector<HashForm> forms;
  std::vector<std::uint8_t> row;
  const auto add = [&](HashForm form, std::size_t length) {
    forms.push_back(form);
    append_field(row, random_bytes(length));
  };
  for (int uuid = 0; uuid < 3; ++uuid) add(HashForm::bytes, 16);
  for (int number = 0; number < 4; ++number) add(HashForm::integer, 4);
  for (int time = 0; time < 2; ++time) add(HashForm::bytes, 8);
  add(HashForm::bytes, 32);
  add(HashForm::versioned, 70);
  add(HashForm::bytes, text);
  std::uint64_t sum = 0;
  for (auto _ : state) {
    sum += row_hash(forms, row);
    benchmark::DoNotOptimize(sum);
  }
  set_processed(state, 1, row.size());
}

BENCHMARK(bench_row_hash)->Arg(0)->Arg(300)->Arg(1000)->Arg(10000);

// The difference sketch: cost of a row, and of peeling.

/// An identity of 24 bytes and a digest; a changed row is two elements.
constexpr std::size_t kWords = 10;
constexpr std::size_t kMostElements = 20'000;
constexpr std::size_t kSketchRows = 100'000;

std::vector<std::uint32_t> random_elements(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> words(count * kWords);
  for (std::uint32_t& word : words) word = static_cast<std::uint32_t>(random());
  return words;
}

void verify_sketch() {
  constexpr std::size_t rows = 1000;
  const std::vector<std::uint32_t> elements = random_elements(rows, 1);
  DifferenceSketch sketch(kWords, kMostElements);
  for (std::size_t i = 0; i < rows; ++i) sketch.add_many(elements.data() + i * kWords, 1);
  sketch.subtract_many(elements.data(), rows - 1);
  const std::uint32_t* const left = elements.data() + (rows - 1) * kWords;
  const DifferenceSketch::Answer answer = std::move(sketch).peel();
  require(answer.is_complete && answer.differences.size() == 1, "one element must be left");
  require(answer.differences[0].count == 1, "it is left once");
  require(answer.differences[0].element == std::vector(left, left + kWords),
          "another element is left");
}

void bench_add_many(benchmark::State& state) {
  verify_sketch();
  const auto batch = static_cast<std::size_t>(state.range(0));
  const std::vector<std::uint32_t> elements = random_elements(kSketchRows, 2);
  DifferenceSketch sketch(kWords, kMostElements);
  for (auto _ : state) {
    for (std::size_t i = 0; i + batch <= kSketchRows; i += batch) {
      sketch.add_many(elements.data() + i * kWords, batch);
    }
  }
  benchmark::DoNotOptimize(sketch);
  set_processed(state, kSketchRows / batch * batch);
}

void bench_peel(benchmark::State& state) {
  verify_sketch();
  const auto count = static_cast<std::size_t>(state.range(0));
  DifferenceSketch sketch(kWords, kMostElements);
  sketch.add_many(random_elements(count, 3).data(), count);
  for (auto _ : state) {
    state.PauseTiming();
    DifferenceSketch copy = sketch;
    state.ResumeTiming();
    DifferenceSketch::Answer answer = std::move(copy).peel();
    state.PauseTiming();
    require(answer.is_complete && answer.differences.size() == count, "the sketch must peel");
    answer = {};
    state.ResumeTiming();
  }
}

BENCHMARK(bench_add_many)->Arg(1)->Arg(16)->Arg(512);
BENCHMARK(bench_peel)->Arg(0)->Arg(static_cast<int>(kMostElements))->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pgfanout

BENCHMARK_MAIN();
