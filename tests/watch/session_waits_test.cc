// Which sessions of a job wait for something that is no work, since when, and what is told of it.
#include "copier/watch/session_waits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "copier/base/wait_causes.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr WaitJudge::Moment kStart{};

JobSession session(int pid, std::string event, double statement_seconds,
                   std::string statement = "a") {
  return {"target", pid, "writer", true, std::move(event), std::move(statement), statement_seconds};
}

JobSessions of(std::vector<JobSession> sessions) {
  JobSessions all;
  all.all = std::move(sessions);
  return all;
}

TEST(SessionWaitsTest, OnlyWhatSomebodyElseMustEndIsNoWork) {
  const auto cause = [](std::string_view event) {
    const WaitCause* found = cause_of(event);
    return std::string(found == nullptr ? "" : found->cause);
  };
  EXPECT_EQ(cause("IPC/SyncRep"), "standby");
  EXPECT_EQ(cause("Lock/relation"), "lock");
  EXPECT_EQ(cause("Lock/transactionid"), "lock");
  EXPECT_EQ(cause("BufferPin/BufferPin"), "page");
  EXPECT_EQ(cause("IPC/CheckpointDone"), "checkpoint");
  EXPECT_EQ(cause("IPC/BackupWaitWalArchive"), "archive");
  for (const char* work : {"cpu", "LWLock/SyncRep", "LWLock/WALWrite", "LWLock/LockManager",
                           "IO/WALSync", "IO/WalSync", "IO/DataFileRead", "Client/ClientRead",
                           "IPC/ParallelFinish", "Timeout/VacuumDelay", ""}) {
    EXPECT_EQ(cause(work), "") << work;
  }
}

TEST(SessionWaitsTest, AWaitCountsAfterSomeSeconds) {
  WaitJudge judge;
  EXPECT_THAT(judge.judge(of({session(7, "IPC/SyncRep", 0.1)}), kStart), IsEmpty());
  EXPECT_THAT(judge.judge(of({session(7, "IPC/SyncRep", 2.1)}), kStart + seconds(2)), IsEmpty());
  const auto waits = judge.judge(of({session(7, "IPC/SyncRep", 4.1)}), kStart + seconds(4));
  ASSERT_THAT(waits, SizeIs(1));
  EXPECT_EQ(waits[0].cause, "standby");
  EXPECT_EQ(waits[0].side, "target");
  EXPECT_EQ(waits[0].pid, 7);
  EXPECT_EQ(waits[0].role, "writer");
  EXPECT_NEAR(waits[0].seconds, 4.1, 0.01);
}

/// A statement may have worked for an hour before it commits.
TEST(SessionWaitsTest, AWaitBeganAfterTheLookThatHasNotSeenIt) {
  WaitJudge judge;
  EXPECT_THAT(judge.judge(of({session(7, "IO/DataFileRead", 3600)}), kStart), IsEmpty());
  EXPECT_THAT(judge.judge(of({session(7, "IPC/SyncRep", 3601)}), kStart + seconds(1)), IsEmpty());
  const auto waits = judge.judge(of({session(7, "IPC/SyncRep", 3605)}), kStart + seconds(5));
  ASSERT_THAT(waits, SizeIs(1));
  EXPECT_NEAR(waits[0].seconds, 5, 0.01);
}

TEST(SessionWaitsTest, AFirstLookKnowsOnlyTheStatement) {
  const auto waits = WaitJudge().judge(of({session(7, "IPC/SyncRep", 120)}), kStart);
  ASSERT_THAT(waits, SizeIs(1));
  EXPECT_NEAR(waits[0].seconds, 120, 0.01);
}

TEST(SessionWaitsTest, AnotherStatementIsAnotherWait) {
  WaitJudge judge;
  for (int at = 0; at < 20; ++at) {
    const auto waits =
        judge.judge(of({session(7, "IPC/SyncRep", 0.5, std::to_string(at))}), kStart + seconds(at));
    EXPECT_THAT(waits, IsEmpty()) << at;
  }
}

