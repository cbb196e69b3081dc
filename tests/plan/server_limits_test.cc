#include "copier/plan/server_limits.h"

#include <gtest/gtest.h>

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

TEST(LockNeedTest, LeavesWithTheirIndexes) {
  // Counted on a server: an UPDATE of 100 leaves with 6 indexes holds 701 locks.
  EXPECT_EQ(locks_of_statement(100, 6), 707);
  EXPECT_EQ(locks_of_statement(1, 0), 2);
}

TEST(LockNeedTest, TheSettingIsTheLeastThatFits) {
  EXPECT_EQ(locks_setting(100, 707, 100), 707);
  EXPECT_EQ(locks_setting(80, 707, 100), 566);
  EXPECT_EQ(locks_setting(1, 707, 100), 8);
  EXPECT_EQ(locks_setting(0, 707, 100), 0);
  EXPECT_EQ(locks_setting(1, 707, 0), 707);
}

}  // namespace
}  // namespace pgfanout
