// The kernel of HASH partitions against a server's answers and a naive twin, and its refusals.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "hashing/partition_key.h"
#include "tests/hashing/key_rows.h"
#include "tests/hashing/naive_lookup3.h"

namespace pgfanout {
namespace {

using Types = std::vector<KeyType>;
using Fields = std::vector<std::optional<std::string>>;

struct Answer {
  std::int64_t remainder = 0;
  KeyState state = KeyState::null;
};

std::vector<Answer> answers_of(const Types& types, std::uint32_t modulus,
                               const std::vector<Fields>& rows) {
  PartitionKey key;
  key.modulus = modulus;
  key.columns.resize(types.size());
  const auto kernel = make_hash_kernel(key, types);
  KeyRows batch;
  for (const Fields& row : rows) {
    for (const auto& field : row) batch.add_field(field);
  }
  std::vector<std::int64_t> keys(rows.size(), 7);
  std::vector<KeyState> states(rows.size(), KeyState::null);
  // The vector ends with the last value, so that a sanitizer sees any read behind it.
  kernel->evaluate(batch.base(), batch.fields(), rows.size(), keys, states);
  std::vector<Answer> answers;
  for (std::size_t row = 0; row < rows.size(); ++row) answers.push_back({keys[row], states[row]});
  return answers;
}

std::int64_t remainder_of(const Types& types, const Fields& row, std::uint32_t modulus = 1000) {
  const Answer answer = answers_of(types, modulus, {row}).front();
  EXPECT_EQ(answer.state, KeyState::ok);
  return answer.remainder;
}

TEST(PartitionHashKernelTest, AgreesWithTheServersKnownAnswers) {
  using enum KeyType;
  const auto hex = [](const char* digits) { return binary_from_hex(digits); };
  struct Known {
    Types types;
    Fields fields;
    std::int64_t remainder;
  };
  // The r of PostgreSQL 15.20 with satisfies_hash_partition(table, 1000, r, value); 14.23 and 18.4
  // give the same. Bytes as the type's send function has them.
  const std::vector<Known> all = {
      {{boolean}, {hex("00")}, 768},
      {{boolean}, {hex("01")}, 40},
      {{int2}, {hex("8000")}, 141},
      {{int4}, {hex("00000000")}, 768},
      {{int4}, {hex("ffffffff")}, 869},
      {{int4}, {hex("0000002a")}, 514},
      {{int8}, {hex("000000000000002a")}, 514},
      {{int8}, {hex("ffffffffffffffd6")}, 650},
      {{int8}, {hex("7fffffffffffffff")}, 606},
      {{int8}, {hex("0000000100000001")}, 768},
      {{oid}, {hex("ffffffff")}, 869},
      {{date}, {hex("00002553")}, 195},                 // 2026-02-28
      {{date}, {hex("80000000")}, 606},                 // -infinity
      {{timestamp}, {hex("0002eee0599a4608")}, 80},     // 2026-02-28 12:34:56.789
      {{timestamp}, {hex("7fffffffffffffff")}, 606},    // infinity
      {{timestamptz}, {hex("ffffffffffffffff")}, 869},  // 1999-12-31 23:59:59.999999+00
      {{uuid}, {hex("550e8400-e29b-41d4-a716-446655440000")}, 761},
      {{text}, {""}, 806},
      {{text}, {"a"}, 342},
      {{text}, {"größe"}, 465},
      {{varchar}, {"a"}, 342},
      {{bpchar}, {"a    "}, 342},
      {{name}, {"a"}, 342},
      {{bytea}, {hex("00ff")}, 593},
      {{numeric}, {hex("0000000000000000")}, 927},
      {{numeric}, {hex("0000000000000003")}, 927},                  // 0.000
      {{numeric}, {hex("00010000000000000001")}, 25},               // 1
      {{numeric}, {hex("00010000000000020001")}, 25},               // 1.00
      {{numeric}, {hex("00010000400000000001")}, 25},               // -1
      {{numeric}, {hex("00010001000000000001")}, 26},               // 10000
      {{numeric}, {hex("0001ffff000000040001")}, 100},              // 0.0001
      {{numeric}, {hex("0004000200000003000109291a8504e2")}, 309},  // 123456789.125
      {{numeric}, {hex("00000000c0000000")}, 928},                  // NaN
      {{numeric}, {hex("00000000d0000020")}, 928},                  // Infinity
      {{numeric}, {hex("00000000f0000020")}, 928},                  // -Infinity
      {{text, int4}, {"a", hex("00000007")}, 835},
      {{int4, text}, {hex("00000007"), "a"}, 391},
      {{text, int4}, {"a", {}}, 342},
      {{text, int4}, {{}, hex("00000007")}, 927},
      {{text, int4}, {{}, {}}, 0},
      {{uuid, int8, numeric},
       {hex("550e8400-e29b-41d4-a716-446655440000"), hex("fffffffffffffffb"),
        hex("000200000000000200030578")},
       839},
  };
  for (const Known& known : all) {
    EXPECT_EQ(remainder_of(known.types, known.fields), known.remainder)
        << "type " << static_cast<int>(known.types[0]);
  }
}

// --- The naive twin: over values, not bytes of COPY; byte by byte, and by long division.

constexpr std::uint64_t partition_seed = 0x7A5B22367996DCFD;

std::uint64_t naive_integer(std::int64_t value) {
  const auto low = static_cast<std::uint32_t>(value);
  const auto high = static_cast<std::uint32_t>(static_cast<std::uint64_t>(value) / 4294967296U);
  const std::uint32_t folded = value < 0 ? low ^ ~high : low ^ high;
  return naive::lookup3({reinterpret_cast<const char*>(&folded), sizeof folded}, partition_seed);
}

/// Of a number's decimal digits before and behind the point.
std::uint64_t naive_numeric(std::string before, std::string behind) {
  while (before.size() % 4 != 0) before.insert(0, "0");
  while (behind.size() % 4 != 0) behind += "0";
  std::int64_t weight = static_cast<std::int64_t>(before.size() / 4) - 1;
  std::string digits = before + behind;
  for (; digits.starts_with("0000"); --weight) digits.erase(0, 4);
  while (digits.ends_with("0000")) digits.erase(digits.size() - 4);
  if (digits.empty()) return partition_seed - 1;
  std::string memory;
  for (std::size_t at = 0; at < digits.size(); at += 4) {
    const int word = std::stoi(digits.substr(at, 4));
    memory += static_cast<char>(word % 256);
    memory += static_cast<char>(word / 256);
  }
  return naive::lookup3(memory, partition_seed) ^ static_cast<std::uint64_t>(weight);
}

std::uint64_t naive_combine(std::uint64_t sum, std::uint64_t hash) {
  sum ^= hash + 0x49a0f4dd15e5a8e3U + (sum << 54) + (sum >> 7);
  return sum;
}

/// As a server sends it: no word of zeros at either end, weight 0 of zero.
std::string numeric_bytes(std::string before, std::string behind, bool negative) {
  const std::size_t scale = behind.size();
  while (before.size() % 4 != 0) before.insert(0, "0");
  while (behind.size() % 4 != 0) behind += "0";
  std::string digits = before + behind;
  std::int64_t weight = static_cast<std::int64_t>(before.size() / 4) - 1;
  for (; digits.starts_with("0000"); --weight) digits.erase(0, 4);
  while (digits.ends_with("0000")) digits.erase(digits.size() - 4);
  if (digits.empty()) weight = 0;
  std::string bytes = binary_integer(static_cast<std::int64_t>(digits.size() / 4), 2) +
                      binary_integer(weight, 2) + binary_integer(negative ? 0x4000 : 0, 2) +
                      binary_integer(static_cast<std::int64_t>(scale), 2);
  for (std::size_t at = 0; at < digits.size(); at += 4) {
    bytes += binary_integer(std::stoi(digits.substr(at, 4)), 2);
  }
  return bytes;
}

std::string random_digits(std::mt19937_64& random, std::size_t most) {
  std::string digits(random() % most, '0');
  for (char& digit : digits) {
    // Zeros are frequent, so that whole words of them are.
    if (random() % 3 != 0) digit = static_cast<char>('0' + random() % 10);
  }
  return digits;
}

/// A value of `type`, and its hash.
std::pair<std::string, std::uint64_t> random_field(KeyType type, std::mt19937_64& random) {
  if (type == KeyType::int2 || type == KeyType::int8) {
    const auto value = static_cast<std::int64_t>(random()) >> (random() % 64);
    const auto narrow = static_cast<std::int16_t>(value);
    return type == KeyType::int8 ? std::pair(binary_integer(value, 8), naive_integer(value))
                                 : std::pair(binary_integer(narrow, 2), naive_integer(narrow));
  }
  if (type == KeyType::numeric) {
    const std::string before = random_digits(random, 40);
    const std::string behind = random_digits(random, 40);
    return {numeric_bytes(before, behind, random() % 2 == 0), naive_numeric(before, behind)};
  }
  std::string text(type == KeyType::uuid ? 16 : random() % 70, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  if (type == KeyType::bpchar) {
    text.append("x");
    return {text + std::string(random() % 5, ' '), naive::lookup3(text, partition_seed)};
  }
  return {text, naive::lookup3(text, partition_seed)};
}

TEST(PartitionHashKernelTest, AgreesWithTheNaiveTwin) {
  std::mt19937_64 random(3);
  const Types kinds = {KeyType::int2, KeyType::int8,   KeyType::text,
                       KeyType::uuid, KeyType::bpchar, KeyType::numeric};
  for (int batch = 0; batch < 100; ++batch) {
    Types types(1 + random() % 4);
    for (KeyType& type : types) type = kinds[random() % kinds.size()];
    const auto modulus = static_cast<std::uint32_t>(1 + random() % 1000);
    std::vector<Fields> rows(30);
    std::vector<std::int64_t> expected;
    for (Fields& row : rows) {
      std::uint64_t sum = 0;
      for (const KeyType type : types) {
        row.emplace_back();
        if (random() % 6 == 0) continue;
        auto [field, hash] = random_field(type, random);
        row.back() = std::move(field);
        sum = naive_combine(sum, hash);
      }
      expected.push_back(static_cast<std::int64_t>(sum % modulus));
    }
    const std::vector<Answer> answers = answers_of(types, modulus, rows);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      EXPECT_EQ(answers[row].remainder, expected[row]) << "batch " << batch << ", row " << row;
      EXPECT_EQ(answers[row].state, KeyState::ok);
    }
  }
}

TEST(PartitionHashKernelTest, EqualNumbersHaveOneRemainderHoweverTheyAreWritten) {
  const auto of = [](const char* hex) {
    return remainder_of({KeyType::numeric}, {binary_from_hex(hex)});
  };
  // 1 with words of zeros before and behind it, which a stored value has not.
  EXPECT_EQ(of("00010000000000000001"), of("000300010000000400000001"
                                           "0000"));
  EXPECT_EQ(of("0000000000000000"), of("00020005000000000000"
                                       "0000"));
}

TEST(PartitionHashKernelTest, AFieldOfAnotherLengthIsMalformedAndItsNeighboursAreNot) {
  using enum KeyType;
  const std::pair<KeyType, std::string> wrong[] = {
      {int2, "abc"},
      {int4, "abc"},
      {int8, "abcdefg"},
      {boolean, ""},
      {oid, "abcde"},
      {date, "abcdefgh"},
      {timestamp, "abcd"},
      {timestamptz, ""},
      {uuid, "0123456789abcde"},
      {numeric, std::string("\0\0\0\0\0\0\0", 7)},
      {numeric, std::string("\0\1\0\0\0\0\0\0", 8)},
      {numeric, std::string("\0\1\0\0\0\0\0\0\0\1\0", 11)},
  };
  for (const auto& [type, bytes] : wrong) {
    const auto answers = answers_of({text, type}, 10, {{"a", {}}, {"a", bytes}, {"a", {}}});
    EXPECT_EQ(answers[0].state, KeyState::ok);
    EXPECT_EQ(answers[1].state, KeyState::malformed) << static_cast<int>(type);
    EXPECT_EQ(answers[2].state, KeyState::ok);
    EXPECT_EQ(answers[2].remainder, answers[0].remainder);
  }
}

TEST(PartitionHashKernelTest, NoRowsNeedNoBytes) {
  EXPECT_TRUE(answers_of({KeyType::int4, KeyType::text}, 10, {}).empty());
}

TEST(PartitionHashKernelTest, TheServerComputesWhatHasNoKernel) {
  PartitionKey key;
  key.modulus = 10;
  EXPECT_EQ(make_hash_kernel(key, Types{KeyType::other}), nullptr);
  EXPECT_EQ(make_hash_kernel(key, Types{KeyType::int4, KeyType::other}), nullptr);
}

}  // namespace
}  // namespace pgfanout
