#include "copier/plan/lock_need.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

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
