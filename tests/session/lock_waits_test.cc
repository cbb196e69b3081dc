#include "pgfanout/lock_waits.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using std::chrono::seconds;

TEST(LockWaitsTest, TheLongestIsTold) {
  LockWaits waits;
  EXPECT_FALSE(waits.longest());
  const LockWaits::Moment start{};
  const int one = 0;
  const int other = 0;
  waits.note(&one, start + seconds(5), "held by pid 1");
  waits.note(&other, start + seconds(3), "held by pid 2");
  ASSERT_TRUE(waits.longest());
  EXPECT_EQ(waits.longest()->since, start + seconds(3));
  EXPECT_EQ(waits.longest()->blockers, "held by pid 2");
  // Another attempt of the same wait tells who blocks now, and does not begin it anew.
  waits.note(&other, start + seconds(9), "held by pid 3");
  EXPECT_EQ(waits.longest()->since, start + seconds(3));
  EXPECT_EQ(waits.longest()->blockers, "held by pid 3");
  waits.end(&other);
  EXPECT_EQ(waits.longest()->since, start + seconds(5));
  waits.end(&one);
  waits.end(&one);
  EXPECT_FALSE(waits.longest());
}

}  // namespace
}  // namespace pgfanout
