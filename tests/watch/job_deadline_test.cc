// A job's stages against its deadline: what may begin, and when to stop.
#include "copier/watch/job_deadline.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using Stages = std::vector<std::string>;
using std::chrono::seconds;
using Stop = JobDeadline::Stop;

const TimePoint start{std::chrono::steady_clock::now(), std::chrono::system_clock::now()};

TimePoint at(int second) {
  return {start.steady + seconds(second), start.clock + seconds(second)};
}

JobDescription job_with(int finish_in_seconds) {
  JobDescription job;
  job.table = "t";
  job.watch.finish_by = at(finish_in_seconds).clock;
  job.watch.stop_at_deadline = true;
  return job;
}

TEST(JobDeadlineTest, PartsOfStages) {
  EXPECT_EQ(part_of("copy", {"copy"}), "load");
  EXPECT_EQ(part_of("run", {"copy"}), "copy");
  EXPECT_EQ(part_of("run", {"copy", "copy"}), "load");
  EXPECT_EQ(part_of("run", {"copy", "read-back"}), "read-back");
  EXPECT_EQ(part_of("run", {"copy", "prepare"}), "");
  EXPECT_EQ(part_of("run", {"verify", "data"}), "");
  EXPECT_EQ(part_of("verify", {"data"}), "data");
  EXPECT_EQ(part_of("run", {}), "");
}

TEST(JobDeadlineTest, AJobThatCannotEndInTimeLeavesTheSourceAlone) {
  const JobDescription job = job_with(100);
  JobDeadline deadline(job, "run");
  for (const char* stage : {"prepare", "index", "constraints", "analyze", "verify"}) {
    deadline.set_estimates({{stage, 1, ""}});
  }
  deadline.set_estimates({{"copy", 200, ""}});
  EXPECT_TRUE(deadline.may_begin({"preflight"}, at(0)));
  const auto refused = deadline.may_begin({"prepare"}, at(0));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "deadline");
  EXPECT_EQ(refused.error().consequence, Consequence::interrupt);
  EXPECT_NE(refused.error().message.find("the job takes"), std::string::npos);
}

TEST(JobDeadlineTest, LaterOnlyTheStageThatBegins) {
  const JobDescription job = job_with(100);
  JobDeadline deadline(job, "run");
  deadline.set_estimates({{"index", 40, ""}, {"constraints", 200, ""}});
  deadline.stage_started({"index"}, at(0));
  EXPECT_TRUE(deadline.may_begin({"index"}, at(0)));
  deadline.stage_finished({"index"}, at(40));
  deadline.stage_started({"constraints"}, at(40));
  const auto refused = deadline.may_begin({"constraints"}, at(40));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("the stage constraints"), std::string::npos);
  EXPECT_NE(refused.error().hint.find("writes stay refused"), std::string::npos);
}

TEST(JobDeadlineTest, WithoutTheOptionNothingIsStopped) {
  JobDescription job = job_with(10);
  job.watch.stop_at_deadline = false;
  JobDeadline deadline(job, "run");
  EXPECT_TRUE(deadline.may_begin({"prepare"}, at(100)));
  EXPECT_EQ(deadline.must_stop({"index"}, at(100)), Stop::none);
}

TEST(JobDeadlineTest, StopsAMomentBeforeAndNeverInTheSwap) {
  const JobDescription job = job_with(100);
  const JobDeadline deadline(job, "run");
  EXPECT_EQ(deadline.must_stop({"index"}, at(94)), Stop::none);
  EXPECT_EQ(deadline.must_stop({"index"}, at(96)), Stop::soon);
  EXPECT_EQ(deadline.must_stop({"index"}, at(100)), Stop::at_once);
  EXPECT_EQ(deadline.must_stop({"swap"}, at(100)), Stop::none);
  EXPECT_FALSE(deadline.may_begin({"swap"}, at(100)));
}

TEST(JobDeadlineTest, AnEpochIsGivenTimeToEnd) {
  const JobDescription job = job_with(100);
  JobDeadline deadline(job, "run");
  const Stages copying = {"copy", "copy"};
  JobCounters counters;
  deadline.stage_started({"copy"}, at(0));
  deadline.stage_started(copying, at(0));
  (void)deadline.look(copying, counters, at(19));
  EXPECT_EQ(deadline.must_stop(copying, at(80)), Stop::none);
  counters.epochs_done = 1;
  (void)deadline.look(copying, counters, at(20));  // The first epoch took 20 s.
  EXPECT_EQ(deadline.must_stop(copying, at(72)), Stop::none);
  EXPECT_EQ(deadline.must_stop(copying, at(74)), Stop::soon);
}

TEST(JobDeadlineTest, ShortEpochsAreMeasuredTogether) {
  const JobDescription job = job_with(100);
  JobDeadline deadline(job, "run");
  const Stages copying = {"copy", "copy"};
  JobCounters counters;
  deadline.stage_started({"copy"}, at(0));
  deadline.stage_started(copying, at(0));
  counters.epochs_done = 40;
  (void)deadline.look(copying, counters, at(20));
  EXPECT_EQ(deadline.must_stop(copying, at(93)), Stop::none);  // 5 s and half a one are enough.
  EXPECT_EQ(deadline.must_stop(copying, at(96)), Stop::soon);
}

TEST(JobDeadlineTest, SaysThroughoutWhereItStands) {
  const JobDescription job = job_with(1000);
  JobDeadline deadline(job, "copy");
  JobCounters counters;
  counters.rows_expected = 100;
  EXPECT_EQ(deadline.look({}, counters, at(0)).outlook, DeadlineState::Outlook::unknown);
  deadline.stage_started({"copy"}, at(0));
  counters.rows_read = 50;
  const auto state = deadline.look({"copy"}, counters, at(50));
  EXPECT_EQ(state.outlook, DeadlineState::Outlook::makes_it) << state.advice;
  ASSERT_TRUE(state.turn_back_by);
  EXPECT_LT(*state.turn_back_by, *job.watch.finish_by);
  EXPECT_NE(state.advice.find("copy --release"), std::string::npos);
}

}  // namespace
}  // namespace pgfanout
