// How fast the job goes while something asks it to hold back.
#include "copier/watch/speed_control.h"

#include <gtest/gtest.h>

#include <vector>

namespace pgfanout {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr SpeedControl::Moment start{};

/// The share after each look, a second apart.
std::vector<double> shares(const std::vector<WatchAction>& actions) {
  SpeedControl control;
  std::vector<double> found;
  for (std::size_t at = 0; at < actions.size(); ++at) {
    control.look(actions[at], start + seconds(at));
    found.push_back(control.share());
  }
  return found;
}

constexpr auto off = WatchAction::off;
constexpr auto warn = WatchAction::warn;
constexpr auto slow = WatchAction::slow;
constexpr auto pause = WatchAction::pause;

TEST(SpeedControlTest, FullSpeedUnlessAsked) {
  EXPECT_EQ(shares({off, warn, off, warn}), (std::vector<double>{1, 1, 1, 1}));
}

TEST(SpeedControlTest, HalvesAtOnceAndThenEveryFewLooksDownToATenth) {
  EXPECT_EQ(shares({slow, slow, slow, slow}), (std::vector<double>{0.5, 0.5, 0.5, 0.25}));
  EXPECT_EQ(shares(std::vector<WatchAction>(30, slow)).back(), SpeedControl::kLeastShare);
}

TEST(SpeedControlTest, RecoversInSteps) {
  EXPECT_EQ(shares({slow, slow, slow, slow, off, off, off, off, off, off}),
            (std::vector<double>{0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 1}));
}

TEST(SpeedControlTest, AfterAPauseNotAtFullSpeedAtOnce) {
  EXPECT_EQ(shares({off, pause, pause, off, off, off, off, off, off, off}),
            (std::vector<double>{1, 0, 0, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 1}));
  EXPECT_EQ(shares({pause, slow, slow, slow, slow}),
            (std::vector<double>{0, 0.25, 0.25, 0.25, 0.125}));
}

TEST(SpeedControlTest, APauseHasItsEnd) {
  SpeedControl control;
  control.look(pause, start);
  EXPECT_FALSE(control.is_paused_too_long(start + minutes(30)));
  EXPECT_TRUE(control.is_paused_too_long(start + minutes(31)));
  control.look(off, start + minutes(20));
  control.look(pause, start + minutes(21));
  EXPECT_FALSE(control.is_paused_too_long(start + minutes(31)));
}

}  // namespace
}  // namespace pgfanout