TEST(SessionWaitsTest, TheLongestOfASideAndCauseStandsForAll) {
  JobSessions sessions = of({session(7, "IPC/SyncRep", 5), session(8, "IPC/SyncRep", 9),
                             session(9, "IPC/CheckpointDone", 20), session(10, "cpu", 99)});
  sessions.all.push_back({"source", 11, "source", true, "IPC/SyncRep", "a", 4});
  sessions.all.push_back({"target", 12, "writer", false, "IPC/SyncRep", "a", 400});
  sessions.standbys = "0 of 1";
  const auto waits = WaitJudge().judge(sessions, kStart);
  ASSERT_THAT(waits, SizeIs(3));
  EXPECT_EQ(waits[0].cause, "checkpoint");
  EXPECT_EQ(waits[0].detail, "");
  EXPECT_EQ(waits[1].pid, 8);
  EXPECT_EQ(waits[1].sessions, 2U);
  EXPECT_EQ(waits[1].detail, "0 of 1");
  EXPECT_EQ(waits[2].side, "source");
}

TEST(SessionWaitsTest, AWaitForALockIsAsLongAsItsAttemptsTogether) {
  JobSessions sessions = of({session(7, "Lock/relation", 0.2)});
  sessions.lock = {2.0, "pid 7 of the job waits"};
  EXPECT_THAT(WaitJudge().judge(sessions, kStart), IsEmpty());
  sessions.lock = {40.0, "pid 7 of the job waits for t, blocked by pid 9"};
  const auto waits = WaitJudge().judge(sessions, kStart);
  ASSERT_THAT(waits, SizeIs(1));
  EXPECT_EQ(waits[0].cause, "lock");
  EXPECT_EQ(waits[0].event, "Lock/relation");
  EXPECT_EQ(waits[0].pid, 7);
  EXPECT_EQ(waits[0].seconds, 40);
  EXPECT_EQ(waits[0].detail, "pid 7 of the job waits for t, blocked by pid 9");
  sessions.all.clear();  // Between two attempts.
  EXPECT_THAT(WaitJudge().judge(sessions, kStart), IsEmpty());
}

TEST(SessionWaitsTest, TellsTheBeginTheEndAndSeldomThatItLasts) {
  WaitJudge judge;
  std::string told;
  for (int at = 0; at < 200; ++at) {
    JobSessions sessions;
    const bool waits = at < 130 && at != 60;  // One look that missed it ends nothing.
    if (waits) sessions.all = {session(7, "IPC/SyncRep", at)};
    const auto moment = kStart + seconds(at);
    for (const auto& [wait, change] : judge.news(judge.judge(sessions, moment), moment)) {
      told += std::string(name_of(change)) + " " + std::to_string(at) + "; ";
    }
  }
  EXPECT_EQ(told, "begins 3; lasts 63; lasts 123; ends 132; ");
  EXPECT_THAT(judge.last_news(), IsEmpty());
  const auto late = judge.judge(of({session(7, "IPC/SyncRep", 10)}), kStart + seconds(300));
  EXPECT_THAT(judge.news(late, kStart + seconds(300)), SizeIs(1));
  const auto last = judge.last_news();
  ASSERT_THAT(last, SizeIs(1));
  EXPECT_EQ(last[0].second, WaitChange::ends);
}

TEST(SessionWaitsTest, CountsActiveSessionsByEvent) {
  auto sessions =
      of({session(1, "cpu", 1), session(2, "Lock/tuple", 1), session(3, "Lock/tuple", 1)});
  sessions.all.push_back({"target", 4, "target", false, "Client/ClientRead", "", 0});
  const auto counts = wait_counts(sessions.all);
  ASSERT_THAT(counts, SizeIs(2));
  EXPECT_EQ(counts[0].event, "Lock/tuple");
  EXPECT_EQ(counts[0].side, "target");
  EXPECT_EQ(counts[0].sessions, 2U);
  EXPECT_EQ(counts[1].event, "cpu");
}

TEST(SessionWaitsTest, TheSessionsOfTwoServersAreJudgedTogether) {
  JobSessions target = of({session(1, "cpu", 1)});
  target.lock = {1.0, "of the target"};
  JobSessions source = of({session(2, "cpu", 1)});
  source.lock = {2.0, "of the source"};
  source.standbys = "s1";
  target.add(source);
  EXPECT_THAT(target.all, SizeIs(2));
  EXPECT_EQ(target.lock.detail, "of the source");
  EXPECT_EQ(target.standbys, "s1");
}

}  // namespace
}  // namespace pgfanout
