#include "copier/layout/leaf_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/layout/list_layout.h"

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::LeafKeys;
using testing::list_layout;

TEST(LeafMapTest, FindsEveryKeyAndNothingElse) {
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

TEST(LeafMapTest, WithoutLeavesNoKeyHasOne) {
  const auto layout = list_layout(0);
  for (const std::int64_t key : {0LL, -1LL, 99LL}) EXPECT_EQ(layout->leaf_of(key), Layout::kNoLeaf);
}

TEST(LeafMapTest, RoutesABatchAndSaysWhyARowHasNoLeaf) {
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

TEST(LeafMapTest, LeavesTakeTheFinalTablesNameAndOthersKeepTheirs) {
  const auto renames =
      leaf_renames(*list_layout(3), {"t_new_p0", "stranger", "t_new_p2"}, "t_new", "t");
  ASSERT_EQ(renames.size(), 3U);
  EXPECT_EQ(renames[0].second, "t_p0");
  EXPECT_EQ(renames[1].second, "stranger");
  EXPECT_EQ(renames[2].second, "t_p2");
  EXPECT_EQ(list_layout(100)->leaf_name("t", 7, {}), "t_p07");
}

TEST(LeafMapTest, APatternNamesLeavesByTableAndKey) {
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

TEST(FormattedBoundTest, KnowsTheFieldsOfPartman) {
  const auto text = [](const char* bound, const char* format) {
    return formatted_bound(bound, format).value_or("none");
  };
  EXPECT_EQ(text("2025-01-31", "YYYYMMDD"), "20250131");
  EXPECT_EQ(text("2025-01-31 07:05:09.5+01", "YYYY_MM_DD_HH24MI"), "2025_01_31_0705");
  EXPECT_EQ(text("2025-10-01 00:00:00+02", "YYYY\"q\"Q"), "2025q4");
  EXPECT_EQ(text("2026-11-30", "IYYY\"w\"IW"), "2026w49");
  EXPECT_EQ(text("2021-01-03", "IYYY\"w\"IW"), "2020w53");
  EXPECT_EQ(text("2024-12-30", "IYYY\"w\"IW"), "2025w01");
  for (const char* bound : {"infinity", "-infinity", "0044-03-15 BC", "1000", "", "a-b-c"}) {
    EXPECT_EQ(text(bound, "YYYY"), "none") << bound;
  }
  for (const char* format : {"Month", "YYYY\"q", "YYYYx"}) {
    EXPECT_EQ(text("2025-01-01", format), "none") << format;
  }
}

TEST(FormattedBoundTest, IsAPartOfNames) {
  const auto name = [](const char* pattern, const char* from) {
    return name_by_pattern(pattern, "t", 3, from).value_or("refused");
  };
  EXPECT_EQ(name("{table}_p{from:YYYY_MM}", "2025-01-01 00:00:00+01"), "t_p2025_01");
  EXPECT_EQ(name("{table}_p{from}", "-1000"), "t_p-1000");
  EXPECT_EQ(name("{table}_{key:02}", "-1000"), "t_03");
  for (const char* pattern :
       {"{from}", "{table}_{from", "{table}_{from:}", "{table}_{from:day}", "{table}_{fromYYYY}"}) {
    EXPECT_EQ(name(pattern, "2025-01-01"), "refused") << pattern;
  }
  EXPECT_EQ(name("{table}_{from}", ""), "refused") << "no RANGE";
}

}  // namespace
}  // namespace pgfanout
