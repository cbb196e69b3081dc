// Pauses: for how long, and how soon they end when they are cancelled.
#include "copier/base/pause.h"

#include <gtest/gtest.h>

#include <vector>

namespace pgfanout {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

TEST(PauseTest, LastsAsLongAsItIsAskedTo) {
  const auto began = Clock::now();
  pause_for(milliseconds(15));
  EXPECT_GE(Clock::now() - began, milliseconds(15));
}

TEST(PauseTest, EndsWhenItIsOver) {
  int looks = 0;
  pause_for(hours(1), [&] { return ++looks == 3; });
  EXPECT_EQ(looks, 3);
}

TEST(PauseTest, EndsWithTheCancellation) {
  Cancellation cancellation;
  cancellation.set();
  pause_unless(cancellation, hours(1));
}

TEST(PauseTest, NoTimeIsNoPause) {
  pause_for(milliseconds(0));
  pause_for(milliseconds(-1));
}

TEST(BackoffTest, DoublesUpToTheLongest) {
  Backoff pauses(milliseconds(50), milliseconds(300));
  std::vector<int> found;
  for (int turn = 0; turn < 5; ++turn) found.push_back(static_cast<int>(pauses.next().count()));
  EXPECT_EQ(found, (std::vector<int>{50, 100, 200, 300, 300}));
}

}  // namespace
}  // namespace pgfanout
