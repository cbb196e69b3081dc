// Commands at events: what they are given, what they may do to the job, and that none can hold it
// up for long.
#include "copier/report/events/hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

namespace pgfanout {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Lines = std::vector<std::string>;

const Event kEvent{"stage_finished", "j1", "copy", R"({"event":"stage_finished"})"};

struct Ran {
  std::string failure;
  Lines lines;
};

Ran run(const std::string& command, const HookLimits& limits = {}, const Event& event = kEvent) {
  const Cancellation none;
  Ran ran;
  const ShowLine show = [&](std::string_view line) { ran.lines.emplace_back(line); };
  ran.failure = run_hook(command, event, limits, show, none);
  return ran;
}

TEST(HookProcess, IsGivenTheEvent) {
  const Ran ran = run("cat; echo $PGFANOUT_EVENT $PGFANOUT_JOB $PGFANOUT_STAGE; echo too >&2");
  EXPECT_EQ(ran.failure, "");
  EXPECT_THAT(ran.lines, ElementsAre(kEvent.line, "stage_finished j1 copy", "too"));
}

TEST(HookProcess, AnEventThatNobodyReadsHoldsNobodyUp) {
  Event event = kEvent;
  event.line.assign(1 << 20U, 'x');
  EXPECT_EQ(run("true", {}, event).failure, "");
  EXPECT_THAT(run("wc -c", {}, event).lines, ElementsAre(std::to_string((1 << 20U) + 1)));
}

TEST(HookProcess, InheritsNoPasswordAndNoDescriptor) {
  setenv("PGPASSWORD", "secret", 1);
  setenv("PGPASSFILE", "/a/file", 1);
  const int other = dup(0);
  const Ran ran = run("env; ls /proc/self/fd");
  close(other);
  unsetenv("PGPASSWORD");
  unsetenv("PGPASSFILE");
  EXPECT_THAT(ran.lines, AllOf(Contains("PGPASSFILE=/a/file"), Contains("2"),
                               Not(Contains(HasSubstr("secret")))));
  // ls itself has the folder open as 3.
  EXPECT_THAT(ran.lines, Not(Contains("4")));
}

TEST(HookProcess, HasItsOwnGroupAndPlainSignals) {
  signal(SIGPIPE, SIG_IGN);
  const Ran ran = run("cut -d' ' -f5 /proc/$$/stat; echo $$; kill -PIPE $$; echo still here");
  signal(SIGPIPE, SIG_DFL);
  ASSERT_THAT(ran.lines, SizeIs(2));
  EXPECT_EQ(ran.lines[0], ran.lines[1]);
  EXPECT_EQ(ran.failure, "was ended by signal 13 (Broken pipe)");
}

TEST(HookProcess, FailuresAreNamed) {
  EXPECT_EQ(run("exit 7").failure, "ended with exit status 7");
  EXPECT_EQ(run("kill -9 $$").failure, "was ended by signal 9 (Killed)");
  EXPECT_EQ(run("/no/such/program").failure, "ended with exit status 127");
}

TEST(HookProcess, OneThatTakesTooLongIsEnded) {
  HookLimits limits;
  limits.time = milliseconds(100);
  limits.grace = milliseconds(100);
  EXPECT_EQ(run("echo begun; sleep 600", limits).failure, "did not end within 0.1 s");
  // Nor does one stay that will not listen, or what it has started.
  const Ran deaf = run("trap '' TERM; echo $$; while :; do sleep 600; done", limits);
  EXPECT_EQ(deaf.failure, "did not end within 0.1 s");
  ASSERT_THAT(deaf.lines, SizeIs(1));
  EXPECT_NE(kill(std::stoi(deaf.lines[0]), 0), 0);
}

TEST(HookProcess, WhatItLeavesRunningIsNotWaitedFor) {
  const Ran ran = run("sleep 600 & echo $!");
  EXPECT_EQ(ran.failure, "");
  ASSERT_THAT(ran.lines, SizeIs(1));
  EXPECT_EQ(kill(std::stoi(ran.lines[0]), SIGKILL), 0);
}

TEST(HookProcess, OutputIsBounded) {
  HookLimits limits;
  limits.lines = 2;
  limits.line_bytes = 3;
  EXPECT_THAT(run("echo abcdef; echo b; echo c; printf d", limits).lines,
              ElementsAre("abc", "b", "(2 more lines of output are not shown)"));
  EXPECT_EQ(run("head -c 10000000 /dev/zero", limits).failure, "");
}

TEST(HookProcess, EndsWithAJobThatIsStoppedAtOnce) {
  Cancellation now;
  const Cancellation soon(&now);
  now.set();
  EXPECT_EQ(run_hook(
                "sleep 600", kEvent, {}, [](std::string_view) {}, soon),
            "was stopped with the job");
}

TEST(Hooks, AProgramIsNamedWithoutItsArguments) {
  EXPECT_EQ(program_of("TOKEN=x /usr/bin/tell-pager --key secret"), "tell-pager");
  EXPECT_EQ(program_of("curl -H 'Authorization: x'"), "curl");
  EXPECT_EQ(program_of("TOKEN=\"a b\" curl"), "command");
  EXPECT_EQ(program_of("'/opt/my tools/tell' x"), "command");
  EXPECT_EQ(program_of(""), "command");
}

class HooksTest : public testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<Hooks> hooks(std::vector<HookRequest> requests,
                                             bool may_stop = true) {
    const auto tell = [this](const Issue& issue) {
      const std::lock_guard lock(mutex);
      told.push_back(issue.message);
    };
    return std::make_unique<Hooks>(std::move(requests), may_stop, tell, cancellation);
  }
  static Event event(std::string_view name, const std::string& stage) {
    return {name, "j1", stage, "{}"};
  }

