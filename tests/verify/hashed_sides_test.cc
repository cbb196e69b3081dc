// The statements by which servers hash their rows, and what is made of their answers.
#include "copier/verify/hashed_sides.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "copier/stage/compare.h"
#include "tests/layout/list_layout.h"
#include "tests/stage/copy_bytes.h"

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// Four leaves of the target, by key; the source has one.
VerifyPlan hashed_plan(bool is_by_key = true) {
  VerifyPlan plan(testing::name_key("abs(hashtext(name)) % 4"));
  plan.source.leaves.resize(1);
  plan.source.leaves[0].qualified = "public.s";
  plan.target.leaves.resize(4);
  for (Leaf& leaf : plan.target.leaves) leaf.qualified = "public.t_p";
  plan.has_key = true;
  if (is_by_key) plan.layout = testing::list_layout(4);
  plan.source_row = {"hash(s)", "key(s)", "key(s)", ""};
  plan.target_row = {"hash(t)", "key(t)", "key(t)", ""};
  plan.target_key_column = "partition_key";
  return plan;
}

HashedGroup group(std::optional<std::int64_t> value, std::uint64_t rows, std::uint64_t sum,
                  std::uint64_t wrong_keys = 0, std::uint64_t keyless = 0) {
  return {value, MultisetDigest(rows, {sum, 0}), wrong_keys, keyless};
}

/// The same rows on both sides, each group in its leaf.
class HashBooksTest : public ::testing::Test {
 protected:
  explicit HashBooksTest(VerifyPlan made = hashed_plan()) : plan(std::move(made)) {}
  void add_equal() {
    hashes.add(Side::source, 0,
               {group(0, 10, 7), group(1, 20, 8), group(2, 30, 9), group(3, 40, 6)});
    hashes.add(Side::target, 0, {group(0, 10, 7)});
    hashes.add(Side::target, 1, {group(1, 20, 8)});
    hashes.add(Side::target, 2, {group(2, 30, 9)});
  }
  VerifyPlan plan;
  Comparison books{group_count(plan), 1, 4, 100};
  HashBooks hashes{plan, books};
};

TEST(SumOfDecimal, IsThatOfTheServerModulo2To128) {
  constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(sum_of_decimal("0"), (RowDigest{0, 0}));
  EXPECT_EQ(sum_of_decimal(""), (RowDigest{0, 0}));
  EXPECT_EQ(sum_of_decimal("-1"), (RowDigest{kAll, kAll}));
  EXPECT_EQ(sum_of_decimal("18446744073709551615"), (RowDigest{kAll, 0}));
  EXPECT_EQ(sum_of_decimal("18446744073709551616"), (RowDigest{0, 1}));
  EXPECT_EQ(sum_of_decimal("-170141183460469231731687303715884105728"),
            (RowDigest{0, 1ULL << 63U}));
}

TEST(HashStatement, CountsKeysOnlyWhereTheGroupDoesNotTell) {
  VerifyPlan plan = hashed_plan();
  EXPECT_EQ(hash_sql(plan, Side::source, {0, 5, 9}),
            "SELECT key(s), pg_catalog.count(*), pg_catalog.sum(hash(s)), 0, 0 FROM ONLY public.s"
            " WHERE ctid OPERATOR(pg_catalog.>=) '(5,0)' AND ctid OPERATOR(pg_catalog.<) '(9,0)'"
            " GROUP BY 1");
  EXPECT_THAT(hash_sql(plan, Side::target, {1, 0, std::nullopt}),
              HasSubstr("FILTER (WHERE NOT COALESCE(key(t) OPERATOR(pg_catalog.=) partition_key,"
                        " false)), 0 FROM ONLY public.t_p WHERE"));
  plan.layout.reset();
  EXPECT_THAT(hash_sql(plan, Side::source, {}), HasSubstr("FILTER (WHERE key(s) IS NULL)"));
}

TEST(GroupSql, HasAsFewValuesAsTheLeavesHaveKeys) {
  const auto remainder = LeafMap({{{0}, {1}}, {}, {}}, testing::name_key("hashtext(name) % 2"));
  EXPECT_EQ(remainder.group_sql("k"), "k");
  EXPECT_EQ(testing::list_layout({{7, 9}, {-1}})->group_sql("k"),
            "CASE WHEN k OPERATOR(pg_catalog.=) ANY ('{7,9,-1}'::pg_catalog.int8[]) THEN k END");
}

