#include "copier/plan/server_limits.h"

#include <gmock/gmock.h>

namespace pgfanout {
namespace {

ServerFacts server(std::int64_t max_connections, std::int64_t used = 0,
                   const std::string& name = "one") {
  ServerFacts facts;
  facts.system_identifier = name;
  facts.max_connections = max_connections;
  facts.reserved_connections = 3;
  facts.used_connections = used;
  return facts;
}

ConnectionWish wish(std::uint32_t leaves, std::uint32_t cores = 2) {
  ConnectionWish made;
  made.leaves = leaves;
  made.cores = cores;
  return made;
}

TEST(ConnectionBudgetTest, NoMoreWritersThanProcessorsHaveUseFor) {
  // 4 a processor, 8 at the least, lanes dealt evenly: 13 lanes for each of 8, 7 for each of 15.
  const auto writers = [](std::uint32_t cores) {
    const auto budget = share_connections(server(250), server(250), wish(100, cores));
    return budget ? budget->writers : 0;
  };
  EXPECT_EQ(writers(1), 8U);
  EXPECT_EQ(writers(2), 8U);
  EXPECT_EQ(writers(4), 15U);
  EXPECT_EQ(writers(16), 50U);
}

TEST(ConnectionBudgetTest, OneWriterForEachLeafOnALargeMachine) {
  const auto budget = share_connections(server(250), server(250), wish(100, 32));
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->readers, 8U);
  EXPECT_EQ(budget->writers, 100U);
}

TEST(ConnectionBudgetTest, DefaultServerSharesEvenly) {
  // 100 - 3 reserved - 3 of the job - 8 readers = 86: two lanes for each of 50 writers.
  const auto budget = share_connections(server(100), server(100), wish(100, 32));
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->writers, 50U);
}

TEST(ConnectionBudgetTest, TenConnectionsAreEnough) {
  const auto budget = share_connections(server(10), server(10), wish(100));
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->readers, 2U);
  EXPECT_EQ(budget->writers, 2U);
  const auto least = share_connections(server(10, 2), server(10, 2), wish(100, 8));
  ASSERT_TRUE(least);
  EXPECT_EQ(least->readers, 1U);
  EXPECT_EQ(least->writers, 1U);
}

TEST(ConnectionBudgetTest, RefusesWhenNothingIsLeft) {
  const auto budget = share_connections(server(10, 3), server(10, 3), wish(100));
  ASSERT_FALSE(budget);
  EXPECT_EQ(budget.error().code, "no-connections");
}

TEST(ConnectionBudgetTest, LimitsOfRoleAndDatabaseCount) {
  ServerFacts facts = server(250);
  facts.role.limit = 12;
  facts.role.used = 2;
  auto budget = share_connections(facts, facts, wish(100));
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->readers + budget->writers, 7U);
  facts.database.limit = 4;
  budget = share_connections(facts, facts, wish(100));
  ASSERT_FALSE(budget);
}

TEST(ConnectionBudgetTest, WhatWasAskedForIsTakenOrRefusedWithANumber) {
  ConnectionWish asked = wish(100);
  asked.readers = 4;
  asked.writers = 20;
  auto budget = share_connections(server(100), server(100), asked);
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->readers, 4U);
  EXPECT_EQ(budget->writers, 20U);
  asked.writers = 91;
  budget = share_connections(server(100), server(100), asked);
  ASSERT_FALSE(budget);
  EXPECT_EQ(budget.error().code, "no-connections");
  EXPECT_NE(budget.error().message.find("90 would"), std::string::npos) << budget.error().message;
  EXPECT_NE(budget.error().hint.find("--writers 90"), std::string::npos) << budget.error().hint;
  asked.writers.reset();
  asked.readers = 94;
  EXPECT_FALSE(share_connections(server(100), server(100), asked));
}

TEST(ConnectionBudgetTest, TwoServersDoNotCompete) {
  const auto budget =
      share_connections(server(10, 0, "source"), server(250, 0, "target"), wish(100, 32));
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->readers, 4U);
  EXPECT_EQ(budget->writers, 100U);
  EXPECT_FALSE(share_connections(server(6, 0, "source"), server(250, 0, "target"), wish(100)));
  EXPECT_FALSE(share_connections(server(250, 0, "source"), server(6, 0, "target"), wish(100)));
}

TEST(ConnectionBudgetTest, NeverMoreWritersThanLeaves) {
  ConnectionWish asked = wish(7);
  asked.writers = 50;
  const auto budget = share_connections(server(250), server(250), asked);
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->writers, 7U);
}

// Counted on a server (objects of pg_locks at the last statement of each transaction): a table of
// 16 leaves, a key and four indexes, into 100 leaves; with and without two foreign keys, one to
// another table and one from another.
constexpr TableParts kSource{16, 5, 0, 0, 0};
constexpr TableParts kTarget{100, 5, 0, 0, 0};
constexpr TableParts kSourceWithKeys{16, 5, 1, 1, 0};
constexpr TableParts kTargetWithKeys{100, 5, 1, 1, 0};

void expect_near(std::int64_t computed, std::int64_t counted) {
  EXPECT_GE(computed, counted);
  EXPECT_LE(computed, counted * 3 / 2);
}

