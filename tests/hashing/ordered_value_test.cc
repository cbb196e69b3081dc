#include "hashing/ordered_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/hashing/key_rows.h"

namespace pgfanout {
namespace {

std::string microseconds(std::int64_t days, std::int64_t seconds, std::int64_t rest = 0) {
  return binary_integer(days * 86'400'000'000 + seconds * 1'000'000 + rest, 8);
}

TEST(BinaryFormTest, CountsDaysFrom2000) {
  const auto date = [](const char* text) { return binary_form(KeyType::date, text); };
  EXPECT_EQ(date("2000-01-01"), binary_integer(0, 4));
  EXPECT_EQ(date("1999-12-31"), binary_integer(-1, 4));
  EXPECT_EQ(date("2000-03-01"), binary_integer(60, 4));
  EXPECT_EQ(date("0001-01-01"), binary_integer(-730'119, 4));
  EXPECT_EQ(date("0001-12-31 BC"), binary_integer(-730'120, 4));
  EXPECT_EQ(date("4713-01-01 BC"), binary_integer(-2'451'507, 4));
  EXPECT_EQ(date("5874897-12-31"), binary_integer(2'145'031'948, 4));
  EXPECT_EQ(date("infinity"), binary_integer(INT32_MAX, 4));
  EXPECT_EQ(date("-infinity"), binary_integer(INT32_MIN, 4));
}

TEST(BinaryFormTest, CountsMicrosecondsFrom2000) {
  const auto time = [](const char* text) { return binary_form(KeyType::timestamp, text); };
  EXPECT_EQ(time("2000-01-01 00:00:00"), microseconds(0, 0));
  EXPECT_EQ(time("2000-01-02 01:02:03"), microseconds(1, 3723));
  EXPECT_EQ(time("1999-12-31 23:59:59.5"), microseconds(0, -1, 500'000));
  EXPECT_EQ(time("2000-01-01 00:00:00.000001"), microseconds(0, 0, 1));
  EXPECT_EQ(time("0001-12-31 12:00:00 BC"), microseconds(-730'120, 43'200));
  EXPECT_EQ(time("-infinity"), binary_integer(INT64_MIN, 8));
}

TEST(BinaryFormTest, TakesTheZoneOff) {
  const auto time = [](const char* text) { return binary_form(KeyType::timestamptz, text); };
  EXPECT_EQ(time("2000-01-01 02:00:00+02"), microseconds(0, 0));
  EXPECT_EQ(time("2000-01-01 00:00:00-03:30"), microseconds(0, 12'600));
  EXPECT_EQ(time("2000-01-01 00:53:28+00:53:28"), microseconds(0, 0));
  EXPECT_EQ(time("2000-01-01 05:45:00.25+05:45"), microseconds(0, 0, 250'000));
  EXPECT_EQ(time("infinity"), binary_integer(INT64_MAX, 8));
}

TEST(BinaryFormTest, WritesNumericDigitsOfTenThousand) {
  const auto numeric = [](const char* text) { return binary_form(KeyType::numeric, text); };
  EXPECT_EQ(numeric("1.50"), binary_from_hex("0002"
                                             "0000"
                                             "0000"
                                             "0002"
                                             "0001"
                                             "1388"));
  EXPECT_EQ(numeric("-120000"), binary_from_hex("0002"
                                                "0001"
                                                "4000"
                                                "0000"
                                                "000c"
                                                "0000"));
  EXPECT_EQ(numeric("NaN"), binary_from_hex("0000"
                                            "0000"
                                            "c000"
                                            "0000"));
}

TEST(BinaryFormTest, RefusesWhatTheTypeCannotBe) {
  struct Case {
    KeyType type;
    const char* text;
  };
  for (const auto& [type, text] : std::vector<Case>{
           {KeyType::int2, "32768"},
           {KeyType::int4, "1.5"},
           {KeyType::int8, "9223372036854775808"},
           {KeyType::oid, "-1"},
           {KeyType::date, "2020-01"},
           {KeyType::date, "2020-13-01"},
           {KeyType::date, "2020-01-01 00:00:00"},
           {KeyType::date, "99999999999999999999-01-01"},
           {KeyType::timestamp, "2020-01-01"},
           {KeyType::timestamp, "2020-01-01 00:00:00+01"},
           {KeyType::timestamp, "9999999-01-01 00:00:00"},
           {KeyType::timestamptz, "2020-01-01 00:00:00"},
           {KeyType::boolean, "yes"},
           {KeyType::uuid, "550e8400"},
           {KeyType::uuid, "550e8400-e29b-41d4-a716-44665544000g"},
           {KeyType::bytea, "\\x0"},
           {KeyType::bytea, "abc"},
           {KeyType::numeric, ""},
           {KeyType::numeric, "1e5"},
           {KeyType::numeric, "-"},
           {KeyType::other, "1"},
       }) {
    EXPECT_FALSE(binary_form(type, text)) << text;
  }
}

/// Texts in ascending order: each is above all before it, and equal to itself only.
void expect_ascending(KeyType type, const std::vector<std::string>& texts) {
  std::deque<std::string> bytes;
  std::vector<OrderedValue> values;
  for (const std::string& text : texts) {
    const auto value = ordered_value(type, text, bytes);
    ASSERT_TRUE(value) << text;
    values.push_back(*value);
  }
  for (std::size_t left = 0; left < values.size(); ++left) {
    for (std::size_t right = 0; right < values.size(); ++right) {
      EXPECT_EQ(values[left] <=> values[right], left <=> right)
          << texts[left] << " and " << texts[right];
    }
  }
}

TEST(OrderedValueTest, HasTheOrderOfTheServer) {
  expect_ascending(KeyType::int8, {"-9223372036854775808", "-1", "0", "1", "9223372036854775807"});
  expect_ascending(KeyType::oid, {"0", "2147483647", "2147483648", "4294967295"});
  expect_ascending(KeyType::boolean, {"false", "true"});
  expect_ascending(KeyType::text, {"", "\x01", "A", "AA", "B", "a", "\x7f", "é", "日"});
  expect_ascending(KeyType::bytea, {"\\x", "\\x00", "\\x0000", "\\x7f", "\\x80", "\\xff"});
  expect_ascending(KeyType::date, {"-infinity", "0044-03-15 BC", "1999-12-31", "infinity"});
  expect_ascending(KeyType::numeric,
                   {"-Infinity", "-10000", "-9999.5", "-9999",     "-1.00000001", "-1", "-0.0002",
                    "-0.00002",  "0",      "0.00002", "0.0002",    "0.5",         "1",  "1.5",
                    "9999",      "10000",  "10000.5", "100000000", "Infinity",    "NaN"});
}

TEST(OrderedValueTest, IsEqualWhereTheServerSaysSo) {
  std::deque<std::string> bytes;
  const auto same = [&](KeyType type, const char* left, const char* right) {
    return *ordered_value(type, left, bytes) == *ordered_value(type, right, bytes);
  };
  EXPECT_TRUE(same(KeyType::numeric, "1.0", "1.00000"));
  EXPECT_TRUE(same(KeyType::numeric, "0", "0.000"));
  EXPECT_TRUE(same(KeyType::numeric, "-0", "0"));
  EXPECT_TRUE(same(KeyType::numeric, "10000", "0010000.00"));
  EXPECT_TRUE(same(KeyType::bpchar, "a", "a   "));
  EXPECT_TRUE(same(KeyType::bpchar, "", "  "));
  EXPECT_FALSE(same(KeyType::varchar, "a", "a "));
  EXPECT_TRUE(same(KeyType::timestamptz, "2000-01-01 01:00:00+01", "2000-01-01 00:00:00+00"));
}

TEST(OrderedValueTest, RefusesBytesOfAnotherLength) {
  OrderedValue value;
  const std::string bytes("\0\2\0\0\0\0\0\0\0\1", 10);
  const auto* at = reinterpret_cast<const std::uint8_t*>(bytes.data());
  EXPECT_FALSE(read_ordered(KeyType::int8, at, 4, value));
  EXPECT_FALSE(read_ordered(KeyType::date, at, 8, value));
  EXPECT_FALSE(read_ordered(KeyType::uuid, at, 8, value));
  EXPECT_FALSE(read_ordered(KeyType::numeric, at, 6, value));
  EXPECT_FALSE(read_ordered(KeyType::numeric, at, 8, value)) << "two digits, none there";
  EXPECT_FALSE(read_ordered(KeyType::other, at, 4, value));
}

}  // namespace
}  // namespace pgfanout
