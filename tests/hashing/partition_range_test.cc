#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/hashing/partition_rows.h"

namespace pgfanout {
namespace {

using testing::bound_value;
using ::testing::ElementsAre;
using testing::keys_of;
using testing::kMaximum;
using testing::kMinimum;

PartitionKey range_key(std::vector<std::vector<BoundValue>> bounds) {
  PartitionKey key;
  key.strategy = PartitionKey::Strategy::range;
  key.bounds = std::move(bounds);
  return key;
}

std::vector<std::int64_t> slots(KeyType type, const std::vector<std::string>& bounds,
                                const std::vector<KeyValue>& values) {
  std::vector<std::vector<BoundValue>> all;
  for (const std::string& bound : bounds) all.push_back({bound_value(bound)});
  const std::vector<KeyType> types = {type};
  const auto kernel = make_range_kernel(range_key(std::move(all)), types);
  if (kernel == nullptr) return {};
  std::vector<std::vector<KeyValue>> rows;
  for (const KeyValue& value : values) rows.push_back({value});
  return keys_of(*kernel, types, rows);
}

TEST(PartitionRangeTest, CountsBoundsThatAreNotAboveTheRow) {
  EXPECT_THAT(slots(KeyType::int4, {"-5", "0", "10"},
                    {"-2147483648", "-6", "-5", "-1", "0", "9", "10", "2147483647"}),
              ElementsAre(0, 0, 1, 1, 2, 2, 3, 3));
}

TEST(PartitionRangeTest, ComparesEachTypeInItsOwnOrder) {
  EXPECT_THAT(slots(KeyType::oid, {"2147483648"}, {"2147483647", "2147483648", "4294967295"}),
              ElementsAre(0, 1, 1));
  EXPECT_THAT(slots(KeyType::date, {"2020-01-01", "2020-02-01"},
                    {"-infinity", "2019-12-31", "2020-01-01", "2020-01-31", "infinity"}),
              ElementsAre(0, 0, 1, 1, 2));
  EXPECT_THAT(
      slots(KeyType::timestamptz, {"2020-03-29 01:00:00+01", "2020-03-29 03:00:00+02"},
            {"2020-03-28 23:59:59.999999+00", "2020-03-29 00:00:00+00", "2020-03-29 01:00:00+00"}),
      ElementsAre(0, 1, 2));
  EXPECT_THAT(slots(KeyType::text, {"B", "a"}, {"", "A", "B", "BB", "Z", "a", "\xc3\xa9"}),
              ElementsAre(0, 0, 1, 1, 1, 2, 2));
  EXPECT_THAT(slots(KeyType::bytea, {"\\x00", "\\x80"}, {"\\x", "\\x00", "\\x7fff", "\\xff"}),
              ElementsAre(0, 1, 1, 2));
  EXPECT_THAT(slots(KeyType::numeric, {"-1.5", "1.50"}, {"-1.51", "-1.5", "1.5", "NaN"}),
              ElementsAre(0, 1, 2, 2));
  EXPECT_THAT(
      slots(KeyType::uuid, {"80000000-0000-0000-0000-000000000000"},
            {"7fffffff-ffff-ffff-ffff-ffffffffffff", "80000000-0000-0000-0000-000000000000"}),
      ElementsAre(0, 1));
}

TEST(PartitionRangeTest, NullIsInNoRange) {
  EXPECT_THAT(slots(KeyType::int8, {"0"}, {std::nullopt, "1"}),
              ElementsAre(PartitionKey::kNone, 1));
  EXPECT_THAT(slots(KeyType::text, {"a"}, {std::nullopt, "b"}),
              ElementsAre(PartitionKey::kNone, 1));
}

TEST(PartitionRangeTest, MinvalueIsBelowAndMaxvalueAboveEveryRow) {
  for (const KeyType type : {KeyType::int4, KeyType::text}) {
    const std::vector<KeyType> types = {type};
    const auto kernel =
        make_range_kernel(range_key({{kMinimum}, {bound_value("5")}, {kMaximum}}), types);
    ASSERT_NE(kernel, nullptr);
    EXPECT_THAT(keys_of(*kernel, types, {{"4"}, {"5"}, {"6"}}), ElementsAre(1, 2, 2));
  }
}

TEST(PartitionRangeTest, LeavesOtherTypesAndTextsToTheServer) {
  const auto has_kernel = [](std::vector<KeyType> types, std::vector<BoundValue> bound) {
    return make_range_kernel(range_key({std::move(bound)}), types) != nullptr;
  };
  EXPECT_TRUE(has_kernel({KeyType::int4}, {bound_value("1")}));
  EXPECT_FALSE(has_kernel({KeyType::other}, {bound_value("1")}));
  EXPECT_FALSE(has_kernel({KeyType::int4, KeyType::other}, {bound_value("1"), kMinimum}));
  EXPECT_FALSE(has_kernel({KeyType::date}, {bound_value("01.02.2020")}));
}

TEST(PartitionRangeTest, NamesRowsWhoseBytesAreNotOfTheType) {
  for (const std::vector<KeyType>& types :
       {std::vector{KeyType::int4}, std::vector{KeyType::int4, KeyType::int4}}) {
    const std::vector<BoundValue> bound(types.size(), bound_value("1"));
    const auto kernel = make_range_kernel(range_key({bound}), types);
    KeyRows batch;
    for (std::size_t column = 0; column < types.size(); ++column) batch.add_field("12345");
    std::array<std::int64_t, 1> keys{};
    std::array<KeyState, 1> states{};
    kernel->evaluate(batch.base(), batch.fields(), 1, keys, states);
    EXPECT_EQ(states[0], KeyState::malformed);
  }
}

// --- several columns, against a twin that compares one bound after the other

/// A bound's or a row's part: -1 is MINVALUE, 9 is MAXVALUE.
using Parts = std::array<int, 3>;

bool is_above(const Parts& bound, const Parts& row) {
  for (std::size_t column = 0; column < row.size(); ++column) {
    if (bound[column] == -1) return false;
    if (bound[column] == 9) return true;
    if (bound[column] != row[column]) return bound[column] > row[column];
  }
  return false;
}

std::int64_t naive_slot(const std::vector<Parts>& bounds, const Parts& row) {
  std::int64_t slot = 0;
  for (const Parts& bound : bounds) slot += is_above(bound, row) ? 0 : 1;
  return slot;
}

BoundValue part_value(int part) {
  if (part == -1) return kMinimum;
  return part == 9 ? kMaximum : bound_value(std::to_string(part));
}

TEST(PartitionRangeTest, AgreesWithItsTwinOnSeveralColumns) {
  const std::vector<Parts> all = {{-1, -1, -1}, {0, -1, -1}, {0, 0, 1}, {0, 1, -1},
                                  {0, 1, 0},    {0, 1, 9},   {0, 9, 9}, {1, -1, -1},
                                  {1, 1, 1},    {1, 2, 9},   {2, 0, 0}, {9, 9, 9}};
  const std::vector<KeyType> types = {KeyType::int4, KeyType::text, KeyType::numeric};
  std::vector<Parts> rows;
  std::vector<std::vector<KeyValue>> values;
  for (int number = 0; number < 27; ++number) {
    const Parts row = {number / 9, number / 3 % 3, number % 3};
    rows.push_back(row);
    values.push_back({std::to_string(row[0]), std::to_string(row[1]), std::to_string(row[2])});
  }
  // Every subset of the bounds.
  for (unsigned subset = 1; subset < 1U << all.size(); ++subset) {
    std::vector<Parts> bounds;
    std::vector<std::vector<BoundValue>> key_bounds;
    for (std::size_t bound = 0; bound < all.size(); ++bound) {
      if ((subset >> bound & 1U) == 0) continue;
      bounds.push_back(all[bound]);
      auto& parts = key_bounds.emplace_back();
      for (const int part : all[bound]) parts.push_back(part_value(part));
    }
    const auto kernel = make_range_kernel(range_key(std::move(key_bounds)), types);
    const std::vector<std::int64_t> keys = keys_of(*kernel, types, values);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      ASSERT_EQ(keys[row], naive_slot(bounds, rows[row])) << "bounds " << subset << ", row " << row;
    }
  }
}

TEST(PartitionRangeTest, ANullInAnyColumnIsInNoRange) {
  const std::vector<KeyType> types = {KeyType::int4, KeyType::text};
  const auto kernel = make_range_kernel(range_key({{kMinimum, kMinimum}}), types);
  EXPECT_THAT(keys_of(*kernel, types, {{"1", "a"}, {std::nullopt, "a"}, {"1", std::nullopt}}),
              ElementsAre(1, PartitionKey::kNone, PartitionKey::kNone));
}

}  // namespace
}  // namespace pgfanout
