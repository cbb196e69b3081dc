#include "copier/catalog/partition_bound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using Kind = PartitionBound::Kind;

BoundValue value(std::string text) {
  return {BoundValue::Kind::value, std::move(text)};
}

const BoundValue kNull = {BoundValue::Kind::null, ""};
const BoundValue kMinimum = {BoundValue::Kind::minimum, ""};
const BoundValue kMaximum = {BoundValue::Kind::maximum, ""};

// Texts as 14, 15 and 18 print them.

TEST(PartitionBoundTest, ReadsLists) {
  const auto mixed = parse_partition_bound("FOR VALUES IN (1, '-5', 1.50, 'NaN', true, NULL)");
  ASSERT_TRUE(mixed);
  EXPECT_EQ(mixed->kind, Kind::list);
  EXPECT_THAT(mixed->values, ElementsAre(value("1"), value("-5"), value("1.50"), value("NaN"),
                                         value("true"), kNull));
}

TEST(PartitionBoundTest, ReadsQuotedValuesAsTheyAre) {
  const auto texts = parse_partition_bound(
      "FOR VALUES IN ('', 'it''s', '''', 'a\\b', 'NULL', 'MAXVALUE', ', ', ')', 'a  ', B'101', "
      "'{NULL,3}', '[1,2)')");
  ASSERT_TRUE(texts);
  EXPECT_THAT(texts->values,
              ElementsAre(value(""), value("it's"), value("'"), value("a\\b"), value("NULL"),
                          value("MAXVALUE"), value(", "), value(")"), value("a  "), value("101"),
                          value("{NULL,3}"), value("[1,2)")));
}

TEST(PartitionBoundTest, ReadsRanges) {
  const auto times =
      parse_partition_bound("FOR VALUES FROM ('1800-01-01 00:00:00+00:53:28') TO ('infinity')");
  ASSERT_TRUE(times);
  EXPECT_EQ(times->kind, Kind::range);
  EXPECT_THAT(times->from, ElementsAre(value("1800-01-01 00:00:00+00:53:28")));
  EXPECT_THAT(times->to, ElementsAre(value("infinity")));

  const auto several =
      parse_partition_bound("FOR VALUES FROM (MINVALUE, MINVALUE) TO (1, MAXVALUE)");
  ASSERT_TRUE(several);
  EXPECT_THAT(several->from, ElementsAre(kMinimum, kMinimum));
  EXPECT_THAT(several->to, ElementsAre(value("1"), kMaximum));
}

TEST(PartitionBoundTest, ReadsHashAndDefault) {
  const auto hash = parse_partition_bound("FOR VALUES WITH (modulus 4, remainder 3)");
  ASSERT_TRUE(hash);
  EXPECT_EQ(hash->kind, Kind::hash);
  EXPECT_EQ(hash->modulus, 4U);
  EXPECT_EQ(hash->remainder, 3U);

  const auto rest = parse_partition_bound("DEFAULT");
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->kind, Kind::rest);
}

TEST(PartitionBoundTest, RefusesWhatNoServerPrints) {
  for (const char* bound : {
           "",
           "for values in (1)",
           "DEFAULT ",
           "FOR VALUES",
           "FOR VALUES IN ()",
           "FOR VALUES IN (1",
           "FOR VALUES IN (1,)",
           "FOR VALUES IN (1, )",
           "FOR VALUES IN (1) x",
           "FOR VALUES IN ('1)",
           "FOR VALUES IN ('1'')",
           "FOR VALUES IN ('1'::bigint)",
           "FOR VALUES IN (1::bigint)",
           "FOR VALUES FROM (1)",
           "FOR VALUES FROM (1) TO",
           "FOR VALUES FROM (1) TO ()",
           "FOR VALUES FROM (1) TO (2, 3)",
           "FOR VALUES WITH (modulus 4, remainder 4)",
           "FOR VALUES WITH (modulus 0, remainder 0)",
           "FOR VALUES WITH (modulus 4294967296, remainder 0)",
           "FOR VALUES WITH (modulus 4, remainder -1)",
           "FOR VALUES WITH (modulus 4)",
       }) {
    const auto parsed = parse_partition_bound(bound);
    ASSERT_FALSE(parsed) << bound;
    EXPECT_EQ(parsed.error().code, "bad-bound") << bound;
  }
}

}  // namespace
}  // namespace pgfanout
