// A running job and its deadline, on real servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/integration/watch_fixture.h"

namespace pgfanout {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
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
  make_table(200);
  Watcher watcher;
  let_go_when(watcher, [](const WatchSample&) { return true; });
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
  make_table(200);
  Watcher watcher;
  let_go_when(watcher, [&](const WatchSample&) { return watcher.samples.size() > 2; });
  const JobResult result = run(due_in(job(), milliseconds(1), false), watcher);
  EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
  EXPECT_EQ(std::count_if(result.issues.begin(), result.issues.end(),
                          [](const Issue& issue) { return issue.code == "deadline"; }),
            1);
  EXPECT_EQ(issue_of(result, "deadline")->severity, Severity::warning);
}

TEST_F(DeadlineTest, StopsForItResumably) {
  make_table(200);
  JobDescription due = due_in(job(), hours(3), true);
  std::atomic<bool> is_over{false};
  due.watch.clock = [&] { return system_clock::now() + (is_over ? hours(4) : hours(0)); };
  Watcher watcher;
  watcher.at_stage = [&](std::string_view stage) { is_over = stage == "copy"; };
  const JobResult result = run(due, watcher);  // Which is held for as long as it wants.
  EXPECT_EQ(exit_code_of(result), 3);
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->code, "deadline");
  EXPECT_THAT(result.error->hint, HasSubstr("run the same command again"));
  EXPECT_TRUE(result.writes_refused);
  let_go();
  Watcher again;
  const JobResult rest = run(job(), again);
  EXPECT_EQ(exit_code_of(rest), 0) << (rest.error ? rest.error->message : "");
  EXPECT_EQ(value("SELECT count(*) FROM t_new"), "200");
}

TEST_F(DeadlineTest, AWindowThatCannotMakeItLeavesTheSourceAlone) {
  make_table(200);
  Watcher watcher;
  const JobResult result = run_all(due_in(job(), milliseconds(1), true), watcher);
  EXPECT_EQ(exit_code_of(result), 3);
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->code, "deadline");
  EXPECT_FALSE(result.writes_refused);
  EXPECT_EQ(watcher.stages, std::vector<std::string>{"preflight"});
  execute("UPDATE t SET note = note WHERE id = 1");
  let_go();
  Watcher again;
  const JobResult rest = run_all(job(), again);
  EXPECT_EQ(exit_code_of(rest), 0) << (rest.error ? rest.error->message : "");
}

TEST_F(DeadlineTest, AWindowKnowsItsOutlookFromItsPreflight) {
  make_table(200);
  Watcher watcher;
  bool knows = false;
  let_go_when(watcher, [&](const WatchSample& sample) {
    knows = knows || (sample.deadline && sample.deadline->seconds_left_high &&
                      sample.deadline->outlook == DeadlineState::Outlook::makes_it);
    return knows;
  });
  const JobResult result = run_all(due_in(job(), hours(3), true), watcher);
  EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
  EXPECT_TRUE(knows);
}

TEST_F(DeadlineTest, ThePlanSaysWhetherItFits) {
  make_table(200);
  const Cancellation never;
  Watcher watcher;
  JobDescription due = due_in(job(), hours(3), false);
  const JobResult fits = run_plan(due, watcher, never);
  ASSERT_NE(issue_of(fits, "deadline"), nullptr);
  EXPECT_EQ(issue_of(fits, "deadline")->severity, Severity::info);
  EXPECT_EQ(exit_code_of(fits), 0);
  due.watch.clock = [] { return system_clock::now() + hours(3); };
  const JobResult misses = run_plan(due, watcher, never);
  ASSERT_NE(issue_of(misses, "deadline"), nullptr);
  EXPECT_EQ(issue_of(misses, "deadline")->severity, Severity::warning);
  EXPECT_THAT(issue_of(misses, "deadline")->message, HasSubstr("missed"));
}

}  // namespace
}  // namespace pgfanout
