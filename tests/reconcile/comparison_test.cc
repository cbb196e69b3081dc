// The books of a comparison: when the sides are equal, and what is counted and named besides.
#include "copier/reconcile/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;

MultisetDigest digest_of(std::initializer_list<std::uint64_t> values) {
  MultisetDigest digest;
  for (const std::uint64_t value : values) digest.add({value, value * 31});
  return digest;
}

/// A batch of that leaf, with the rows of two groups.
BatchAccount batch_of(std::uint32_t leaf, const MultisetDigest& first,
                      const MultisetDigest& second) {
  BatchAccount account;
  account.leaf = leaf;
  account.count.rows = first.rows() + second.rows();
  account.count.bytes = 10 * account.count.rows;
  account.count.digest = first;
  account.count.digest.merge(second);
  account.groups = {first, second};
  return account;
}

class ComparisonTest : public ::testing::Test {
 protected:
  /// One source leaf, two target leaves; at most two misplaced rows are named.
  Comparison books{2, 1, 2, 2};
};

TEST_F(ComparisonTest, SameRowsInOtherBatchesAreEqual) {
  EXPECT_TRUE(books.is_equal()) << "both are empty";
  books.add(Side::source, batch_of(0, digest_of({1, 2}), digest_of({3})));
  EXPECT_FALSE(books.is_equal());
  books.add(Side::target, batch_of(1, {}, digest_of({3})));
  books.add(Side::target, batch_of(0, digest_of({2}), {}));
  EXPECT_FALSE(books.is_equal());
  books.add(Side::target, batch_of(0, digest_of({1}), {}));
  EXPECT_TRUE(books.is_equal());
  EXPECT_EQ(books.total(Side::source), digest_of({1, 2, 3}));
  EXPECT_EQ(books.total(Side::target), digest_of({3, 2, 1}));
  EXPECT_EQ(books.leaves(Side::target)[0].rows, 2U);
  EXPECT_EQ(books.leaves(Side::target)[0].bytes, 20U);
  EXPECT_EQ(books.leaves(Side::target)[1].digest, digest_of({3}));
  EXPECT_EQ(books.leaves(Side::source)[0].rows, 3U);
}

TEST_F(ComparisonTest, AsManyRowsOfOtherContentDiffer) {
  books.add(Side::source, batch_of(0, digest_of({1}), {}));
  books.add(Side::target, batch_of(0, digest_of({2}), {}));
  EXPECT_FALSE(books.is_equal());
}

TEST_F(ComparisonTest, RowsThatChangedTheirGroupsDifferThoughTheTotalsAreEqual) {
  books.add(Side::source, batch_of(0, digest_of({1}), digest_of({2})));
  books.add(Side::target, batch_of(0, digest_of({2}), digest_of({1})));
  EXPECT_EQ(books.total(Side::source), books.total(Side::target));
  EXPECT_FALSE(books.is_equal());
}

TEST_F(ComparisonTest, ARowTwiceAndAnotherLostDiffer) {
  books.add(Side::source, batch_of(0, digest_of({1, 2}), {}));
  books.add(Side::target, batch_of(0, digest_of({1, 1}), {}));
  EXPECT_FALSE(books.is_equal());
}

TEST_F(ComparisonTest, AllMisplacedRowsOfTheTargetAreCountedAndTheFirstAreNamed) {
  BatchAccount one = batch_of(0, digest_of({1}), {});
  one.misplaced = {{0, 7}};
  BatchAccount more = batch_of(1, digest_of({2, 3}), {});
  more.misplaced = {{1, 0}, {1, 1}};
  books.add(Side::target, one);
  books.add(Side::target, more);
  EXPECT_EQ(books.misplaced_count(), 3U);
  EXPECT_THAT(books.misplaced(), ElementsAre(RowPlace{0, 7}, RowPlace{1, 0}));
}

TEST_F(ComparisonTest, ErrorsOfKeysAreThoseOfTheirSide) {
  BatchAccount wrong = batch_of(0, digest_of({1}), {});
  wrong.key_errors = 2;
  wrong.stored_key_errors = 3;
  books.add(Side::source, wrong);
  wrong.key_errors = 5;
  books.add(Side::target, wrong);
  EXPECT_EQ(books.key_errors(Side::source), 2U);
  EXPECT_EQ(books.key_errors(Side::target), 5U);
  EXPECT_EQ(books.stored_key_errors(), 3U) << "those of the target are misplaced rows";
}

TEST_F(ComparisonTest, RangesAreCountedBySide) {
  books.complete_range(Side::source);
  books.complete_range(Side::source);
  books.complete_range(Side::target);
  EXPECT_EQ(books.complete_ranges(Side::source), 2U);
  EXPECT_EQ(books.complete_ranges(Side::target), 1U);
}

}  // namespace
}  // namespace pgfanout
