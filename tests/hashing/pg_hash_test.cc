// PostgreSQL's hash functions against a server's answers, and against a naive twin for every length
// and alignment.
#include "hashing/pg_hash.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/hashing/naive_lookup3.h"
#include "tests/hashing/sql_hash.h"

namespace pgfanout {
namespace {

struct Vector {
  std::string function;
  std::string argument;
  std::string seed;
  std::int64_t result = 0;
};

std::vector<Vector> read_vectors() {
  std::ifstream file(std::string(PGFANOUT_SOURCE_DIR) + "/tests/golden/hash_vectors.tsv");
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream fields(line);
    Vector vector;
    std::string result;
    std::getline(fields, vector.function, '\t');
    std::getline(fields, vector.argument, '\t');
    std::getline(fields, vector.seed, '\t');
    std::getline(fields, result, '\t');
    vector.result = std::stoll(result);
    vectors.push_back(vector);
  }
  return vectors;
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::int16_t as_int2(const std::string& text) {
  return static_cast<std::int16_t>(std::stoi(text));
}

using Answer = std::function<std::int64_t(const std::string& argument, std::int64_t seed)>;

const std::map<std::string, Answer>& functions() {
  static const std::map<std::string, Answer> map = {
      {"hashtext", [](auto& a, auto) { return hashtext(as_bytes(from_hex(a))); }},
      {"hashtextextended",
       [](auto& a, auto s) { return hashtextextended(as_bytes(from_hex(a)), s); }},
      {"hashbpchar", [](auto& a, auto) { return hashbpchar(as_bytes(from_hex(a))); }},
      {"hashbpcharextended",
       [](auto& a, auto s) { return hashbpcharextended(as_bytes(from_hex(a)), s); }},
      {"uuid_hash", [](auto& a, auto) { return uuid_hash(as_bytes(from_hex(a))); }},
      {"uuid_hash_extended",
       [](auto& a, auto s) { return uuid_hash_extended(as_bytes(from_hex(a)), s); }},
      {"hashint2", [](auto& a, auto) { return hashint2(as_int2(a)); }},
      {"hashint2extended", [](auto& a, auto s) { return hashint2extended(as_int2(a), s); }},
      {"hashint4", [](auto& a, auto) { return hashint4(std::stoi(a)); }},
      {"hashint4extended", [](auto& a, auto s) { return hashint4extended(std::stoi(a), s); }},
      {"hashint8", [](auto& a, auto) { return hashint8(std::stoll(a)); }},
      {"hashint8extended", [](auto& a, auto s) { return hashint8extended(std::stoll(a), s); }},
  };
  return map;
}

std::string random_bytes(std::mt19937_64& random, std::size_t length) {
  std::string bytes(length, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST(PgHashTest, AgreesWithTheServersKnownAnswers) {
  const std::vector<Vector> vectors = read_vectors();
  ASSERT_GT(vectors.size(), 1500U);
  std::map<std::string, int> seen;
  for (const Vector& vector : vectors) {
    const auto function = functions().find(vector.function);
    ASSERT_NE(function, functions().end()) << vector.function;
    const std::int64_t seed = vector.seed == "-" ? 0 : std::stoll(vector.seed);
    EXPECT_EQ(function->second(vector.argument, seed), vector.result)
        << vector.function << "(" << vector.argument << ", " << vector.seed << ")";
    ++seen[vector.function];
  }
  EXPECT_EQ(seen.size(), functions().size()) << "a function has no known answers";
}

TEST(PgHashTest, AgreesWithTheNaiveTwinForEveryLengthAndAlignment) {
  std::mt19937_64 random(1);
  for (std::size_t length = 0; length <= 100; ++length) {
    for (std::size_t shift = 0; shift < 8; ++shift) {
      // The vector ends with the value, so that a sanitizer sees any read behind it.
      const std::string bytes = random_bytes(random, shift + length);
      const std::vector<char> buffer(bytes.begin(), bytes.end());
      const std::string_view value(buffer.data() + shift, length);
      const std::uint64_t seed = shift == 0 ? 0 : random();
      EXPECT_EQ(hash_bytes_extended(as_bytes(value), seed), naive::lookup3(value, seed))
          << "length " << length << ", shift " << shift;
      EXPECT_EQ(hash_bytes(as_bytes(value)), static_cast<std::uint32_t>(naive::lookup3(value, 0)));
    }
  }
}

TEST(PgHashTest, AgreesWithTheNaiveTwinOnWords) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 1000; ++i) {
    const auto value = static_cast<std::uint32_t>(random());
    const std::uint64_t seed = i % 3 == 0 ? 0 : random();
    const std::string_view bytes(reinterpret_cast<const char*>(&value), sizeof value);
    const std::int64_t number = static_cast<std::int32_t>(value);
    EXPECT_EQ(static_cast<std::uint32_t>(hashint8(number)),
              static_cast<std::uint32_t>(naive::lookup3(bytes, 0)));
    EXPECT_EQ(static_cast<std::uint64_t>(hashint8extended(number, static_cast<std::int64_t>(seed))),
              naive::lookup3(bytes, seed));
  }
}

TEST(PgHashTest, AnEmptyValueNeedsNoPointer) {
  EXPECT_EQ(hashtext({}), hashtext(as_bytes("")));
}

TEST(PgHashTest, SomeStringsHashToTheSmallestInteger) {
  for (const char* text : {"c1606105947x", "c6920574805x", "l7ba1ah7", "fgcaxj4b"}) {
    EXPECT_EQ(hashtext(as_bytes(text)), std::numeric_limits<std::int32_t>::min()) << text;
  }
}

}  // namespace
}  // namespace pgfanout