  const Cancellation cancellation;
  std::mutex mutex;
  Lines told;
  JobResult result;
};

TEST_F(HooksTest, OnesThatSucceedLetTheJobGoOn) {
  const auto all = hooks({{"stage_finished", "echo $PGFANOUT_STAGE is done"}, {"gate", "exit 1"}});
  all->take(event("stage_finished", "copy"));
  all->take(event("stage_started", "index"));
  EXPECT_TRUE(all->may_begin("index"));
  all->settle(result);
  EXPECT_THAT(result.issues, IsEmpty());
  EXPECT_THAT(told, ElementsAre("hook echo at stage_finished: copy is done"));
}

TEST_F(HooksTest, OneThatFailsKeepsTheNextStageFromBeginning) {
  for (const char* stage : {"prepare", "swap"}) {
    const auto all = hooks({{"stage_finished", "exit 7"}});
    EXPECT_TRUE(all->may_begin("preflight"));
    all->take(event("stage_finished", "preflight"));
    const auto may = all->may_begin(stage);
    ASSERT_FALSE(may);
    EXPECT_EQ(may.error().code, "hook-failed");
    EXPECT_EQ(may.error().consequence, Consequence::interrupt);
    EXPECT_EQ(may.error().message, "the hook exit at stage_finished ended with exit status 7");
    EXPECT_EQ(may.error().where, "preflight");
    JobResult stopped;
    all->settle(stopped);
    EXPECT_THAT(stopped.issues, IsEmpty());
  }
}

TEST_F(HooksTest, BehindTheSwapItIsOnlyTold) {
  const auto all = hooks({{"stage_started", "exit 7"}});
  EXPECT_TRUE(all->may_begin("swap"));
  all->take(event("stage_started", "swap"));
  EXPECT_TRUE(all->may_begin("swap/views"));
  all->settle(result);
  ASSERT_THAT(result.issues, SizeIs(1));
  EXPECT_EQ(result.issues[0].code, "hook-failed");
  EXPECT_EQ(result.issues[0].severity, Severity::warning);
}

TEST_F(HooksTest, WhatUndoesIsNeverStopped) {
  const auto all = hooks({{"job_started", "exit 7"}}, false);
  all->take(event("job_started", ""));
  EXPECT_TRUE(all->may_begin("undo"));
  all->settle(result);
  EXPECT_THAT(result.issues, SizeIs(1));
}

TEST_F(HooksTest, FailuresOfOneHookAreOneIssue) {
  const auto all = hooks({{"issue", "exit 7"}});
  for (int i = 0; i < 3; ++i) all->take(event("issue", "copy"));
  all->settle(result);
  ASSERT_THAT(result.issues, SizeIs(1));
  EXPECT_EQ(result.issues[0].message,
            "the hook exit at issue ended with exit status 7, the last of 3 times");
  EXPECT_THAT(told, SizeIs(1));
}

TEST_F(HooksTest, ASlowOneForProgressHoldsUpNobodyAndIsNotQueued) {
  std::string folder = testing::TempDir() + "hooks.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string go = folder + "/go";
  const auto all =
      hooks({{"progress", "while [ ! -e " + go + " ]; do sleep 0.01; done; echo ran"}});
  for (int i = 0; i < 100; ++i) all->take(event("progress", "copy"));
  EXPECT_TRUE(all->may_begin("attach"));  // Or this test would never end.
  ASSERT_EQ(mkdir(go.c_str(), 0700), 0);
  all->settle(result);
  EXPECT_THAT(told, ElementsAre("hook while at progress: ran"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace pgfanout
