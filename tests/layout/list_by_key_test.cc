#include "copier/layout/list_by_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/layout/list_layout.h"

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::LeafKeys;
using testing::list_layout;

TEST(ListBoundTest, ReadsWhatServersPrint) {
  const auto plain = parse_list_bound("FOR VALUES IN (0)");
  ASSERT_TRUE(plain);
  EXPECT_THAT(plain->keys, ElementsAre(0));
  EXPECT_FALSE(plain->is_default);

  const auto mixed = parse_list_bound("FOR VALUES IN (3, '17', NULL, '-5', -6)");
  ASSERT_TRUE(mixed);
  EXPECT_THAT(mixed->keys, ElementsAre(3, 17, -5, -6));

  const auto wide =
      parse_list_bound("FOR VALUES IN ('9223372036854775807', '-9223372036854775808')");
  ASSERT_TRUE(wide);
  EXPECT_THAT(wide->keys, ElementsAre(INT64_MAX, INT64_MIN));

  const auto only_null = parse_list_bound("FOR VALUES IN (NULL)");
  ASSERT_TRUE(only_null);
  EXPECT_THAT(only_null->keys, IsEmpty());

  const auto rest = parse_list_bound("DEFAULT");
  ASSERT_TRUE(rest);
  EXPECT_TRUE(rest->is_default);
}

TEST(ListBoundTest, RefusesOtherStrategies) {
  for (const char* bound :
       {"FOR VALUES FROM (1) TO (5)", "FOR VALUES WITH (modulus 16, remainder 3)"}) {
    const auto parsed = parse_list_bound(bound);
    ASSERT_FALSE(parsed) << bound;
    EXPECT_EQ(parsed.error().code, "not-list") << bound;
  }
}

TEST(ListBoundTest, RefusesWhatIsNoInteger) {
  for (const char* bound :
       {"FOR VALUES IN ('a')", "FOR VALUES IN (1.5)", "FOR VALUES IN (true)", "FOR VALUES IN ('')",
        "FOR VALUES IN ('1 ')", "FOR VALUES IN (9223372036854775808)",
        "FOR VALUES IN ('2024-01-01')"}) {
    const auto parsed = parse_list_bound(bound);
    ASSERT_FALSE(parsed) << bound;
    EXPECT_EQ(parsed.error().code, "not-integer") << bound;
  }
}

TEST(ListByKeyTest, LeavesOfATableComeByTheirFirstKey) {
  Table table;
  table.strategy = 'l';
  table.partition_columns = {"k"};
  for (const char* bound : {"FOR VALUES IN (7, 3)", "DEFAULT", "FOR VALUES IN (0)"}) {
    table.leaves.emplace_back().bound = bound;
  }
  const LayoutKind& kind = layout_kind_of(table);
  const auto leaves = kind.leaves_in_order(table);
  ASSERT_TRUE(leaves);
  EXPECT_EQ((*leaves)[0].bound, "DEFAULT");
  EXPECT_EQ((*leaves)[1].bound, "FOR VALUES IN (0)");
  EXPECT_EQ((*leaves)[2].bound, "FOR VALUES IN (7, 3)");
  Column key;
  key.name = "k";
  EXPECT_TRUE(kind.is_by_key(table, &key));
  EXPECT_FALSE(kind.is_by_key(table, nullptr));
  key.name = "other";
  EXPECT_FALSE(kind.is_by_key(table, &key));
  table.partition_columns = {""};
  EXPECT_TRUE(kind.is_by_key(table, nullptr)) << "by an expression";
  table.strategy = 'h';
  EXPECT_FALSE(kind.is_by_key(table, nullptr));
}

/// The SQL of each key mode over two leaves.
TEST(ListByKeyTest, EachKeyModeHasItsSql) {
  const KeyColumn columns[] = {{"id", KeyType::int8, "bigint"}};
  const KeyExpression key = KeyExpression::compile("id % 2::int8", columns).value();
  Column column;
  column.name = column.quoted = "k";
  JobDescription job;
  job.partitions = 2;
  const auto made = [&](KeyMode mode) {
    job.key_mode = mode;
    return layout_kind_of(job).make({job, key, &column, "id % 2", {Column{}}});
  };
  const NewLayout checked = made(KeyMode::check);
  EXPECT_EQ(checked.ddl.partition_by, "LIST (k)");
  EXPECT_EQ(checked.ddl.row_check, "CONSTRAINT \"k_check\" CHECK (k IS NOT DISTINCT FROM id % 2)");
  ASSERT_EQ(checked.ddl.leaves.size(), 2U);
  EXPECT_EQ(checked.ddl.leaves[1].bound, "FOR VALUES IN (1)");
  EXPECT_EQ(checked.ddl.leaves[1].bound_check, "k IS NOT NULL AND k = '1'::bigint");
  EXPECT_THAT(checked.partition_columns, ElementsAre("k"));
  EXPECT_EQ(checked.layout->leaf_count(), 2U);
  EXPECT_THAT(made(KeyMode::none).ddl.row_check, IsEmpty());
  for (const KeyMode mode : {KeyMode::generated, KeyMode::expression}) {
    const NewLayout by_expression = made(mode);
    EXPECT_EQ(by_expression.ddl.partition_by, "LIST ((id % 2))");
    EXPECT_EQ(by_expression.ddl.leaves[0].bound_check,
              "(id % 2) IS NOT NULL AND (id % 2) = '0'::bigint");
    EXPECT_THAT(by_expression.partition_columns, IsEmpty());
  }
}

/// A key that is the key column itself: every value is right, so nothing checks it.
TEST(ListByKeyTest, NothingChecksAKeyThatIsItsOwnColumn) {
  JobDescription job;
  const LayoutKind& kind = layout_kind_of(job);
  const auto is_checked = [&](const char* key, const char* column) {
    job.key = key;
    job.key_column = column;
    EXPECT_EQ(kind.wrong_key_sql(job, "k").has_value(), kind.rules(job).checks_key) << key;
    EXPECT_TRUE(kind.rules(job).supplies_key && kind.rules(job).by_columns) << key;
    return kind.rules(job).checks_key;
  };
  EXPECT_FALSE(is_checked("region", "region"));
  EXPECT_FALSE(is_checked("Region", "region"));
  EXPECT_FALSE(is_checked("\"Re gion\"", "Re gion"));
  EXPECT_FALSE(is_checked("\"Re gion\"", "\"Re gion\""));
  EXPECT_FALSE(is_checked("partition_key", ""));
  EXPECT_TRUE(is_checked("region", "Region")) << "perhaps another column";
  EXPECT_TRUE(is_checked("region % 4", "region"));
  EXPECT_TRUE(is_checked("region", ""));
  EXPECT_TRUE(is_checked("", "region"));
  EXPECT_THAT(kind.note(job, "region"), ::testing::HasSubstr("must supply region"));
  job.key = "region";
  EXPECT_THAT(kind.note(job, "region"), ::testing::HasSubstr("need no change"));
  job.key_mode = KeyMode::expression;
  EXPECT_FALSE(kind.rules(job).supplies_key);
}

}  // namespace
}  // namespace pgfanout
