// A running job and its deadline, on real servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/watch_fixture.h"

namespace pgfanout {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;
using ::testing::HasSubstr;
using testing::Watcher;

class DeadlineTest : public testing::WatchFixture {
 protected:
  template <class Duration>
  [[nodiscard]] static JobDescription due_in(JobDescription job, Duration time, bool stops) {
    job.watch.finish_by = system_clock::now() + time;
    job.watch.stop_at_deadline = stops;
    return job;
  }
  static JobResult run_all(const JobDescription& job, Watcher& watcher) {
    const Cancellation never;
    return run_window(job, watcher, never);
  }
};

TEST_F(DeadlineTest, ACopyWithTimeToSpareIsNeitherStoppedNorWarnedOf) {
  make_table(1500, 4);
  Watcher watcher;
  const JobResult result = run(due_in(job(), hours(3), true), watcher);
  EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
  EXPECT_EQ(issue_of(result, "deadline"), nullptr);
  ASSERT_GE(watcher.samples.size(), 1U);
  for (const WatchSample& sample : watcher.samples) {
    ASSERT_TRUE(sample.deadline);
    EXPECT_NE(sample.deadline->outlook, DeadlineState::Outlook::misses) << sample.deadline->advice;
  }
}

TEST_F(DeadlineTest, OneThatMissesItIsToldOnceAndGoesOn) {
  make_table(1500, 4);
  Watcher watcher;
  const JobResult result = run(due_in(job(), milliseconds(200), false), watcher);
  EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
  EXPECT_EQ(std::count_if(result.issues.begin(), result.issues.end(),
                          [](const Issue& issue) { return issue.code == "deadline"; }),
            1);
  EXPECT_EQ(issue_of(result, "deadline")->severity, Severity::warning);
}

TEST_F(DeadlineTest, StopsForItResumably) {
  make_table(20'000, 3);
  const JobDescription due = due_in(job(), seconds(8), true);
  Watcher watcher;
  const JobResult result = run(due, watcher);
  EXPECT_EQ(exit_code_of(result), 3);
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->code, "deadline");
  EXPECT_THAT(result.error->hint, HasSubstr("the same command goes on"));
  EXPECT_TRUE(result.writes_refused);
  // It goes on, without what made it slow.
  execute(
      "CREATE OR REPLACE FUNCTION slow(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1'");
  Watcher again;
  const JobResult rest = run(job(), again);
  EXPECT_EQ(exit_code_of(rest), 0) << (rest.error ? rest.error->message : "");
  EXPECT_EQ(value("SELECT count(*) FROM t_new"), "20000");
}

TEST_F(DeadlineTest, AWindowThatCannotMakeItLeavesTheSourceAlone) {
  make_table(1500, 4);
  Watcher watcher;
  const JobResult result = run_all(due_in(job(), milliseconds(1), true), watcher);
  EXPECT_EQ(exit_code_of(result), 3);
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->code, "deadline");
  EXPECT_FALSE(result.writes_refused);
  EXPECT_EQ(watcher.stages, std::vector<std::string>{"preflight"});
  execute("UPDATE t SET note = note WHERE id = 1");
  Watcher again;
  const JobResult rest = run_all(job(false), again);
  EXPECT_EQ(exit_code_of(rest), 0) << (rest.error ? rest.error->message : "");
}

TEST_F(DeadlineTest, AWindowKnowsItsOutlookFromItsPreflight) {
  make_table(1500, 4);
  Watcher watcher;
  const JobResult result = run_all(due_in(job(), hours(3), true), watcher);
  EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
  bool knows = false;
  for (const WatchSample& sample : watcher.samples) {
    knows = knows || (sample.deadline && sample.deadline->seconds_left_high &&
                      sample.deadline->outlook == DeadlineState::Outlook::makes_it);
  }
  EXPECT_TRUE(knows);
}

TEST_F(DeadlineTest, ThePlanSaysWhetherItFits) {
  make_table(1500, 0);
  const Cancellation never;
  Watcher watcher;
  const JobResult fits = run_plan(due_in(job(), hours(3), false), watcher, never);
  ASSERT_NE(issue_of(fits, "deadline"), nullptr);
  EXPECT_EQ(issue_of(fits, "deadline")->severity, Severity::info);
  EXPECT_EQ(exit_code_of(fits), 0);
  const JobResult misses = run_plan(due_in(job(), milliseconds(1), false), watcher, never);
  ASSERT_NE(issue_of(misses, "deadline"), nullptr);
  EXPECT_EQ(issue_of(misses, "deadline")->severity, Severity::warning);
  EXPECT_THAT(issue_of(misses, "deadline")->message, HasSubstr("missed"));
}

}  // namespace
}  // namespace pgfanout
