#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/hashing/partition_rows.h"

namespace pgfanout {
namespace {

using testing::bound_value;
using ::testing::ElementsAre;
using testing::keys_of;
using testing::kNullValue;

constexpr std::int64_t kNone = PartitionKey::kNone;

PartitionKey list_key(const std::vector<BoundValue>& values) {
  PartitionKey key;
  key.strategy = PartitionKey::Strategy::list;
  for (const BoundValue& value : values) key.bounds.push_back({value});
  return key;
}

std::vector<std::int64_t> places(KeyType type, const std::vector<BoundValue>& listed,
                                 const std::vector<KeyValue>& values) {
  const std::vector<KeyType> types = {type};
  const auto kernel = make_list_kernel(list_key(listed), types);
  if (kernel == nullptr) return {};
  std::vector<std::vector<KeyValue>> rows;
  for (const KeyValue& value : values) rows.push_back({value});
  return keys_of(*kernel, types, rows);
}

TEST(PartitionListTest, FindsTheListedPlaceAndNothingElse) {
  EXPECT_THAT(places(KeyType::text, {bound_value("us"), bound_value("eu"), bound_value("")},
                     {"eu", "us", "", "EU", "eu ", "e", "euu", std::nullopt}),
              ElementsAre(1, 0, 2, kNone, kNone, kNone, kNone, kNone));
  EXPECT_THAT(places(KeyType::int8, {bound_value("-5"), bound_value("9223372036854775807")},
                     {"-5", "5", "9223372036854775807", "9223372036854775806"}),
              ElementsAre(0, kNone, 1, kNone));
}

TEST(PartitionListTest, NullHasAPlaceWhereItIsListed) {
  EXPECT_THAT(places(KeyType::int4, {bound_value("1"), kNullValue, bound_value("0")},
                     {std::nullopt, "0", "1"}),
              ElementsAre(1, 2, 0));
  EXPECT_THAT(places(KeyType::text, {kNullValue}, {std::nullopt, ""}), ElementsAre(0, kNone));
}

TEST(PartitionListTest, EqualityIsThatOfTheType) {
  EXPECT_THAT(places(KeyType::bpchar, {bound_value("a  ")}, {"a", "a     ", " a", ""}),
              ElementsAre(0, 0, kNone, kNone));
  EXPECT_THAT(places(KeyType::numeric, {bound_value("1.0"), bound_value("NaN")},
                     {"1", "1.000", "1.0001", "NaN", "-1"}),
              ElementsAre(0, 0, kNone, 1, kNone));
  EXPECT_THAT(places(KeyType::boolean, {bound_value("true")}, {"t", "f"}), ElementsAre(0, kNone));
  EXPECT_THAT(places(KeyType::date, {bound_value("infinity"), bound_value("2020-02-29")},
                     {"2020-02-29", "2020-03-01", "infinity", "-infinity"}),
              ElementsAre(1, kNone, 0, kNone));
}

TEST(PartitionListTest, AgreesWithItsTwin) {
  std::vector<BoundValue> listed;
  for (int value = 0; value < 300; ++value) {
    listed.push_back(bound_value(std::to_string(value * 37 % 1000 - 500)));
  }
  std::vector<KeyValue> values;
  for (int value = -600; value < 600; ++value) values.emplace_back(std::to_string(value));
  for (const KeyType type : {KeyType::int2, KeyType::varchar, KeyType::numeric}) {
    const std::vector<std::int64_t> keys = places(type, listed, values);
    ASSERT_EQ(keys.size(), values.size());
    for (std::size_t at = 0; at < values.size(); ++at) {
      const auto found = std::ranges::find(listed, *values[at], &BoundValue::text);
      EXPECT_EQ(keys[at], found == listed.end() ? kNone : found - listed.begin()) << *values[at];
    }
  }
}

TEST(PartitionListTest, LeavesOtherTypesAndTextsToTheServer) {
  const auto has_kernel = [](std::vector<KeyType> types, const BoundValue& value) {
    return make_list_kernel(list_key({value}), types) != nullptr;
  };
  EXPECT_TRUE(has_kernel({KeyType::uuid}, kNullValue));
  EXPECT_FALSE(has_kernel({KeyType::other}, kNullValue));
  EXPECT_FALSE(has_kernel({KeyType::int4}, bound_value("one")));
}

TEST(PartitionListTest, NamesRowsWhoseBytesAreNotOfTheType) {
  const std::vector<KeyType> types = {KeyType::uuid};
  const auto kernel = make_list_kernel(list_key({kNullValue}), types);
  KeyRows batch;
  batch.add_field("12345");
  std::array<std::int64_t, 1> keys{};
  std::array<KeyState, 1> states{};
  kernel->evaluate(batch.base(), batch.fields(), 1, keys, states);
  EXPECT_EQ(states[0], KeyState::malformed);
}

}  // namespace
}  // namespace pgfanout
