// Every way in which the books can fail to balance, one by one.
#include "copier/reconcile/balance.h"

#include <gtest/gtest.h>

#include <optional>

namespace pgfanout {
namespace {

MultisetDigest ledger_rows(std::initializer_list<std::uint64_t> values) {
  MultisetDigest digest;
  for (const std::uint64_t value : values) digest.add({value, value * 31});
  return digest;
}

/// Two ranges, two leaves, everything in order.
class BalanceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ledger.add_read(0, ledger_rows({1, 2}));
    ledger.add_read(1, ledger_rows({3}));
    ledger.complete_range(0, 2);
    ledger.complete_range(1, 1);
    put_leaf(ledger, 0, ledger_rows({1, 3}));
    put_leaf(ledger, 1, ledger_rows({2}));
  }
  static void put_leaf(Ledger& ledger, std::uint32_t leaf, const MultisetDigest& digest,
                       std::optional<MultisetDigest> read_back = {}) {
    ledger.add_routed(leaf, digest, 10);
    ledger.add_sent(leaf, digest.rows());
    ledger.add_copied(leaf, digest.rows());
    ledger.mark_committed(leaf);
    ledger.add_read_back(leaf, read_back.value_or(digest), 0, 0);
    ledger.mark_read_back(leaf);
  }
  [[nodiscard]] Balance after() const { return balance_after_read_back(ledger, {"a", "b"}); }
  [[nodiscard]] Balance before() const { return balance_before_commit(ledger, {"a", "b"}); }

  Ledger ledger{2, 2};
};

TEST_F(BalanceTest, BalancedBooksMatch) {
  EXPECT_EQ(before().verdict, Verdict::match);
  EXPECT_EQ(after().verdict, Verdict::match);
  EXPECT_TRUE(after().issues.empty());
  EXPECT_EQ(after().source, ledger_rows({1, 2, 3}));
  EXPECT_EQ(after().target, ledger_rows({1, 2, 3}));
}

TEST_F(BalanceTest, RejectedRowsAreAccountedFor) {
  ledger.add_read(0, ledger_rows({9}));
  ledger.complete_range(0, 3);
  EXPECT_EQ(before().verdict, Verdict::differs);
  ledger.add_rejected(ledger_rows({9}));
  EXPECT_EQ(before().verdict, Verdict::match);
}

TEST_F(BalanceTest, RowRoutedTwiceDiffers) {
  ledger.add_routed(0, ledger_rows({1}), 1);
  EXPECT_EQ(before().verdict, Verdict::differs);
}

TEST_F(BalanceTest, PairOfSwappedRowsWithEqualCountsDiffers) {
  Ledger swapped{1, 2};
  swapped.add_read(0, ledger_rows({1, 2, 3}));
  swapped.complete_range(0, 3);
  put_leaf(swapped, 0, ledger_rows({1, 3}), ledger_rows({1, 2}));
  put_leaf(swapped, 1, ledger_rows({2}), ledger_rows({3}));
  const Balance balance = balance_after_read_back(swapped, {"a", "b"});
  EXPECT_EQ(balance.source, balance.target);
  EXPECT_EQ(balance.verdict, Verdict::differs);
  ASSERT_EQ(balance.issues.size(), 2U);
  EXPECT_EQ(balance.issues.front().code, "digest-differs");
  EXPECT_EQ(balance.issues.front().where, "a");
}

TEST_F(BalanceTest, RowThatIsReadBackBesideThoseWrittenDiffers) {
  ledger.add_read_back(0, ledger_rows({4}), 0, 0);
  EXPECT_EQ(after().verdict, Verdict::differs);
  EXPECT_EQ(after().issues.front().where, "a");
}

TEST_F(BalanceTest, ServerCountThatDiffersIsFound) {
  ledger.add_copied(1, 1);
  EXPECT_EQ(before().verdict, Verdict::differs);
}

TEST_F(BalanceTest, BatchLostBetweenReaderAndHashIsFound) {
  ledger.complete_range(1, 2);
  EXPECT_EQ(before().verdict, Verdict::differs);
}

TEST_F(BalanceTest, WrongKeyAndWrongLeafDiffer) {
  ledger.add_read_back(0, {}, 1, 0);
  EXPECT_EQ(after().verdict, Verdict::differs);
  ledger.add_read_back(1, {}, 0, 1);
  EXPECT_EQ(after().issues.size(), 2U);
}

TEST_F(BalanceTest, RowsThatWereThereBeforeAreNotCounted) {
  ledger.set_before(0, ledger_rows({100, 101}));
  ledger.add_read_back(0, ledger_rows({100, 101}), 0, 0);
  EXPECT_EQ(after().verdict, Verdict::match);
}

TEST(BalanceUnproven, UnfinishedWorkIsNeverAMatch) {
  Ledger ledger(1, 1);
  EXPECT_EQ(balance_before_commit(ledger, {"a"}).verdict, Verdict::unproven);
  ledger.complete_range(0, 0);
  EXPECT_EQ(balance_before_commit(ledger, {"a"}).verdict, Verdict::match);
  EXPECT_EQ(balance_after_read_back(ledger, {"a"}).verdict, Verdict::unproven);
  ledger.mark_committed(0);
  EXPECT_EQ(balance_after_read_back(ledger, {"a"}).verdict, Verdict::unproven);
  ledger.mark_read_back(0);
  EXPECT_EQ(balance_after_read_back(ledger, {"a"}).verdict, Verdict::match);
}

TEST(BalanceUnproven, UnknownGoesBeforeDifference) {
  Ledger ledger(1, 1);
  ledger.add_routed(0, ledger_rows({1}), 1);
  EXPECT_EQ(balance_after_read_back(ledger, {"a"}).verdict, Verdict::unproven);
}

}  // namespace
}  // namespace pgfanout
