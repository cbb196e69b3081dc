#include "copier/key/key_probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/hashing/key_rows.h"

namespace pgfanout {
namespace {

constexpr KeyType kTypes[] = {
    KeyType::int2,   KeyType::int4, KeyType::int8,      KeyType::text,        KeyType::varchar,
    KeyType::bpchar, KeyType::uuid, KeyType::bytea,     KeyType::boolean,     KeyType::name,
    KeyType::oid,    KeyType::date, KeyType::timestamp, KeyType::timestamptz, KeyType::numeric};

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

TEST(KeyProbeTest, TimesAreWrittenAsTheCalendarHasThem) {
  const auto date = [](std::int32_t days) {
    return probe_text(KeyType::date, binary_integer(days, 4));
  };
  EXPECT_EQ(date(0), "2000-01-01");
  EXPECT_EQ(date(59), "2000-02-29");
  EXPECT_EQ(date(-36465), "1900-03-01");
  EXPECT_EQ(date(-730119), "0001-01-01");
  EXPECT_EQ(date(-730120), "0001-12-31 BC");
  EXPECT_EQ(date(-2451545), "4714-11-24 BC");
  EXPECT_EQ(date(2145031948), "5874897-12-31");
  EXPECT_EQ(date(INT32_MIN), "-infinity");
  EXPECT_EQ(date(INT32_MAX), "infinity");
  EXPECT_EQ(probe_text(KeyType::timestamp, binary_integer(-1, 8)), "1999-12-31 23:59:59.999999");
  EXPECT_EQ(probe_text(KeyType::timestamptz, binary_integer(-211813488000000000, 8)),
            "4714-11-24 00:00:00.000000+00 BC");
  EXPECT_EQ(probe_text(KeyType::timestamp, binary_integer(INT64_MAX, 8)), "infinity");
}

TEST(KeyProbeTest, NumbersAreWrittenWithTheirScale) {
  const auto numeric = [](const char* hex) {
    return probe_text(KeyType::numeric, binary_from_hex(hex));
  };
  EXPECT_EQ(numeric("0000000000000003"), "00000.000");
  EXPECT_EQ(numeric("00010000400000020001"), "-00001.00");
  EXPECT_EQ(numeric("00010001000000000001"), "000010000");
  EXPECT_EQ(numeric("0001ffff000000040001"), "0.0001");
  EXPECT_EQ(numeric("0004000200000003000109291a8504e2"), "0000123456789.125");
  EXPECT_EQ(numeric("00000000c0000000"), "NaN");
  EXPECT_EQ(numeric("00000000f0000020"), "-Infinity");
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
