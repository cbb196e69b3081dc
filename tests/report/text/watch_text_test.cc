// Thresholds, deadline and waits in words.
#include "copier/report/text/watch_text.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(ThresholdLine, SaysWhatWasCrossedAndWhatIsDone) {
  ThresholdState state;
  state.measure = Measure::lock_wait;
  state.action = WatchAction::pause;
  state.limit = 5;
  state.value = 7.25;
  state.is_crossed = true;
  state.detail = "pid 42\x1b[2J";
  EXPECT_EQ(threshold_line(state),
            "threshold: lock_wait is at 7.2 s, beyond its limit of 5.0 s: pause (pid 42\\x1b[2J)");
  state.is_crossed = false;
  state.detail = "";
  EXPECT_EQ(threshold_line(state),
            "threshold: lock_wait is at 7.2 s, within its limit of 5.0 s again");
  state.value.reset();
  EXPECT_EQ(threshold_line(state), "threshold: lock_wait is not measured");
}

TEST(MeasureText, HasTheUnit) {
  EXPECT_EQ(measure_text(Measure::cpu, 83.4), "83 %");
  EXPECT_EQ(measure_text(Measure::errors, 0.25), "0.25 %");
  EXPECT_EQ(measure_text(Measure::disk_free, 5e9), "5.0 GB");
  EXPECT_EQ(measure_text(Measure::checkpoints, 2), "2.0/min");
  EXPECT_EQ(measure_text(Measure::session_wait, 30), "30.0 s");
  EXPECT_EQ(measure_text(Measure::wal_waiting, 5e9), "5.0 GB");
}

TEST(DeadlineLine, SaysWhatIsLeft) {
  DeadlineState deadline;
  deadline.outlook = DeadlineState::Outlook::misses;
  deadline.seconds_left_low = 60;
  deadline.seconds_left_high = 90;
  deadline.advice = "roll back";
  const std::string line = deadline_line(deadline);
  EXPECT_NE(line.find(": will miss it; 1:00 to 1:30 are left to do: roll back"), std::string::npos)
      << line;
}

TEST(WaitsText, NamesTheMostFrequentOfASide) {
  const std::vector<WaitCount> waits = {
      {"source", "cpu", 1}, {"target", "IO/x", 9}, {"source", "Lock/y", 3}, {"source", "z", 1}};
  EXPECT_EQ(waits_text(waits, "source", 2), "Lock/y 3, cpu 1");
  EXPECT_EQ(waits_text({}, "source", 2), "");
}

TEST(WaitLine, SaysForWhatSinceWhenWhoAndWhatEndsIt) {
  SessionWait wait{"target", "standby", "IPC/SyncRep",  "a standby", 7, "writer",
                   3,        12,        "s1 is absent", "start it"};
  EXPECT_EQ(wait_line(wait, WaitChange::begins),
            "waits: 12.0 s for a standby (IPC/SyncRep; session 7 (writer) on the target, and 2 "
            "more); s1 is absent: start it");
  EXPECT_EQ(wait_line(wait, WaitChange::ends), "waited: 12.0 s for a standby");
  wait.pid = 0;
  wait.sessions = 1;
  wait.detail = "\x1b";
  EXPECT_EQ(wait_text(wait), "12.0 s for a standby (IPC/SyncRep); \\x1b");
  EXPECT_EQ(wait_line(wait, WaitChange::lasts).substr(0, 13), "still waits: ");
}

TEST(InterruptText, FollowsWhatTheStageLeaves) {
  EXPECT_EQ(interrupt_text("run", "preflight", CommitMode::unknown),
            "stops at once; nothing was changed");
  EXPECT_EQ(interrupt_text("run", "copy/copy", CommitMode::by_epoch),
            "finishes the epoch, then stops; the same command resumes after it");
  EXPECT_EQ(interrupt_text("copy", "copy", CommitMode::by_leaf),
            "stops at once; the same command copies again what is not committed");
  EXPECT_EQ(interrupt_text("verify", "data", CommitMode::unknown),
            "stops at once; nothing was changed");
  for (const char* stage : {"copy/copy", "copy/read-back", "index", "analyze", "swap"}) {
    EXPECT_LE(interrupt_text("run", stage, CommitMode::unknown).size(), 72U) << "on 80 columns";
  }
}

TEST(StoppingLine, NamesWhatIsWaitedFor) {
  const auto now = std::chrono::steady_clock::now();
  const auto ago = [&](int seconds) { return now - std::chrono::seconds(seconds); };
  const std::string end = "; Ctrl-C again stops at once";
  EXPECT_EQ(stopping_line(0, {}, {}, now), "stopping: waits for the next safe point" + end);
  EXPECT_EQ(stopping_line(1, {}, {}, now), "stopping: waits until 1 leaf is committed" + end);
  const ServerWait commit{4711, "pgfanout/j/target", "db1:5432/app", "COMMIT", ago(12)};
  const ServerWait other{4712, "pgfanout/j/worker", "db1:5432/app", "CREATE INDEX", ago(3)};
  const ServerWait watch{4713, "pgfanout/j/watch", "db1:5432/app", "SELECT 1", ago(20)};
  EXPECT_EQ(
      stopping_line(0, {}, {watch, commit}, now),
      "stopping: waits for COMMIT of pid 4711 (pgfanout/j/target) on db1:5432/app (12 s)" + end);
  EXPECT_EQ(stopping_line(3, {}, {watch, commit, other}, now),
            "stopping: waits until 3 leaves are committed: COMMIT of pid 4711 (pgfanout/j/target)"
            " on db1:5432/app (12 s; and 1 more)" +
                end);
  EXPECT_EQ(stopping_line(0, LockWaits::Wait{ago(4), "held by pid 71\x1b"}, {commit}, now),
            "stopping: waits for locks held by pid 71\\x1b (4 s)" + end);
}

}  // namespace
}  // namespace pgfanout
