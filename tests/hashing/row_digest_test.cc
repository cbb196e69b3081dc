// Row digests against stored values, and the algebra of multiset digests.
#include "hashing/row_digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace pgfanout {
namespace {

constexpr std::uint64_t all_ones = std::numeric_limits<std::uint64_t>::max();

std::vector<RowDigest> random_digests(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<RowDigest> digests(count);
  for (RowDigest& digest : digests) digest = {random(), random()};
  return digests;
}

MultisetDigest digest_of(const std::vector<RowDigest>& rows) {
  MultisetDigest set;
  for (const RowDigest& row : rows) set.add(row);
  return set;
}

std::string hex_of(RowDigest digest) {
  MultisetDigest set;
  set.add(digest);
  return set.hex();
}

// XXH128_canonicalFromHash() of XXH3_128bits() by the shared library of xxHash 0.8.1 over the
// letters a to z again and again: one length for each of the algorithm's branches.
TEST(RowDigestTest, KnownAnswers) {
  const std::pair<std::size_t, std::string> answers[] = {
      {0, "99aa06d3014798d86001c324468d497f"},    {1, "a96faf705af16834e6c632b61e964e1f"},
      {3, "06b05ab6733a618578af5f94892f3950"},    {4, "8d6b60383dfa90c21be79eecd1b1353d"},
      {8, "dac23237af37353342b702b313880f12"},    {9, "b43ff5bc5ff2e0adc0646b2d7986db98"},
      {16, "1f58fc809b1b8c4b3e8e153ff12f6330"},   {17, "11078c38a5ca3a8dc3acc9940596efab"},
      {128, "a87f157ac617df254c5499b1fc6dae1e"},  {129, "8ebb4a9854af5bc41ac468f67a442b6a"},
      {240, "ee81fc0343b09d3079750202eaee16bc"},  {241, "4c1a7e587365bd1ebb0a906af5b5c211"},
      {1000, "b68384db4f7b6231e153425558d7da5d"}, {5000, "0acf3f2690e48fadeb0f5845c1ec4cc2"},
  };
  for (const auto& [length, hex] : answers) {
    std::string bytes(length, '\0');
    for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<char>('a' + i % 26);
    EXPECT_EQ(hex_of(row_digest(as_bytes(bytes))), hex) << length << " bytes";
  }
}

TEST(RowDigestTest, DependsOnEveryByteAndTheLength) {
  std::string row(300, 'x');
  const RowDigest original = row_digest(as_bytes(row));
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] ^= 1;
    EXPECT_NE(row_digest(as_bytes(row)), original) << "byte " << i;
    row[i] ^= 1;
  }
  EXPECT_EQ(row_digest(as_bytes(row)), original);
  EXPECT_NE(row_digest(as_bytes(row + '\0')), original);
}

TEST(MultisetDigestTest, IsEmptyAtFirst) {
  const MultisetDigest empty;
  EXPECT_EQ(empty.rows(), 0U);
  EXPECT_EQ(empty.hex(), std::string(32, '0'));
}

TEST(MultisetDigestTest, PrintsTheHighWordFirst) {
  EXPECT_EQ(hex_of({0x0123456789abcdefU, 0xfedcba9876543210U}), "fedcba98765432100123456789abcdef");
}

TEST(MultisetDigestTest, DoesNotDependOnOrder) {
  std::vector<RowDigest> rows = random_digests(200, 4);
  const MultisetDigest before = digest_of(rows);
  std::shuffle(rows.begin(), rows.end(), std::mt19937_64(5));
  EXPECT_EQ(digest_of(rows), before);
}

TEST(MultisetDigestTest, CountsDuplicates) {
  const std::vector<RowDigest> one = random_digests(1, 6);
  const MultisetDigest once = digest_of(one);
  const MultisetDigest twice = digest_of({one[0], one[0]});
  const MultisetDigest thrice = digest_of({one[0], one[0], one[0]});
  EXPECT_NE(once, twice);
  EXPECT_NE(once.hex(), thrice.hex());
  EXPECT_NE(twice, MultisetDigest{});
  EXPECT_EQ(thrice.rows(), 3U);
}

TEST(MultisetDigestTest, TheRowCountIsPartOfIt) {
  // A row whose digest is zero changes the count only.
  EXPECT_NE(digest_of({RowDigest{}}), MultisetDigest{});
}

TEST(MultisetDigestTest, CarriesFromTheLowWordIntoTheHighOne) {
  EXPECT_EQ(digest_of({{all_ones, 0}, {1, 0}}).hex(), "00000000000000010000000000000000");
  EXPECT_EQ(digest_of({{all_ones, all_ones}, {1, 0}}).hex(), std::string(32, '0'));
}

TEST(MultisetDigestTest, MergingPartsGivesTheWhole) {
  const std::vector<RowDigest> rows = random_digests(301, 7);
  MultisetDigest whole;
  for (std::size_t part = 0; part < 3; ++part) {
    MultisetDigest piece;
    for (std::size_t i = part; i < rows.size(); i += 3) piece.add(rows[i]);
    whole.merge(piece);
  }
  EXPECT_EQ(whole, digest_of(rows));
}

TEST(MultisetDigestTest, SubtractUndoesMerge) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const MultisetDigest base = digest_of(random_digests(20, 2 * seed));
    const MultisetDigest more = digest_of(random_digests(13, 2 * seed + 1));
    MultisetDigest sum = base;
    sum.merge(more);
    EXPECT_NE(sum, base);
    sum.subtract(more);
    EXPECT_EQ(sum, base);
    EXPECT_EQ(sum.rows(), 20U);
  }
}

TEST(MultisetDigestTest, SubtractBorrowsFromTheHighWord) {
  MultisetDigest set = digest_of({{0, 1}});
  set.subtract(digest_of({{1, 0}}));
  EXPECT_EQ(set.hex(), "0000000000000000ffffffffffffffff");
}

TEST(MultisetDigest, IsReadBackFromItsText) {
  MultisetDigest digest;
  for (std::uint64_t at = 1; at < 50; ++at) digest.add({at * 0x9e3779b97f4a7c15U, ~at});
  const auto parsed = MultisetDigest::parse(digest.rows(), digest.hex());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(*parsed, digest);
  for (const std::string& text : {std::string(), digest.hex() + "0", digest.hex().substr(1) + "g",
                                  "+" + digest.hex().substr(1), std::string(32, ' ')}) {
    EXPECT_FALSE(MultisetDigest::parse(1, text).has_value()) << text;
  }
}

TEST(RowDigestTest, PiecesHaveTheDigestOfTheWhole) {
  std::string bytes;
  for (int at = 0; at < 2000; ++at) bytes += static_cast<char>('a' + at % 26);
  RowDigester digester;
  std::size_t done = 0;
  for (const std::size_t piece : std::vector<std::size_t>{0, 1, 7, 240, 900, 852}) {
    digester.add(as_bytes(bytes).subspan(done, piece));
    done += piece;
    EXPECT_EQ(digester.digest(), row_digest(as_bytes(bytes).first(done))) << done;
  }
}

}  // namespace
}  // namespace pgfanout
