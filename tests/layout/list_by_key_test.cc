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

TEST(ListByKeyTest, FindsEveryKeyAndNothingElse) {
  const auto layout =
      list_layout(LeafKeys{{0, 2}, {1, 65535, 65536, INT64_MAX}, {-1, INT64_MIN}, {}});
  EXPECT_EQ(layout->leaf_count(), 4U);
  EXPECT_EQ(layout->leaf_of(0), 0U);
  EXPECT_EQ(layout->leaf_of(1), 1U);
  EXPECT_EQ(layout->leaf_of(2), 0U);
  EXPECT_EQ(layout->leaf_of(65535), 1U);
  EXPECT_EQ(layout->leaf_of(65536), 1U);
  EXPECT_EQ(layout->leaf_of(INT64_MAX), 1U);
  EXPECT_EQ(layout->leaf_of(-1), 2U);
  EXPECT_EQ(layout->leaf_of(INT64_MIN), 2U);
  for (const std::int64_t key : {3LL, 65534LL, 65537LL, -2LL, 100000LL}) {
    EXPECT_EQ(layout->leaf_of(key), Layout::kNoLeaf) << key;
  }
  EXPECT_EQ(layout->leaf_key(1), 1);
  EXPECT_EQ(layout->leaf_key(3), std::nullopt);
  EXPECT_THAT(layout->missing_leaves(5), ElementsAre("3", "4"));
}

TEST(ListByKeyTest, WithoutLeavesNoKeyHasOne) {
  const auto layout = list_layout(0);
  for (const std::int64_t key : {0LL, -1LL, 99LL}) EXPECT_EQ(layout->leaf_of(key), Layout::kNoLeaf);
}

TEST(ListByKeyTest, RoutesABatchAndSaysWhyARowHasNoLeaf) {
  const auto layout = list_layout(2);
  const std::vector<std::int64_t> keys = {1, 0, 7, 0, 0, 0, 0};
  const std::vector<KeyState> states = {KeyState::ok,           KeyState::ok,
                                        KeyState::ok,           KeyState::null,
                                        KeyState::out_of_range, KeyState::division_by_zero,
                                        KeyState::malformed};
  const LayoutRows rows{keys, states};
  std::vector<std::uint32_t> leaves(keys.size());
  layout->route(rows, leaves);
  EXPECT_THAT(leaves, ElementsAre(1, 0, Layout::kNoLeaf, Layout::kNoLeaf, Layout::kNoLeaf,
                                  Layout::kNoLeaf, Layout::kNoLeaf));
  const std::vector<std::string> codes = {"key-no-leaf", "key-null", "key-overflow",
                                          "key-division-by-zero", "key-malformed"};
  for (std::size_t at = 0; at < codes.size(); ++at) {
    EXPECT_EQ(layout->why_no_leaf(rows, at + 2).first, codes[at]);
  }
  EXPECT_EQ(layout->why_no_leaf(rows, 2).second,
            "a row has key 7, for which the target has no leaf");
}

TEST(ListByKeyTest, LeavesTakeTheFinalTablesNameAndOthersKeepTheirs) {
  const auto renames =
      leaf_renames(*list_layout(3), {"t_new_p0", "stranger", "t_new_p2"}, "t_new", "t");
  ASSERT_EQ(renames.size(), 3U);
  EXPECT_EQ(renames[0].second, "t_p0");
  EXPECT_EQ(renames[1].second, "stranger");
  EXPECT_EQ(renames[2].second, "t_p2");
  EXPECT_EQ(list_layout(100)->leaf_name("t", 7, {}), "t_p07");
}

TEST(ListByKeyTest, APatternNamesLeavesByTableAndKey) {
  EXPECT_EQ(list_layout(100)->leaf_name("t", 7, "{table}_part{key:03}"), "t_part007");
  EXPECT_EQ(list_layout(100)->leaf_name("t", 42, "x{key}{table}"), "x42t");
  const auto renames = leaf_renames(*list_layout(2), {"n-0", "n_p1"}, "n", "t", "{table}-{key}");
  EXPECT_EQ(renames[0].second, "t-0");
  EXPECT_EQ(renames[1].second, "n_p1") << "not named by the pattern";
  for (const char* wrong : {"t_{key}", "{table}", "{table}{key", "{table}{key:2}", "{table}{key:0}",
                            "{table}{key}}", "{table}{key}{x}"}) {
    const auto name = name_by_pattern(wrong, "t", 1);
    ASSERT_FALSE(name) << wrong;
    EXPECT_EQ(name.error().code, "bad-leaf-name");
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
    return layout_kind_of(job).make({job, key, &column, "id % 2", false});
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
