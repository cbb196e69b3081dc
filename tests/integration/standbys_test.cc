// Commits that wait for a synchronous standby: before the window, and in the middle of a copy.
// Every other stage, and a standby that only lags, are in standbys_long_test.cc.
#include "tests/integration/standby_fixture.h"

namespace pgfanout {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class StandbysTest : public testing::StandbyFixture {};

TEST_F(StandbysTest, ThePlanRefusesAbsentStandbysUnlessEachIsAccepted) {
  commits_wait_for("FIRST 1 (s1, \"s 2\")");
  EXPECT_TRUE(issue_of(document("plan"), "standby-missing").empty());
  kill_standby();
  const Json refused = document("plan");
  EXPECT_EQ(refused["exit_code"], 2);
  const Json issue = issue_of(refused, "standby-missing");
  ASSERT_FALSE(issue.empty()) << refused;
  EXPECT_EQ(issue["severity"], "ERROR");
  EXPECT_THAT(issue["message"].get<std::string>(),
              HasSubstr("0 of 1 needed synchronous standbys are streaming (missing: s1, s 2)"));
  EXPECT_THAT(issue["hint"].get<std::string>(),
              AllOf(HasSubstr("--accept 'standby s1'"), HasSubstr("--accept 'standby s 2'")));
  // One of two is not enough.
  EXPECT_EQ(document("plan", {"--accept", "standby s1"})["exit_code"], 2);
  const Json accepted = document("plan", {"--accept", "standby s1", "--accept", "standby s 2"});
  EXPECT_EQ(accepted["exit_code"], 0) << accepted;
  EXPECT_EQ(issue_of(accepted, "standby-missing")["severity"], "WARNING");
  // A role whose commits do not wait has nothing to fear.
  auto session = primary().connect();
  session.execute("SET synchronous_commit = local");
  session.execute("ALTER ROLE postgres SET synchronous_commit = local");
  EXPECT_TRUE(issue_of(document("plan"), "standby-missing").empty());
  session.execute("ALTER ROLE postgres RESET synchronous_commit");
}

TEST_F(StandbysTest, AWaitInMidCopyIsToldInLinesStatusEventsAndMetrics) {
  commits_wait_for("s1");
  const harness::TemporaryFile events("");
  const harness::TemporaryFile metrics("");
  auto command = stopped_at("epoch-drained", "run",
                            {"--events", events.path(), "--metrics-file", metrics.path()});
  expect_wait_is_told(command);
  EXPECT_TRUE(eventually([&] {
    return harness::read_file(metrics.path())
               .find(
                   "pgfanout_waiting_seconds{command=\"run\",table=\"chunks\",side=\"target\","
                   "cause=\"standby\"}") != std::string::npos;
  }));
  EXPECT_THAT(harness::read_file(metrics.path()),
              HasSubstr("pgfanout_fence_standing{command=\"run\",table=\"chunks\"} 1"));
  expect_goes_on(command);
  const std::string told = harness::read_file(events.path());
  EXPECT_THAT(told,
              AllOf(HasSubstr("\"event\":\"session_wait\""), HasSubstr("\"change\":\"begins\""),
                    HasSubstr("\"change\":\"ends\""), HasSubstr("\"wait_event\":\"IPC/SyncRep\"")));
  EXPECT_THAT(harness::read_file(metrics.path()), Not(HasSubstr("pgfanout_waiting_seconds{")));
}

/// Without a command to archive it, WAL piles up.
TEST_F(StandbysTest, WalThatWaitsToBeArchivedCrossesItsThreshold) {
  execute("SELECT pg_switch_wal()");
  ASSERT_TRUE(eventually([this] {
    return value("SELECT count(*) > 0 FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'") ==
           "t";
  }));
  auto command = stopped_at("epoch-drained", "run", {"--threshold", "wal_waiting=1MB:warn"});
  command.send_signal(SIGCONT);
  EXPECT_TRUE(command.wait_for_output("threshold: wal_waiting is at ")) << command.err();
  const harness::CommandResult ended = command.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.err, AllOf(HasSubstr("beyond its limit of 1.0 MB: warn ("),
                               HasSubstr(", the oldest is 0000000100000")));
}

/// Before any stage: the first commit of a copy is that of its journal.
TEST_F(StandbysTest, ACommandThatBeginsWhileTheStandbyIsDownSaysSo) {
  commits_wait_for("s1");
  kill_standby();
  harness::BackgroundCommand command(words("copy", {"--stall-timeout", "1s"}));
  ASSERT_TRUE(command.wait_for_output("waits: ")) << command.err();
  EXPECT_TRUE(command.wait_for_output("missing: s1")) << command.err();
  expect_goes_on(command);
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new"), "600");
}

}  // namespace
}  // namespace pgfanout
