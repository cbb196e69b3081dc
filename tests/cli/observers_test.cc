// Who is told about a command, by its options; with commands that need no server.
#include "copier/cli/observers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "copier/cli/session.h"
#include "tests/cli/capture.h"

namespace pgfanout {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ObserversTest : public testing::Test {
 protected:
  /// The exit code of a command on table t that has one stage, if it may begin.
  int run(std::vector<std::string> words) {
    words.insert(words.begin() + 1, {"--table", "t"});
    const JobFunction job = [this](const JobDescription&, Observer& observer, const Cancellation&) {
      is_called = true;
      JobResult result;
      JobCounters counters;
      observer.job_started("j1", counters);
      observer.stage_started("only");
      auto may = observer.may_begin("only");
      if (!may) result.error = may.error();
      StageSummary stage;
      stage.name = "only";
      observer.stage_finished(stage);
      result.verdict = Verdict::match;
      return result;
    };
    CommandFunctions functions;
    functions.copy = functions.plan = functions.status = functions.rollback = job;
    return run_session(words, functions, {out.fd(), err.fd()}, cancellation);
  }

  const Capture out;
  const Capture err;
  const Cancellation cancellation;
  bool is_called = false;
};

TEST_F(ObserversTest, WhatCannotBeWrittenIsRefusedBeforeAnythingIsDone) {
  const std::vector<std::vector<std::string>> outputs = {
      {"--events", "/none/e"}, {"--metrics-file", "/none/m"}, {"--metrics", "203.0.113.1:9187"}};
  for (const auto& output : outputs) {
    EXPECT_EQ(run({"copy", output[0], output[1]}), 2) << output[0];
    EXPECT_FALSE(is_called) << output[0];
  }
  EXPECT_THAT(err.text(), HasSubstr("cannot write events to /none/e: No such file"));
}

TEST_F(ObserversTest, WhoOnlyLooksTellsNobody) {
  run({"status", "--events", "/none/e", "--hook", "job_started=echo told"});
  EXPECT_TRUE(is_called);
  EXPECT_THAT(err.text(), Not(HasSubstr("told")));
}

TEST_F(ObserversTest, AHookKeepsAJobFromItsStageButNotFromBeingUndone) {
  EXPECT_EQ(run({"copy", "--progress", "none", "--hook", "stage_started=exit 7"}), 3);
  EXPECT_EQ(run({"rollback", "--progress", "none", "--hook", "stage_started=exit 7"}), 0);
  EXPECT_THAT(err.text(), HasSubstr("error: the hook exit at stage_started ended with exit"));
}

TEST_F(ObserversTest, WhatGoesWrongAtTheEndIsToldOnceAndLeavesTheExitCode) {
  EXPECT_EQ(run({"copy", "--progress", "none", "--hook", "job_finished=echo bye; exit 7"}), 0);
  EXPECT_EQ(err.text(),
            "info: hook echo at job_finished: bye [hook]\n"
            "warning: the hook echo at job_finished ended with exit status 7 [hook-failed]\n");
  EXPECT_EQ(run({"copy", "--progress", "none", "--events", "/dev/full"}), 0);
  EXPECT_THAT(err.text(), HasSubstr("\nwarning: 4 of the job's events could not be written: No "));
}

TEST_F(ObserversTest, APortThatWasChosenIsTold) {
  EXPECT_EQ(run({"copy", "--progress", "none", "--metrics", "127.0.0.1:0"}), 0);
  EXPECT_THAT(err.text(), StartsWith("info: metrics are served at port "));
}

}  // namespace
}  // namespace pgfanout
