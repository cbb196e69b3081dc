#include "hashing/partition_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hashing/key_expression.h"

namespace pgfanout {
namespace {

using Kind = BoundValue::Kind;
using Strategy = PartitionKey::Strategy;

PartitionKey two_columns() {
  return {
      Strategy::range,
      {"a", "odd \"name\""},
      0,
      {{{Kind::value, "1"}, {Kind::minimum, ""}}, {{Kind::value, "it's"}, {Kind::maximum, ""}}}};
}

TEST(PartitionKeyTest, TextAndKeyAreTheSame) {
  const std::pair<PartitionKey, const char*> forms[] = {
      {{Strategy::hash, {"a", "b"}, 64, {}}, R"(hash_partition(64, "a", "b"))"},
      {{Strategy::range, {"a"}, 0, {{{Kind::value, "1"}}, {{Kind::value, "5"}}}},
       R"(range_partition("a", '1', '5'))"},
      {two_columns(),
       R"(range_partition(("a", "odd ""name"""), ('1', MINVALUE), ('it''s', MAXVALUE)))"},
      {{Strategy::list, {"a"}, 0, {{{Kind::value, ""}}, {{Kind::null, ""}}}},
       R"(list_partition("a", '', NULL))"},
  };
  for (const auto& [key, text] : forms) {
    EXPECT_EQ(text_of(key), text);
    const auto parsed = parse_partition_key(text);
    ASSERT_TRUE(parsed && *parsed) << text;
    EXPECT_EQ(**parsed, key) << text;
  }
}

TEST(PartitionKeyTest, OtherTextIsNone) {
  for (const char* text : {"", "abs(hashtext(a)) % 100", "partition_key"}) {
    const auto parsed = parse_partition_key(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_FALSE(*parsed) << text;
  }
}

TEST(PartitionKeyTest, HalfAKeyIsRefused) {
  for (const char* text : {"hash_partition", "hash_partition(0, \"a\")", "hash_partition(64)",
                           "hash_partition(64, \"a\"", "hash_partition(64, \"a\") ",
                           "range_partition(\"a\", 'x)", "range_partition((\"a\", \"b\"), '1')",
                           "list_partition('a')", "list_partition(\"a\", 7)"}) {
    const auto parsed = parse_partition_key(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, "key-expression") << text;
  }
}

/// Where a type has no kernel, the key is a field that the server has computed.
TEST(PartitionKeyTest, TheServersKeyIsReadFromItsField) {
  const KeyColumn columns[] = {{"a", KeyType::other, "inet"}};
  const auto key = KeyExpression::compile("list_partition(\"a\", '10.0.0.1', NULL)", columns);
  ASSERT_TRUE(key);
  EXPECT_TRUE(key->is_by_server());
  EXPECT_THAT(key->used_columns(), ::testing::ElementsAre(0U));
  EXPECT_EQ(key->qualified_sql({}),
            "(COALESCE(pg_catalog.array_position(ARRAY['10.0.0.1', NULL]::inet[], \"a\"), 0) - "
            "1)::pg_catalog.int8");
  const std::uint8_t bytes[] = {0, 0, 0, 0, 0, 0, 0, 7, 1, 2};
  const FieldRef fields[] = {{0, 8}, {0, -1}, {8, 2}};
  std::vector<std::int64_t> keys(3);
  std::vector<KeyState> states(3);
  KeyScratch scratch;
  key->evaluate(bytes, fields, 3, scratch, keys, states);
  EXPECT_THAT(states,
              ::testing::ElementsAre(KeyState::ok, KeyState::malformed, KeyState::malformed));
  EXPECT_EQ(keys[0], 7);
}

TEST(PartitionKeyTest, AColumnThatIsMissingIsNamed) {
  const KeyColumn columns[] = {{"a", KeyType::int4, "integer"}};
  const auto key = KeyExpression::compile("hash_partition(4, \"b\")", columns);
  ASSERT_FALSE(key);
  EXPECT_THAT(key.error().message, ::testing::HasSubstr("\"b\""));
}

}  // namespace
}  // namespace pgfanout