TEST_F(HashBooksTest, EqualSidesLeaveNothingToStream) {
  add_equal();
  hashes.add(Side::target, 3, {group(3, 15, 2)});
  hashes.add(Side::target, 3, {group(3, 25, 4)});  // A range of the same leaf.
  EXPECT_TRUE(books.is_equal());
  EXPECT_EQ(books.misplaced_count(), 0U);
  EXPECT_EQ(books.total(Side::source).rows(), 100U);
  EXPECT_EQ(books.leaves(Side::target)[3].rows, 40U);
  EXPECT_THAT(hashes.suspects().target_leaves, ElementsAre(false, false, false, false));
}

TEST_F(HashBooksTest, AGroupThatDiffersIsStreamedFromEachLeafThatHasRowsOfIt) {
  add_equal();
  hashes.add(Side::target, 3, {group(3, 40, 5)});
  EXPECT_FALSE(books.is_equal());
  const SuspectRows suspects = hashes.suspects();
  EXPECT_THAT(suspects.target_leaves, ElementsAre(false, false, false, true));
  EXPECT_EQ(suspects.source_only, "key(s) OPERATOR(pg_catalog.=) ANY ('{3}'::pg_catalog.int8[])");
  EXPECT_EQ(suspects.target_only, "key(t) OPERATOR(pg_catalog.=) ANY ('{3}'::pg_catalog.int8[])");
}

TEST_F(HashBooksTest, RowsInAWrongLeafAreStreamedThoughTheirSumIsRight) {
  add_equal();
  hashes.add(Side::target, 3, {group(3, 39, 4)});
  hashes.add(Side::target, 1, {group(3, 1, 2)});
  EXPECT_TRUE(books.is_equal());
  EXPECT_EQ(books.misplaced_count(), 1U);
  const SuspectRows suspects = hashes.suspects();
  EXPECT_THAT(suspects.target_leaves, ElementsAre(false, true, false, true));
  EXPECT_THAT(suspects.target_only, HasSubstr("{1,3}"));
}

TEST_F(HashBooksTest, WrongKeysOfTheTargetAreStreamedAndThoseOfTheSourceCounted) {
  add_equal();
  hashes.add(Side::target, 3, {group(3, 40, 6, 2)});
  hashes.add(Side::source, 0, {group(3, 0, 0, 5)});
  EXPECT_EQ(books.misplaced_count(), 2U);
  EXPECT_EQ(books.stored_key_errors(), 5U);
  EXPECT_THAT(hashes.suspects().target_leaves, ElementsAre(false, false, false, true));
}

TEST_F(HashBooksTest, RowsWithoutALeafAreAGroupOfTheirOwn) {
  add_equal();
  hashes.add(Side::target, 3, {group(3, 40, 6)});
  hashes.add(Side::source, 0, {group(std::nullopt, 1, 1), group(-2, 1, 1), group(4, 1, 1)});
  EXPECT_EQ(books.key_errors(Side::source), 3U);
  const SuspectRows suspects = hashes.suspects();
  EXPECT_THAT(suspects.target_leaves, ElementsAre(false, false, false, false));
  EXPECT_EQ(suspects.source_only,
            "(key(s) IS NULL OR key(s) OPERATOR(pg_catalog.=) ANY"
            " ('{-2,4}'::pg_catalog.int8[]))");
}

class HashBooksByShareTest : public HashBooksTest {
 protected:
  HashBooksByShareTest() : HashBooksTest(hashed_plan(false)) {}
};

TEST_F(HashBooksByShareTest, WithoutALayoutTheSharesThatDifferAreStreamedFromAllLeaves) {
  hashes.add(Side::source, 0, {group(5, 10, 7), group(63, 3, 3, 0, 2)});
  hashes.add(Side::target, 0, {group(5, 4, 3), group(63, 3, 3)});
  hashes.add(Side::target, 1, {group(5, 6, 5)});
  EXPECT_EQ(books.key_errors(Side::source), 2U);
  const SuspectRows suspects = hashes.suspects();
  EXPECT_THAT(suspects.target_leaves, ElementsAre(true, true, false, false));
  EXPECT_THAT(suspects.target_only, HasSubstr("'{5}'"));
}

}  // namespace
}  // namespace pgfanout
