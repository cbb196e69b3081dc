// How long the rest takes, whether a deadline is met, and what may begin or must stop.
#include "copier/watch/deadline.h"

#include <gtest/gtest.h>

#include <ctime>

namespace pgfanout {
namespace {

using Outlook = DeadlineState::Outlook;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

ClockTime clock_at(int day, int hour, int minute) {
  std::tm local{};
  local.tm_year = 126;
  local.tm_mon = 10;
  local.tm_mday = day;
  local.tm_hour = hour;
  local.tm_min = minute;
  local.tm_isdst = -1;
  return std::chrono::system_clock::from_time_t(std::mktime(&local));
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(DeadlineTest, BestAndWorstCaseDecide) {
  const ClockTime now = clock_at(21, 3, 0);
  const ClockTime by = clock_at(21, 4, 0);
  const auto outlook = [&](double low, double high) {
    return judge_deadline(by, now, Span{low, high}, {}).outlook;
  };
  EXPECT_EQ(outlook(1800, 3600), Outlook::makes_it);
  EXPECT_EQ(outlook(1800, 3601), Outlook::close);
  EXPECT_EQ(outlook(3600, 7200), Outlook::close);
  EXPECT_EQ(outlook(3601, 7200), Outlook::misses);
  EXPECT_EQ(judge_deadline(by, now, {}, {}).outlook, Outlook::unknown);
  EXPECT_EQ(judge_deadline(by, by + seconds(1), {}, {}).outlook, Outlook::misses);
}

TEST(DeadlineTest, SaysWhenInWords) {
  const ClockTime now = clock_at(21, 3, 0);
  const auto state = judge_deadline(clock_at(21, 4, 0), now, Span{1800, 2700}, {});
  EXPECT_EQ(state.advice, "done between 03:30 and 03:45, before 04:00");
  EXPECT_TRUE(has(judge_deadline(clock_at(21, 4, 0), now, Span{1800, 5400}, {}).advice,
                  "04:00 may be missed"));
  EXPECT_TRUE(has(judge_deadline(clock_at(21, 4, 0), now, Span{4800, 5400}, {}).advice,
                  "04:00 will be missed"));
}

TEST(DeadlineTest, AnotherDayIsNamed) {
  EXPECT_EQ(clock_text(clock_at(22, 4, 0), clock_at(21, 22, 0)), "04:00 on 2026-11-22");
  EXPECT_EQ(clock_text(clock_at(21, 4, 5), clock_at(21, 3, 0)), "04:05");
}

TEST(DeadlineTest, TurningBackTakesItsTimeToo) {
  const ClockTime now = clock_at(21, 3, 0);
  const ClockTime by = clock_at(21, 4, 0);
  TurningBack back{true, false, 600, "'pgfanout rollback'"};
  auto state = judge_deadline(by, now, Span{4800, 5400}, back);
  ASSERT_TRUE(state.turn_back_by);
  EXPECT_EQ(*state.turn_back_by, by - minutes(10));
  EXPECT_TRUE(has(state.advice, "begin 'pgfanout rollback' by 03:50")) << state.advice;
  state = judge_deadline(by, clock_at(21, 3, 55), Span{4800, 5400}, back);
  EXPECT_TRUE(has(state.advice, "does not end before it either")) << state.advice;
  back.is_swapping = true;
  EXPECT_TRUE(has(judge_deadline(by, now, {}, back).advice, "compares both tables"));
  back.seconds.reset();
  EXPECT_FALSE(judge_deadline(by, now, {}, back).turn_back_by);
  back.is_fenced = false;
  EXPECT_TRUE(has(judge_deadline(by, now, {}, back).advice, "can be stopped at any time"));
}

TimeLeft::Moment moment_at(int second) {
  return TimeLeft::Moment() + seconds(second);
}

TEST(TimeLeftTest, EstimatesHaveASpread) {
  TimeLeft left({"load", "read-back", "index"});
  EXPECT_FALSE(left.left(moment_at(0)));
  left.set_estimates({{"copy", 100, ""}, {"index", 50, ""}, {"no part of it", 9, ""}});
  const auto span = left.left(moment_at(0));
  ASSERT_TRUE(span);
  EXPECT_NEAR(span->low, 105, 0.01);
  EXPECT_NEAR(span->high, 195, 0.01);
  EXPECT_NEAR(left.left_of("load", moment_at(0))->low, 0.7 * 75, 0.01);
}

TEST(TimeLeftTest, TheRunningPartGoesByItsRate) {
  TimeLeft left({"load"});
  left.begin("load", moment_at(0));
  for (int second = 1; second <= 10; ++second) left.progress(second * 0.05, moment_at(second));
  const auto span = left.left(moment_at(10));
  ASSERT_TRUE(span);
  // Half is done in 10 s, evenly: the spread is that of a rate alone.
  EXPECT_NEAR(span->low, 9, 0.01);
  EXPECT_NEAR(span->high, 11, 0.01);
}

TEST(TimeLeftTest, ARateThatWandersWidensTheSpan) {
  TimeLeft left({"load"});
  left.begin("load", moment_at(0));
  for (int second = 1; second <= 40; ++second) left.progress(second * 0.0125, moment_at(second));
  for (int second = 41; second <= 60; ++second)
    left.progress(0.5 + (second - 40) * 0.00125, moment_at(second));
  const auto span = left.left(moment_at(60));
  ASSERT_TRUE(span);
  EXPECT_LT(span->low, 60);
  EXPECT_GT(span->high, 300);
}

TEST(TimeLeftTest, WorkThatBeginsAgainIsMeasuredAgain) {
  TimeLeft left({"load"});
  left.begin("load", moment_at(0));
  for (int second = 1; second <= 5; ++second) left.progress(second * 0.1, moment_at(second));
  left.progress(0.1, moment_at(6));
  const auto span = left.left(moment_at(6));
  ASSERT_TRUE(span);
  EXPECT_NEAR(span->low, 0.9 / (0.1 / 6) * 0.9, 0.01);
}

TEST(TimeLeftTest, WhatPartsTookCorrectsTheOthers) {
  TimeLeft left({"load", "read-back", "index"});
  left.set_estimates({{"copy", 100, ""}, {"index", 50, ""}});
  left.begin("load", moment_at(0));
  left.end("load", moment_at(150));  // Twice the 75 s of its estimate.
  const auto span = left.left(moment_at(150));
  ASSERT_TRUE(span);
  EXPECT_NEAR(span->low, 2 * 75 * 0.7, 0.01);
  EXPECT_NEAR(span->high, 2 * 75 * 1.3, 0.01);
  left.begin("index", moment_at(200));
  EXPECT_EQ(left.left_of("read-back", moment_at(200))->high, 0);
}

TEST(TimeLeftTest, WithoutEstimatesTheLoadTellsOfTheReadBack) {
  TimeLeft left({"load", "read-back"});
  left.begin("load", moment_at(0));
  EXPECT_FALSE(left.left(moment_at(1)));
  left.progress(0.25, moment_at(10));
  left.progress(0.5, moment_at(20));
  const auto span = left.left(moment_at(20));
  ASSERT_TRUE(span);
  EXPECT_GT(span->high, 22 + 40.0 / 3);
  left.end("load", moment_at(40));
  EXPECT_NEAR(left.left(moment_at(40))->low, 40.0 / 3 * 0.4, 0.01);
}

TEST(TimeLeftTest, LongerThanItsEstimateIsNotAtItsEnd) {
  TimeLeft left({"index"});
  left.set_estimates({{"index", 10, ""}});
  left.begin("index", moment_at(0));
  const auto span = left.left(moment_at(100));
  ASSERT_TRUE(span);
  EXPECT_EQ(span->low, 0);
  EXPECT_NEAR(span->high, 30, 0.01);
  left.end("index", moment_at(110));
  EXPECT_EQ(left.left(moment_at(110))->high, 0);
}

using Stages = std::vector<std::string>;
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
  (void)deadline.judge(copying, counters, at(19));
  EXPECT_EQ(deadline.must_stop(copying, at(80)), Stop::none);
  counters.epochs_done = 1;
  (void)deadline.judge(copying, counters, at(20));  // The first epoch took 20 s.
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
  (void)deadline.judge(copying, counters, at(20));
  EXPECT_EQ(deadline.must_stop(copying, at(93)), Stop::none);  // 5 s and half a one are enough.
  EXPECT_EQ(deadline.must_stop(copying, at(96)), Stop::soon);
}

TEST(JobDeadlineTest, SaysThroughoutWhereItStands) {
  const JobDescription job = job_with(1000);
  JobDeadline deadline(job, "copy");
  JobCounters counters;
  counters.rows_expected = 100;
  EXPECT_EQ(deadline.judge({}, counters, at(0)).outlook, DeadlineState::Outlook::unknown);
  deadline.stage_started({"copy"}, at(0));
  counters.rows_read = 50;
  const auto state = deadline.judge({"copy"}, counters, at(50));
  EXPECT_EQ(state.outlook, DeadlineState::Outlook::makes_it) << state.advice;
  ASSERT_TRUE(state.turn_back_by);
  EXPECT_LT(*state.turn_back_by, *job.watch.finish_by);
  EXPECT_NE(state.advice.find("copy --release"), std::string::npos);
}

}  // namespace
}  // namespace pgfanout
