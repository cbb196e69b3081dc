// How long each attempt may wait for a lock, and when there is no other.
#include "copier/session/lock_attempts.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using std::chrono::milliseconds;

TEST(LockAttemptsTest, AnAttemptWaitsNoLongerThanTheWhole) {
  struct Case {
    int each_lock;
    int in_all;
    int elapsed;
    int expected;
  };
  for (const Case& each : {
           Case{500, 5000, 0, 500},
           Case{500, 5000, 4500, 500},
           Case{500, 5000, 4800, 200},
           Case{500, 5000, 5000, 20},  // 0 would be without an end.
           Case{500, 5000, 9000, 20},
           Case{500, 200, 0, 200},
           Case{5, 5000, 0, 20},
       }) {
    const LockPatience patience{milliseconds(each.each_lock), milliseconds(each.in_all)};
    EXPECT_EQ(lock_timeout_at(patience, milliseconds(each.elapsed)), milliseconds(each.expected))
        << each.each_lock << " of " << each.in_all << " at " << each.elapsed;
  }
}

TEST(LockAttemptsTest, NoAttemptBeginsBehindTheWhole) {
  const LockPatience patience{milliseconds(500), milliseconds(5000)};
  EXPECT_TRUE(may_retry(patience, milliseconds(0), milliseconds(50)));
  EXPECT_TRUE(may_retry(patience, milliseconds(4899), milliseconds(100)));
  EXPECT_FALSE(may_retry(patience, milliseconds(4900), milliseconds(100)));
  EXPECT_FALSE(may_retry(patience, milliseconds(6000), milliseconds(50)));
}

}  // namespace
}  // namespace pgfanout
