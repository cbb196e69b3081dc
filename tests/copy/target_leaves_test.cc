// Leaves on several servers: each lane writes on its leaf's server, and the connections are shared
// among the servers by their leaves.
#include "copier/copy/target_leaves.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

namespace pgfanout {
namespace {

using Numbers = std::vector<std::size_t>;

std::size_t count_of(const Numbers& numbers, std::size_t number) {
  return static_cast<std::size_t>(std::count(numbers.begin(), numbers.end(), number));
}

TEST(TargetLeaves, OneServerGetsAllChannelsAndItsLanesTakeThemInTurn) {
  const Numbers lanes(100, 0);
  for (const std::size_t count : {1U, 3U, 34U, 100U}) {
    const Numbers channels = share_channels(lanes, count);
    EXPECT_EQ(channels, Numbers(count, 0));
    const Numbers bound = bind_lanes(lanes, channels);
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) EXPECT_EQ(bound[lane], lane % count);
  }
  EXPECT_EQ(share_channels(lanes, 200).size(), lanes.size());
}

TEST(TargetLeaves, ChannelsAreSharedByTheServersLeaves) {
  Numbers lanes(90, 0);
  lanes.resize(100, 1);
  for (const auto& [count, first, second] :
       {std::tuple{1U, 1U, 1U}, {2U, 1U, 1U}, {10U, 9U, 1U}, {20U, 18U, 2U}, {100U, 90U, 10U}}) {
    const Numbers channels = share_channels(lanes, count);
    EXPECT_EQ(count_of(channels, 0), first) << count;
    EXPECT_EQ(count_of(channels, 1), second) << count;
  }
}

TEST(TargetLeaves, LanesAreBoundToChannelsOfTheirServerEvenly) {
  Numbers lanes;
  for (std::size_t lane = 0; lane < 100; ++lane) lanes.push_back(lane % 3 == 0 ? 1 : 0);
  for (const std::size_t count : {2U, 7U, 50U, 100U}) {
    const Numbers channels = share_channels(lanes, count);
    const Numbers bound = bind_lanes(lanes, channels);
    ASSERT_EQ(bound.size(), lanes.size());
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      EXPECT_EQ(channels[bound[lane]], lanes[lane]);
    }
    for (const std::size_t server : {0U, 1U}) {
      Numbers load;
      for (std::size_t channel = 0; channel < channels.size(); ++channel) {
        if (channels[channel] == server) load.push_back(count_of(bound, channel));
      }
      const auto [least, most] = std::minmax_element(load.begin(), load.end());
      EXPECT_GE(*least, 1U);
      EXPECT_LE(*most - *least, 1U);
    }
  }
}

TEST(TargetLeaves, AServerWithoutLeavesGetsNoChannel) {
  const Numbers lanes(4, 1);
  EXPECT_EQ(share_channels(lanes, 2), Numbers(2, 1));
  EXPECT_EQ(bind_lanes(lanes, Numbers(2, 1)), (Numbers{0, 1, 0, 1}));
  EXPECT_TRUE(share_channels({}, 8).empty());
}

}  // namespace
}  // namespace pgfanout
