// The record of a running job: stages within stages, a bounded series, what happened.
#include "copier/report/record/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

namespace pgfanout {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

RecordedPoint point_at(double at) {
  RecordedPoint point;
  point.at = at;
  point.figures.rows_read = static_cast<std::uint64_t>(at * 10);
  return point;
}

TEST(BoundedSeries, KeepsAllWhileThereIsRoom) {
  BoundedSeries series;
  for (int i = 0; i < 1000; ++i) series.push(point_at(i));
  EXPECT_EQ(series.points().size(), 1000U);
}

TEST(BoundedSeries, NeverGrowsBeyondItsBoundAndCoversAllOfTheTime) {
  BoundedSeries series;
  for (int i = 0; i < 50'000; ++i) {
    series.push(point_at(i));
    if (i % 997 != 0) continue;
    ASSERT_LE(series.points().size(), BoundedSeries::kMostPoints);
  }
  const auto points = series.points();
  EXPECT_LE(points.size(), BoundedSeries::kMostPoints);
  EXPECT_GE(points.size(), BoundedSeries::kMostPoints / 4);
  EXPECT_EQ(points.front().at, 0);
  EXPECT_EQ(points.back().at, 49'999);
  double widest = 0;
  for (std::size_t at = 1; at < points.size(); ++at) {
    ASSERT_GT(points[at].at, points[at - 1].at);
    widest = std::max(widest, points[at].at - points[at - 1].at);
  }
  EXPECT_LE(widest, 100);
}

StageSummary finished(const std::string& name, const std::string& status = "ok") {
  StageSummary stage;
  stage.name = name;
  stage.status = status;
  return stage;
}

TEST(Recorder, StagesWithinStages) {
  JobCounters counters;
  Recorder recorder;
  recorder.job_started("j", counters);
  recorder.stage_started("copy");
  recorder.stage_started("read-back");
  recorder.stage_finished(finished("read-back"));
  recorder.stage_finished(finished("copy", "failed"));
  recorder.stage_started("index");
  const RecordedJob job = recorder.recorded();
  ASSERT_EQ(job.stages.size(), 3U);
  EXPECT_EQ(job.stages[0].depth, 0U);
  EXPECT_EQ(job.stages[0].status, "failed");
  EXPECT_EQ(job.stages[1].depth, 1U);
  EXPECT_EQ(job.stages[1].status, "ok");
  EXPECT_LE(job.stages[1].ended, job.stages[0].ended);
  EXPECT_EQ(job.stages[2].depth, 0U);
  EXPECT_FALSE(job.stages[2].ended);
  EXPECT_EQ(job.stages[2].status, "interrupted");
}

TEST(Recorder, LooksAtTheCountersAlsoInAShortJob) {
  JobCounters counters;
  counters.leaves.open({"p0", "p1"});
  Recorder recorder;
  recorder.job_started("j", counters);
  recorder.stage_started("copy");
  counters.rows_read = 7;
  recorder.stage_finished(finished("copy"));
  const RecordedJob job = recorder.recorded();
  ASSERT_GE(job.points.size(), 2U);
  EXPECT_EQ(job.points.front().figures.rows_read, 0U);
  EXPECT_EQ(job.points.back().figures.rows_read, 7U);
  EXPECT_TRUE(job.points.back().figures.leaf_rows.empty());
}

TEST(Recorder, NothingHappened) {
  Recorder recorder;
  recorder.sampled({});
  recorder.stage_finished(finished("of nobody"));
  const RecordedJob job = recorder.recorded();
  EXPECT_TRUE(job.stages.empty());
  EXPECT_TRUE(job.points.empty());
  EXPECT_GE(job.seconds, 0);
}

TEST(Recorder, AddsUpWhatSessionsWaitFor) {
  Recorder recorder;
  WatchSample sample;
  sample.waits = {{"source", "IO/DataFileRead", 2}, {"target", "LWLock/WALWrite", 1}};
  recorder.sampled(sample);
  recorder.sampled(sample);
  const RecordedJob job = recorder.recorded();
  ASSERT_EQ(job.waits.size(), 2U);
  EXPECT_EQ(job.waits[0].sessions, 4U);
  EXPECT_EQ(job.waits[1].sessions, 2U);
}

TEST(Recorder, MarksWhatHappened) {
  Recorder recorder;
  ThresholdState cpu;
  cpu.value = 91.25;
  cpu.limit = 80;
  cpu.action = WatchAction::slow;
  cpu.is_crossed = true;
  cpu.detail = "of 4 processors";
  recorder.threshold_changed(cpu);
  cpu.is_crossed = false;
  cpu.value.reset();
  recorder.threshold_changed(cpu);
  recorder.gate_reached("verify", true);
  SessionWait wait;
  wait.what = "a lock";
  wait.seconds = 3;
  recorder.wait_changed(wait, WaitChange::begins);
  recorder.wait_changed(wait, WaitChange::lasts);
  recorder.issue_found({Severity::info, "note", "nothing much", "", ""});
  recorder.issue_found({Severity::error, "bad", "something", "", ""});
  const RecordedJob job = recorder.recorded();
  ASSERT_EQ(job.marks.size(), 5U);
  EXPECT_EQ(job.marks[0].what, "cpu");
  EXPECT_EQ(job.marks[0].text, "cpu crossed its limit: 91.25 of 80, action slow; of 4 processors");
  EXPECT_THAT(job.marks[1].text, HasSubstr("is back within its limit: unknown"));
  EXPECT_EQ(job.marks[2].text, "the gate of verify waits for a person");
  EXPECT_EQ(job.marks[3].text, "a wait for a lock begins, after 3 s");
  EXPECT_EQ(job.marks[4].what, "bad");
}

TEST(Recorder, IsToldByTwoThreads) {
  JobCounters counters;
  Recorder recorder;
  recorder.job_started("j", counters);
  std::thread watcher([&] {
    for (int i = 0; i < 500; ++i) recorder.sampled({});
  });
  for (int i = 0; i < 500; ++i) {
    recorder.stage_started("s");
    recorder.stage_finished(finished("s"));
  }
  watcher.join();
  EXPECT_EQ(recorder.recorded().stages.size(), 500U);
}

RecordedJob job_of(double seconds, const std::vector<std::pair<double, std::uint64_t>>& rows) {
  RecordedJob job;
  job.seconds = seconds;
  for (const auto& [at, count] : rows) {
    RecordedPoint point;
    point.at = at;
    point.figures.rows_read = count;
    job.points.push_back(point);
  }
  return job;
}

TEST(Series, GrowthIsSpreadOverItsTime) {
  const RecordedJob job = job_of(4, {{0, 0}, {2, 200}, {4, 200}});
  EXPECT_THAT(rates_of(job, &Figures::rows_read, 4), ElementsAre(100, 100, 0, 0));
  EXPECT_EQ(total_of(job, &Figures::rows_read), 200);
}

TEST(Series, NothingIsLostBetweenPieces) {
  const RecordedJob job = job_of(10, {{0.1, 0}, {1.7, 90}, {3.33, 1000}, {9.9, 1234}, {10, 2000}});
  for (const std::size_t pieces : {1U, 3U, 7U, 120U}) {
    const auto rates = rates_of(job, &Figures::rows_read, pieces);
    const double all =
        std::accumulate(rates.begin(), rates.end(), 0.0) * 10 / static_cast<double>(pieces);
    EXPECT_THAT(all, DoubleNear(2000, 1e-6)) << pieces;
  }
}

TEST(Series, ACounterThatWentBackBeganAnew) {
  const RecordedJob job = job_of(3, {{0, 0}, {1, 100}, {2, 30}, {3, 30}});
  EXPECT_EQ(total_of(job, &Figures::rows_read), 130);
  EXPECT_THAT(rates_of(job, &Figures::rows_read, 3), ElementsAre(100, 30, 0));
}

TEST(Series, AJumpAtOneMomentCounts) {
  const RecordedJob job = job_of(2, {{0, 0}, {1, 0}, {1, 50}, {2, 50}});
  const auto rates = rates_of(job, &Figures::rows_read, 2);
  EXPECT_THAT(rates[0] + rates[1], DoubleNear(50, 1e-6));
}

TEST(Series, NoTimeAndNoPointsAreNoRates) {
  EXPECT_THAT(rates_of(job_of(0, {{0, 0}, {0, 5}}), &Figures::rows_read, 2), ElementsAre(0, 0));
  EXPECT_THAT(rates_of(job_of(5, {}), &Figures::rows_read, 2), ElementsAre(0, 0));
  EXPECT_THAT(rates_of(job_of(5, {}), &Figures::rows_read, 0), ElementsAre());
}

TEST(Series, AboutAPieceASecond) {
  EXPECT_EQ(piece_count(0.4), 8U);
  EXPECT_EQ(piece_count(59.5), 60U);
  EXPECT_EQ(piece_count(100'000), 120U);
}

}  // namespace
}  // namespace pgfanout
