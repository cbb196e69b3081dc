#include "copier/layout/leaf_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ListBoundTest, ReadsWhatServersPrint) {
  const auto plain = parse_list_bound("FOR VALUES IN (0)");
  ASSERT_TRUE(plain);
  EXPECT_THAT(plain->keys, ElementsAre(0));
  EXPECT_FALSE(plain->takes_null);
  EXPECT_FALSE(plain->is_default);

  const auto mixed = parse_list_bound("FOR VALUES IN (3, '17', NULL, '-5', -6)");
  ASSERT_TRUE(mixed);
  EXPECT_THAT(mixed->keys, ElementsAre(3, 17, -5, -6));
  EXPECT_TRUE(mixed->takes_null);

  const auto wide =
      parse_list_bound("FOR VALUES IN ('9223372036854775807', '-9223372036854775808')");
  ASSERT_TRUE(wide);
  EXPECT_THAT(wide->keys, ElementsAre(INT64_MAX, INT64_MIN));

  const auto only_null = parse_list_bound("FOR VALUES IN (NULL)");
  ASSERT_TRUE(only_null);
  EXPECT_THAT(only_null->keys, IsEmpty());
  EXPECT_TRUE(only_null->takes_null);

  const auto rest = parse_list_bound("DEFAULT");
  ASSERT_TRUE(rest);
  EXPECT_TRUE(rest->is_default);
}

TEST(ListBoundTest, RefusesOtherStrategies) {
  for (const char* bound : {"", "FOR VALUES FROM (1) TO (5)",
                            "FOR VALUES WITH (modulus 16, remainder 3)", "for values in (1)"}) {
    const auto parsed = parse_list_bound(bound);
    ASSERT_FALSE(parsed) << bound;
    EXPECT_EQ(parsed.error().code, "not-list") << bound;
  }
}

TEST(ListBoundTest, RefusesWhatIsNoInteger) {
  for (const char* bound :
       {"FOR VALUES IN ('a')", "FOR VALUES IN ()", "FOR VALUES IN (1", "FOR VALUES IN (1) x",
        "FOR VALUES IN (1.5)", "FOR VALUES IN ('1)", "FOR VALUES IN (1,)", "FOR VALUES IN (true)",
        "FOR VALUES IN (9223372036854775808)", "FOR VALUES IN ('2024-01-01')"}) {
    const auto parsed = parse_list_bound(bound);
    ASSERT_FALSE(parsed) << bound;
    EXPECT_EQ(parsed.error().code, "not-integer") << bound;
  }
}

TEST(LeafMapTest, FindsEveryKeyAndNothingElse) {
  std::vector<ListBound> bounds(4);
  bounds[0].keys = {0, 2};
  bounds[1].keys = {1, 65535, 65536, INT64_MAX};
  bounds[2].keys = {-1, INT64_MIN};
  bounds[3].is_default = true;
  const LeafMap map(bounds);
  EXPECT_EQ(map.leaf_count(), 4U);
  EXPECT_EQ(map.leaf_of(0), 0U);
  EXPECT_EQ(map.leaf_of(1), 1U);
  EXPECT_EQ(map.leaf_of(2), 0U);
  EXPECT_EQ(map.leaf_of(65535), 1U);
  EXPECT_EQ(map.leaf_of(65536), 1U);
  EXPECT_EQ(map.leaf_of(INT64_MAX), 1U);
  EXPECT_EQ(map.leaf_of(-1), 2U);
  EXPECT_EQ(map.leaf_of(INT64_MIN), 2U);
  for (const std::int64_t key : {3LL, 65534LL, 65537LL, -2LL, 100000LL}) {
    EXPECT_EQ(map.leaf_of(key), LeafMap::kNoLeaf) << key;
  }
}

TEST(LeafMapTest, EmptyMapHasNoLeaf) {
  const LeafMap map;
  for (const std::int64_t key : {0LL, -1LL, 99LL}) EXPECT_EQ(map.leaf_of(key), LeafMap::kNoLeaf);
}

TEST(LeafMapTest, HundredLeavesOfTheCaseAskedFor) {
  std::vector<ListBound> bounds(100);
  for (std::size_t key = 0; key < 100; ++key) bounds[99 - key].keys = {static_cast<int>(key)};
  const LeafMap map(bounds);
  for (std::int64_t key = 0; key < 100; ++key) {
    EXPECT_EQ(map.leaf_of(key), static_cast<std::uint32_t>(99 - key));
  }
  EXPECT_EQ(map.leaf_of(100), LeafMap::kNoLeaf);
  EXPECT_EQ(map.leaf_of(-48), LeafMap::kNoLeaf);
}

}  // namespace
}  // namespace pgfanout