TEST(LockNeedTest, AsCountedOnAServer) {
  EXPECT_EQ(locks_of_statement(100, 6), 707) << "an UPDATE holds 701";
  EXPECT_EQ(locks_of_statement(1, 0), 2);
  expect_near(locks_of_copy(kSource, kTarget), 404 + 17);
  expect_near(locks_of_swap(kSource, kTarget), 402);
  expect_near(locks_of_swap(kSourceWithKeys, kTargetWithKeys), 509);
  expect_near(locks_of_rollback(kSource, kTarget), 370);
  expect_near(locks_of_rollback(kSourceWithKeys, kTargetWithKeys), 487);
  expect_near(locks_of_drop(kTarget), 14);
  expect_near(locks_of_drop(kTargetWithKeys), 16);
  EXPECT_EQ(locks_of_drop({100, 5, 0, 0, 7}), locks_of_drop(kTarget) + 7);
}

TEST(LockNeedTest, ForeignKeysOfTheParentTakeTheLeavesTriggers) {
  // 309 were counted where the parent's foreign key was added, of 100 leaves without an index.
  const TableParts plain{100, 0, 1, 0, 0};
  EXPECT_EQ(
      locks_of_build({0, 0, 1, 0, 0}, plain) - locks_of_build({0, 0, 0, 0, 0}, {100, 0, 0, 0, 0}),
      2 * 101);
  EXPECT_GE(locks_of_build({0, 0, 1, 0, 0}, plain), 309);
}

TEST(LockNeedTest, OneLineForEachTransaction) {
  std::vector<std::string> names;
  for (const LockNeed& need : lock_needs(kSource, kTarget, true)) names.push_back(need.of);
  EXPECT_THAT(names, ::testing::ElementsAre("copy", "build", "swap", "rollback", "cleanup", "drop",
                                            "statement", "pg_dump"));
  EXPECT_EQ(lock_needs(kSource, kTarget, false).size(), 5U) << "no swap between two databases";
}

ServerFacts lock_table(std::int64_t setting, std::int64_t holders, std::int64_t used = 0) {
  ServerFacts facts;
  facts.lock_holders = holders;
  facts.lock_slots = setting * holders;
  facts.locks_used = used;
  return facts;
}

TEST(LockNeedTest, RefusedWhereItDoesNotFit) {
  const std::vector<LockNeed> needs = {{"copy", 100, "x"}, {"swap", 1000, "y"}, {"drop", 2000, ""}};
  EXPECT_FALSE(judge_locks(needs, lock_table(20, 100), "t").has_value());
  const auto tight = judge_locks(needs, lock_table(19, 100), "t");
  ASSERT_TRUE(tight.has_value());
  EXPECT_EQ(tight->severity, Severity::warning);
  EXPECT_EQ(tight->code, "swap-locks");
  EXPECT_THAT(tight->message, ::testing::StartsWith("swap takes about 1000 locks"));
  EXPECT_THAT(tight->hint, ::testing::HasSubstr("set max_locks_per_transaction = 20 (today 19;"));
  // Locks that others hold are not free.
  const auto full = judge_locks(needs, lock_table(20, 100, 1001), "t");
  ASSERT_TRUE(full.has_value());
  EXPECT_EQ(full->severity, Severity::error);
  EXPECT_THAT(full->message, ::testing::HasSubstr("room for 2000 in all, 999 of them free"));
  EXPECT_THAT(full->hint, ::testing::HasSubstr("set max_locks_per_transaction = 31 "));
}

TEST(LockNeedTest, SessionsThatHoldTheSameLocksShareThem) {
  // With the default settings and 6006 locks two sessions fitted, and the third did not.
  EXPECT_EQ(statements_at_once(lock_table(64, 122), 6006), 2);
  EXPECT_EQ(statements_at_once(lock_table(64, 122), 7809), 0);
  EXPECT_EQ(statements_at_once(lock_table(64, 122), 0), 2 * 64 * 122);
}

TEST(LockNeedTest, AdviceIsNeverBelowToday) {
  EXPECT_EQ(locks_setting(lock_table(64, 122), 6006, 1), 64);
  EXPECT_EQ(locks_setting(lock_table(64, 122), 6006, 100), 2462);
  EXPECT_EQ(locks_setting(lock_table(64, 122), 6006, 0), 64);
  EXPECT_EQ(locks_setting(lock_table(10, 10), 707, 1), 71);
  EXPECT_EQ(locks_setting(lock_table(64, 0), 707, 1), 707);
  // Measured: 10,000 more on 15 took 473 MiB with 122 holders, on 18 533 MiB with 136.
  EXPECT_EQ(
      setting_text(lock_table(64, 122), 10064),
      "max_locks_per_transaction = 10064 (today 64; takes 500.2 MB of shared memory more, and "
      "needs a restart)");
}

TEST(DropBatchTest, LeavesHalfOfTheLocksToOthers) {
  const std::vector<std::int64_t> locks(1000, 14);
  EXPECT_EQ(drop_batch(locks, 280), 10U);
  EXPECT_EQ(drop_batch(locks, 1'000'000), 142U) << "more would not be faster";
  EXPECT_EQ(drop_batch(locks, 0), 1U) << "one may still fit";
  EXPECT_EQ(drop_batch(locks, -5), 1U);
  EXPECT_EQ(drop_batch(std::span(locks).first(3), 1'000'000), 3U);
  EXPECT_EQ(drop_batch(std::vector<std::int64_t>{5, 90, 5}, 100), 1U);
}

}  // namespace
}  // namespace pgfanout
