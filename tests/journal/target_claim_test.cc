#include "copier/journal/target_claim.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

ClaimHolder holder(const std::string& state, const std::string& wait_event = "",
                   const std::string& query_start = "12:00:00") {
  return {
      "71",       "pgfanout/20261121T061522-3fa9/target", "10.0.0.1", "11:00:00", state, wait_event,
      query_start};
}

TEST(TargetClaim, AClientThatSentAnotherStatementOrIsWaitedForIsThere) {
  const ClaimHolder busy = holder("active", "Lock/relation");
  EXPECT_EQ(client_of(busy, holder("active", "Lock/relation", "12:00:01")), HolderClient::is_there);
  EXPECT_EQ(client_of(busy, holder("idle", "Client/ClientRead")), HolderClient::is_there);
  EXPECT_EQ(client_of(busy, holder("idle in transaction (aborted)")), HolderClient::is_there);
  EXPECT_EQ(client_of(busy, holder("active", "Client/ClientRead")), HolderClient::is_there);
}

TEST(TargetClaim, OneStatementAllTheTimeTellsNothing) {
  for (const char* event :
       {"", "Lock/relation", "IO/WALSync", "IPC/SyncRep", "Client/ClientWrite"}) {
    EXPECT_EQ(client_of(holder("active", event), holder("active", event)),
              HolderClient::may_be_gone)
        << event;
  }
  // Of another role's session only its name can be seen.
  EXPECT_EQ(client_of(holder("", "", ""), holder("", "", "")), HolderClient::may_be_gone);
}

TEST(TargetClaim, SomebodyElsesSessionIsNotWaitedFor) {
  ClaimHolder other = holder("active");
  other.application = "psql";
  EXPECT_EQ(client_of(other, other), HolderClient::is_there);
}

}  // namespace
}  // namespace pgfanout
