#include "copier/key/key_probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace pgfanout {
namespace {

constexpr KeyType kTypes[] = {KeyType::int2, KeyType::int4,    KeyType::int8,
                              KeyType::text, KeyType::varchar, KeyType::bpchar,
                              KeyType::uuid, KeyType::bytea,   KeyType::boolean};

bool has(const std::vector<ProbeValue>& values, const std::string& wanted) {
  return std::find(values.begin(), values.end(), ProbeValue(wanted)) != values.end();
}

TEST(KeyProbeTest, EveryTypeIsTriedWithNull) {
  for (const KeyType type : kTypes) {
    const auto values = adversarial_values(type, "UTF8");
    EXPECT_GE(values.size(), 3U);
    EXPECT_NE(std::find(values.begin(), values.end(), ProbeValue()), values.end());
  }
}

TEST(KeyProbeTest, TextHasEveryLengthAndTheSmallestHashes) {
  const auto values = adversarial_values(KeyType::text, "UTF8");
  std::set<std::size_t> lengths;
  for (const ProbeValue& value : values) {
    if (value) lengths.insert(value->size());
  }
  for (std::size_t length = 0; length <= 40; ++length) EXPECT_TRUE(lengths.contains(length));
  for (const char* smallest : {"c1606105947x", "c6920574805x", "l7ba1ah7", "fgcaxj4b"}) {
    EXPECT_TRUE(has(values, smallest)) << smallest;
  }
}

TEST(KeyProbeTest, OnlyBytesThatTheEncodingHas) {
  EXPECT_TRUE(has(adversarial_values(KeyType::text, "UTF8"), "\xc3\xa9"));
  EXPECT_FALSE(has(adversarial_values(KeyType::text, "UTF8"), "\xe9"));
  EXPECT_TRUE(has(adversarial_values(KeyType::text, "LATIN1"), "\xe9"));
  for (const ProbeValue& value : adversarial_values(KeyType::text, "EUC_JP")) {
    if (!value) continue;
    for (const char byte : *value) EXPECT_GE(byte, 0);
  }
}

TEST(KeyProbeTest, RowsTryEveryValueOfEveryColumn) {
  std::mt19937_64 random(1);
  const std::vector<KeyType> types = {KeyType::text, KeyType::int8};
  const auto rows = adversarial_rows(types, "UTF8", random);
  for (std::size_t column = 0; column < types.size(); ++column) {
    for (const ProbeValue& value : adversarial_values(types[column], "UTF8")) {
      EXPECT_TRUE(std::any_of(rows.begin(), rows.end(),
                              [&](const ProbeRow& row) { return row[column] == value; }));
    }
  }
}

TEST(KeyProbeTest, LiteralsAreWhatTheTypeReads) {
  EXPECT_EQ(probe_literal(KeyType::int2, std::string("\x80\x00", 2)), "E'-32768'::int2");
  EXPECT_EQ(probe_literal(KeyType::int8, std::string(8, '\xff')), "E'-1'::int8");
  EXPECT_EQ(probe_literal(KeyType::uuid, std::string(16, '\x0f')),
            "E'0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f'::uuid");
  EXPECT_EQ(probe_literal(KeyType::bytea, std::string("\0\xff", 2)), "E'\\\\x00ff'::bytea");
  EXPECT_EQ(probe_literal(KeyType::boolean, std::string(1, '\1')), "E't'::bool");
  EXPECT_EQ(probe_literal(KeyType::text, std::nullopt), "NULL::text");
  EXPECT_EQ(probe_literal(KeyType::text, "it's \\ \xc3\xa4"), "E'it''s \\\\ \\xc3\\xa4'::text");
}

TEST(KeyProbeTest, RandomValuesRepeatWithTheirSeed) {
  for (const KeyType type : kTypes) {
    std::mt19937_64 one(7);
    std::mt19937_64 other(7);
    for (int at = 0; at < 20; ++at) EXPECT_EQ(random_value(type, one), random_value(type, other));
  }
}

}  // namespace
}  // namespace pgfanout
