// A network that loses the messages that matter most: the reply to a COMMIT that the server has
// carried out, the messages around it, and the end of a COPY.
#include "tests/faults/proxy_rig.h"

namespace pgfanout::testing {
namespace {

class ProxyMessagesTest : public ProxyRig<kFewRows> {};

TEST_F(ProxyMessagesTest, CommitsOfEpochsAreLost) {
  std::vector<Meeting> meetings;
  for (const Lost lost : {Lost::reply, Lost::ready, Lost::statement}) {
    meetings.push_back({{lost_message("writer", "COMMIT", lost, 2)}, {0}});
  }
  meet_each(epochs(), meetings);
}

TEST_F(ProxyMessagesTest, CommitsOfLeavesAreLost) {
  std::vector<Meeting> meetings;
  for (const Lost lost : {Lost::reply, Lost::statement}) {
    meetings.push_back({{lost_message("writer", "COMMIT", lost)}, {0}});
  }
  meet_each(leaves(), meetings);
}

/// The fence, the snapshot, and the end of the fence.
TEST_F(ProxyMessagesTest, EveryCommitOfTheSourcesSessionIsLost) {
  const CopyShape shape = epochs();
  std::vector<Meeting> meetings;
  // Later ones first: a call that goes on has fewer.
  for (int at = commits_of(shape, "source"); at > 0; --at) {
    meetings.push_back({{lost_message("source", "COMMIT", Lost::reply, at)}, {0, 3}});
  }
  EXPECT_GE(meetings.size(), 2U);
  meet_each(shape, meetings);
}

/// The journal, the tables, the epochs, the attachment. Each call loses its first COMMIT, so that
/// the next call reaches the next COMMIT.
TEST_F(ProxyMessagesTest, EveryCommitOfTheTargetsSessionIsLost) {
  const CopyShape shape = epochs();
  const int commits = commits_of(shape, "target");
  EXPECT_GE(commits, 5);
  const Meeting meeting{{lost_message("target", "COMMIT", Lost::reply)}, {3}};
  meet_each(shape, std::vector<Meeting>(static_cast<std::size_t>(commits), meeting));
}

TEST_F(ProxyMessagesTest, EndsOfCopiesAreLost) {
  meet_each(epochs(), {{{lost_message("reader", "COPY", Lost::reply, 2)}, {0}},
                       {{lost_message("writer", "COPY", Lost::reply, 2)}, {0}},
                       {{lost_message("writer", "COPY", Lost::ready, 2)}, {0}}});
}

}  // namespace
}  // namespace pgfanout::testing
