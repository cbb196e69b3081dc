#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "copier/key/key_plan.h"
#include "copier/layout/by_columns.h"

namespace pgfanout {
namespace {

/// public.t (a int, at timestamptz), partitioned by RANGE (at); its leaves are in this order.
Table range_table(const std::vector<std::string>& bounds, const std::string& column = "at") {
  Table table;
  table.kind = 'p';
  table.strategy = 'r';
  table.qualified = "public.t";
  for (const auto& [name, oid] : {std::pair("a", 23U), std::pair("at", 1184U)}) {
    Column& each = table.columns.emplace_back();
    each.name = each.quoted = name;
    each.type_oid = each.base_type_oid = oid;
  }
  table.partition_columns = {column};
  table.partition_key = "RANGE (" + column + ")";
  for (const std::string& bound : bounds) {
    Leaf& leaf = table.leaves.emplace_back();
    leaf.place = static_cast<std::uint32_t>(table.leaves.size() - 1);
    leaf.bound = bound;
  }
  return table;
}

LayoutPointer layout_of(const Table& table, const std::string& key_text) {
  const auto key = KeyExpression::compile(key_text, key_columns_of(table));
  if (!key) return nullptr;
  auto layout = range_layout().layout_of(table.leaves, *key);
  return layout ? *layout : nullptr;
}

TEST(RangeTest, TheKeyHasEachBoundOnce) {
  const Table table =
      range_table({"FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00:00+00')",
                   "FOR VALUES FROM ('2020-01-01 00:00:00+00') TO "
                   "('2020-02-01 00:00:00+00')",
                   "FOR VALUES FROM ('2020-03-01 00:00:00+00') TO (MAXVALUE)", "DEFAULT"});
  const auto key = range_layout().key_of(table);
  ASSERT_TRUE(key);
  EXPECT_EQ(*key,
            "range_partition(\"at\", MINVALUE, '2020-01-01 00:00:00+00', '2020-02-01 00:00:00+00',"
            " '2020-03-01 00:00:00+00', MAXVALUE)");
  const LayoutPointer layout = layout_of(table, *key);
  ASSERT_NE(layout, nullptr);
  const std::vector<std::int64_t> keys = {PartitionKey::kNone, 0, 1, 2, 3, 4, 5};
  const std::vector<KeyState> states(keys.size(), KeyState::ok);
  std::vector<std::uint32_t> leaves(keys.size());
  layout->route({keys, states}, leaves);
  EXPECT_THAT(leaves, ::testing::ElementsAre(3, 3, 0, 1, 3, 2, 3));
}

TEST(RangeTest, BoundsInAnotherTimeZoneAreTheSame) {
  const std::string key =
      "range_partition(\"at\", '2020-01-01 00:00:00+00', '2020-02-01 00:00:00+00')";
  EXPECT_NE(layout_of(range_table({"FOR VALUES FROM ('2020-01-01 01:00:00+01') TO ('2020-02-01 "
                                   "01:00:00+01')"}),
                      key),
            nullptr);
  const Table other =
      range_table({"FOR VALUES FROM ('2020-01-01 00:00:00+01') TO ('2020-02-01 00:00:00+01')"});
  const auto compiled = KeyExpression::compile(key, key_columns_of(other));
  ASSERT_TRUE(compiled);
  const auto layout = range_layout().layout_of(other.leaves, *compiled);
  ASSERT_FALSE(layout);
  EXPECT_EQ(layout.error().code, "bound-differs");
}

TEST(RangeTest, RefusesBoundsOfOtherStrategies) {
  const auto key = range_layout().key_of(range_table({"FOR VALUES IN ('1')"}));
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, "not-range");
}

std::vector<std::string> names(const std::vector<std::string>& bounds) {
  const Table table = range_table(bounds);
  const LayoutPointer layout = layout_of(table, *range_layout().key_of(table));
  std::vector<std::string> all;
  for (std::uint32_t leaf = 0; leaf < layout->leaf_count(); ++leaf) {
    all.push_back(layout->leaf_name("t", leaf, {}));
  }
  return all;
}

TEST(RangeTest, NamesTellTheLowerBound) {
  EXPECT_THAT(names({"FOR VALUES FROM ('2020-01-01 00:00:00+01') TO ('2020-02-01 00:00:00+01')",
                     "DEFAULT"}),
              ::testing::ElementsAre("t_p20200101", "t_default"));
  EXPECT_THAT(names({"FOR VALUES FROM ('2020-01-01 00:00:00+01') TO ('2020-01-01 06:00:00+01')",
                     "FOR VALUES FROM ('2020-01-01 06:00:00+01') TO ('2020-01-01 12:00:00+01')"}),
              ::testing::ElementsAre("t_p20200101_000000", "t_p20200101_060000"));
  // The hour that is there twice, and bounds that are no times.
  EXPECT_THAT(names({"FOR VALUES FROM ('2020-10-25 02:00:00+02') TO ('2020-10-25 02:00:00+01')",
                     "FOR VALUES FROM ('2020-10-25 02:00:00+01') TO ('2020-10-25 03:00:00+01')"}),
              ::testing::ElementsAre("t_p0", "t_p1"));
  EXPECT_THAT(names({"FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00:00+01')"}),
              ::testing::ElementsAre("t_p0"));
}

}  // namespace
}  // namespace pgfanout
