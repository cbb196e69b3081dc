// A network that fails between pgfanout and the server: each kind of failure once for each kind of
// session. Messages lost around a COMMIT are in proxy_messages_test.
#include "tests/faults/proxy_rig.h"

#include <chrono>

namespace pgfanout::testing {
namespace {

using std::chrono::milliseconds;

class ProxyFaultsTest : public ProxyRig<kFewRows> {};

TEST_F(ProxyFaultsTest, SlowNetworks) {
  const CopyShape shape = epochs();
  ProxyFault dribble = in_the_middle(shape, FaultKind::dribble, "reader", Direction::to_client);
  dribble.length = milliseconds(100);
  ProxyFault delay = in_the_middle(shape, FaultKind::delay, "writer", Direction::to_server);
  delay.length = milliseconds(100);
  ProxyFault pause = in_the_middle(shape, FaultKind::stall, "target", Direction::to_client);
  pause.length = milliseconds(100);
  pause.both_directions = true;
  meet_each(shape, {{{dribble, delay, pause}, {0}}});
}

TEST_F(ProxyFaultsTest, SessionsThatTheCopyStandsOnAreCutOff) {
  const CopyShape shape = epochs();
  std::vector<Meeting> meetings;
  for (const std::string role : {"source", "target"}) {
    for (const FaultKind kind : {FaultKind::reset, FaultKind::half_close}) {
      for (const Direction direction : {Direction::to_server, Direction::to_client}) {
        meetings.push_back({{in_the_middle(shape, kind, role, direction)}, {2, 3}});
      }
    }
  }
  meet_each(shape, meetings);
}

/// Their sessions are opened again by the same call.
TEST_F(ProxyFaultsTest, ReadersAndWritersAreCutOff) {
  const CopyShape shape = epochs();
  const auto cut = [&](FaultKind kind, const std::string& role, Direction direction) {
    return Meeting{{in_the_middle(shape, kind, role, direction)}, {0}};
  };
  meet_each(shape, {cut(FaultKind::reset, "reader", Direction::to_client),
                    cut(FaultKind::half_close, "reader", Direction::to_client),
                    cut(FaultKind::reset, "writer", Direction::to_server),
                    cut(FaultKind::half_close, "writer", Direction::to_server),
                    cut(FaultKind::half_close, "writer", Direction::to_client)});
}

TEST_F(ProxyFaultsTest, ReadersAndWritersOfWholeLeavesAreCutOff) {
  const CopyShape shape = leaves();
  meet_each(shape,
            {{{in_the_middle(shape, FaultKind::reset, "reader", Direction::to_client)}, {0}},
             {{in_the_middle(shape, FaultKind::reset, "writer", Direction::to_server)}, {0}}});
}

/// Nothing comes any more, and nothing ends. The verdict about such a silence is tested in
/// pg/stall_watch_test.
TEST_F(ProxyFaultsTest, ASessionGoesSilent) {
  const CopyShape shape = epochs();
  meet_each(shape,
            {{{in_the_middle(shape, FaultKind::stall, "writer", Direction::to_client)}, {0, 3}}},
            {"--stall-timeout", "1"});
}

}  // namespace
}  // namespace pgfanout::testing
