// The texts at the end of run, swap, rollback, cleanup and status, line by line.
#include "copier/report/result/window_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "copier/report/text/issue_text.h"
#include "tests/report/result/window_example.h"

namespace pgfanout {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string window_summary_of(const JobResult& result) {
  return window_summary(result, example_resources(), example_next());
}

JobResult result_of(const std::string& command) {
  JobResult result(command);
  result.source = TableSummary{"public.chunks", 0, "", "15.18"};
  result.verdict = Verdict::match;
  return result;
}

TEST(WindowSummary, OfAProvenRun) {
  const std::string a(32, 'a');
  EXPECT_EQ(window_summary_of(proven_run()),
            "match: 10 rows in public.chunks_new equal public.chunks\n"
            "  rows         10 read, 10 written, 1.2 kB\n"
            "  source       10 rows, digest " +
                a +
                ", PostgreSQL 15.18\n"
                "  target       10 rows, digest " +
                a +
                ", PostgreSQL 16.4\n"
                "  leaves       2; rows: least 4, mean 5, most 6; skew 1.20\n"
                "  used         2 readers, 2 writers, 12.6 MB memory at most, 1.23 s CPU\n"
                "  stage        state           time\n"
                "  preflight    ok            0.21 s\n"
                "  copy         ok            2.00 s  10 rows, 5 rows/s\n"
                "  verify       ok            0.50 s\n"
                "  next         pgfanout swap job.toml\n"
                "  to undo      pgfanout rollback job.toml\n");
}

TEST(WindowSummary, OfARunThatWaits) {
  JobResult result = result_of("run");
  result.verdict = Verdict::unproven;
  result.waiting_at = "copy";
  result.stages = {stage_of("prepare", 1), stage_of("copy", 2, "waiting")};
  EXPECT_EQ(window_summary_of(result),
            "waiting: copy is done, and its gate waits for a person\n"
            "  source       PostgreSQL 15.18\n"
            "  stage        state           time\n"
            "  prepare      ok            1.00 s\n"
            "  copy         waiting       2.00 s\n"
            "  to go on     pgfanout run job.toml --confirm copy\n"
            "  to undo      pgfanout rollback job.toml\n");
}

TEST(WindowSummary, OfARunWithASwap) {
  JobResult result = proven_run();
  result.stages.push_back(stage_of("swap", 0.04));
  own_part<RunResult>(result).status = swapped_status();
  const std::string text = window_summary_of(result);
  EXPECT_THAT(text, StartsWith("swapped: public.chunks is the new table; the old one is kept as "
                               "public.chunks_backup_20260102_020500\n"));
  EXPECT_THAT(text, HasSubstr("  backup       public.chunks_backup_20260102_020500, kept until "
                              "2026-01-09 02:05:00+00\n"));
  EXPECT_THAT(text, EndsWith("  to undo      pgfanout rollback job.toml\n"
                             "  later        pgfanout cleanup job.toml\n"));
}

TEST(WindowSummary, ASwapThatFailedIsNoSwap) {
  JobResult result = proven_run();
  result.stages.push_back(stage_of("swap", 60, "failed"));
  result.error = refused("swap-blocked", "the swap did not get its locks within 60 s",
                         "pid 4711 (app) holds public.chunks");
  EXPECT_THAT(window_summary_of(result),
              StartsWith("error: the swap did not get its locks within 60 s [swap-blocked]\n"
                         "  hint: pid 4711 (app) holds public.chunks\n"
                         "refused: the same command would end the same way\n"));
  EXPECT_THAT(window_summary_of(result), EndsWith("  to undo      pgfanout rollback job.toml\n"));
}

TEST(WindowSummary, OfAnInterruption) {
  JobResult result = result_of("run");
  result.error = interrupted("disk-full", "the disk is full");
  result.stages = {stage_of("copy", 2, "interrupted")};
  EXPECT_EQ(window_summary_of(result),
            "error: the disk is full [disk-full]\n"
            "interrupted: nothing is damaged; the same command goes on\n"
            "  source       PostgreSQL 15.18\n"
            "  stage        state           time\n"
            "  copy         interrupted   2.00 s\n"
            "  to go on     pgfanout run job.toml\n"
            "  to undo      pgfanout rollback job.toml\n");
  result.error->consequence = Consequence::unproven;
  EXPECT_THAT(window_summary_of(result),
              HasSubstr("unproven: a check did not run to its end; do not "
                        "rely on the target\n"));
}

TEST(WindowSummary, ARefusalAtTheStartHasNothingToUndo) {
  JobResult result("run");
  result.error = refused("no-go", "2 things must be settled first");
  EXPECT_EQ(window_summary_of(result),
            "error: 2 things must be settled first [no-go]\n"
            "refused: the same command would end the same way\n");
}

TEST(WindowSummary, OfSwapRollbackAndCleanup) {
  EXPECT_EQ(window_summary_of(result_of("swap")),
            "swapped: public.chunks is the new table\n"
            "  source       PostgreSQL 15.18\n"
            "  to undo      pgfanout rollback job.toml\n"
            "  later        pgfanout cleanup job.toml\n");
  EXPECT_EQ(window_summary_of(result_of("rollback")),
            "rolled back: public.chunks is as it was before the job\n"
            "  source       PostgreSQL 15.18\n");
  EXPECT_EQ(window_summary_of(result_of("cleanup")),
            "cleaned up: the backup of public.chunks is gone\n"
            "  source       PostgreSQL 15.18\n");
}

TEST(WindowSummary, WhatIsNotAMatchIsNeverSaidToBeDone) {
  for (const char* command : {"run", "swap", "rollback", "cleanup"}) {
    JobResult result = result_of(command);
    result.verdict = Verdict::differs;
    EXPECT_THAT(window_summary_of(result), StartsWith("differs: ")) << command;
    result.verdict = Verdict::unproven;
    EXPECT_THAT(window_summary_of(result), StartsWith("unproven: ")) << command;
    EXPECT_THAT(window_summary_of(result), Not(HasSubstr("swap job.toml"))) << command;
  }
}

TEST(WindowSummary, OfADryRun) {
  JobResult result = result_of("swap");
  result.statements = {"ALTER TABLE a RENAME TO b"};
  EXPECT_EQ(window_summary_of(result),
            "dry run: 1 statement from public.chunks to the target, nothing was executed\n");
}

TEST(WindowSummary, IsSafeOnATerminal) {
  JobResult result = proven_run();
  result.stages[0].detail = "\x1b[2J\nerror: a";
  result.stages[1].status = "\x1b";
  auto& status = own_part<RunResult>(result).status;
  status = swapped_status();
  status->backup = "a\nerror: b";
  const std::string text = window_summary_of(result) + status_summary(result, example_next());
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\nerror:")));
}

TEST(StatusSummary, OfAJob) {
  JobResult result("status");
  result.job = "0a1b2c3d";
  result.verdict = Verdict::match;
  result.details = StatusResult{swapped_status()};
  result.stages = {stage_of("prepare", 0.34, "ok", "100 leaves", "2026-01-02 02:00:01+00"),
                   stage_of("swap", 0.04, "ok", "", "2026-01-02 02:05:00+00")};
  EXPECT_EQ(status_summary(result, example_next()),
            "swapped\n"
            "  job          0a1b2c3d\n"
            "  source       db1:5432/app public.chunks\n"
            "  target       db1:5432/app public.chunks_new\n"
            "  started      2026-01-02 02:00:00+00\n"
            "  backup       public.chunks_backup_20260102_020500, kept until 2026-01-09 "
            "02:05:00+00\n"
            "  stage        state       started                    time\n"
            "  prepare      ok          2026-01-02 02:00:01+00   0.34 s  100 leaves\n"
            "  swap         ok          2026-01-02 02:05:00+00   0.04 s\n"
            "  to undo      pgfanout rollback job.toml\n"
            "  later        pgfanout cleanup job.toml\n");
}

TEST(StatusSummary, OfAJobThatWaitsOrRuns) {
  JobResult result("status");
  result.verdict = Verdict::match;
  JobStatus& status = own_part<StatusResult>(result).status.emplace();
  status.state = "open";
  status.waiting_at = "verify";
  status.active = "pid 4711 on db1, since 02:00";
  EXPECT_EQ(status_summary(result, example_next()),
            "open, waiting for a person after verify\n"
            "  works on it  pid 4711 on db1, since 02:00\n"
            "  waits at     verify\n");
}

JobResult open_job() {
  JobResult result("status");
  result.verdict = Verdict::match;
  result.writes_refused = true;
  JobStatus& status = own_part<StatusResult>(result).status.emplace();
  status.state = "open";
  status.next = "pgfanout swap";
  result.stages = {stage_of("prepare", 1), stage_of("verify", 2)};
  return result;
}

std::string first_line_of(const JobResult& result) {
  const std::string text = status_summary(result, example_next());
  return text.substr(0, text.find('\n'));
}

TEST(StatusSummary, SaysWhatAnOpenJobIsReadyFor) {
  JobResult result = open_job();
  NextCommands next = example_next();
  next.standing = "pgfanout swap job.toml";
  EXPECT_THAT(status_summary(result, next),
              AllOf(StartsWith("open, proven and ready for the swap\n"),
                    EndsWith("  next         pgfanout swap job.toml\n"
                             "  to undo      pgfanout rollback job.toml\n")));
  result.stages.back().status = "interrupted";
  EXPECT_EQ(first_line_of(result), "open, verify interrupted");
  result.stages.pop_back();
  EXPECT_EQ(first_line_of(result), "open, prepare is done");
  own_part<StatusResult>(result).status->active = "a session";
  own_part<StatusResult>(result).status->next = "none while it runs";
  EXPECT_THAT(status_summary(result, example_next()),
              EndsWith("  next         none while it runs\n"));
}

TEST(StatusSummary, OffersNoSwapWithoutAFence) {
  JobResult result = open_job();
  result.writes_refused = false;
  EXPECT_THAT(
      status_summary(result, example_next()),
      AllOf(StartsWith("open, but its fence is gone: the source may have changed since it was "
                       "copied\n"),
            Not(HasSubstr("pgfanout swap")),
            EndsWith("  to restart   pgfanout run job.toml --restart\n"
                     "  to undo      pgfanout rollback job.toml\n")));
  result.stages = {stage_of("prepare", 1, "interrupted")};
  EXPECT_EQ(first_line_of(result), "open, prepare interrupted");
}

TEST(WindowSummary, NamesTheTableAsItsUserDoes) {
  JobResult result = result_of("rollback");
  result.source.reset();
  EXPECT_THAT(window_summary_of(result), StartsWith("rolled back: public.chunks is as it was"));
}

TEST(WindowSummary, HasTheStagesInTheOrderOfTheWindow) {
  JobResult result = result_of("run");
  result.stages = {stage_of("prepare", 1), stage_of("preflight", 2), stage_of("copy", 3)};
  const std::string text = window_summary_of(result);
  EXPECT_LT(text.find("  preflight "), text.find("  prepare "));
  EXPECT_LT(text.find("  prepare "), text.find("  copy "));
}

TEST(WindowSummary, SaysThatTheFenceWasLifted) {
  JobResult result = result_of("run");
  result.issues = {{Severity::info, "released", "writes are allowed again", "", ""}};
  const std::string text = window_summary_of(result);
  EXPECT_THAT(text, StartsWith("released: public.chunks takes writes again\n"));
  EXPECT_THAT(text, Not(HasSubstr("pgfanout swap")));
}

TEST(WindowSummary, APreflightThatRefusedLeavesNothingToUndo) {
  JobResult result = result_of("run");
  result.error = refused("no-go", "1 reason not to begin");
  result.stages = {stage_of("preflight", 1, "failed")};
  EXPECT_THAT(window_summary_of(result), Not(HasSubstr("to undo")));
  result.stages.push_back(stage_of("prepare", 1, "failed"));
  EXPECT_THAT(window_summary_of(result), HasSubstr("to undo"));
}

TEST(StatusSummary, AJobThatIsUndoneWaitsForNobody) {
  JobResult result = open_job();
  own_part<StatusResult>(result).status->state = "rolled back";
  own_part<StatusResult>(result).status->waiting_at = "verify";
  EXPECT_EQ(first_line_of(result), "rolled back");
  EXPECT_THAT(status_summary(result, example_next()), Not(HasSubstr("waits at")));
}

TEST(StatusSummary, OfNoJobAndOfAFailure) {
  JobResult result;
  result.verdict = Verdict::match;
  EXPECT_EQ(status_summary(result, example_next()),
            "no job: the journal knows none for this table\n"
            "  next         pgfanout run job.toml\n");
  result.error = interrupted("connect", "the server does not answer");
  EXPECT_EQ(status_summary(result, example_next()),
            "error: the server does not answer [connect]\n");
}

TEST(WindowFenceLine, SaysHowToLiftTheFence) {
  JobResult result;
  EXPECT_EQ(fence_line(result, "pgfanout run job.toml --release"), "source: writes are allowed\n");
  result.error = refused("connect", "the server does not answer");
  EXPECT_EQ(fence_line(result), "source: writes are as they were\n") << "nobody looked";
  result.writes_refused = true;
  EXPECT_EQ(fence_line(result), "source: writes are refused by a fence\n");
  result.writes_refused = false;
  result.job = "0a1b2c3d";
  EXPECT_EQ(fence_line(result), "source: writes are allowed\n");
  result.writes_refused = true;
  EXPECT_EQ(fence_line(result, "pgfanout run job.toml --release"),
            "source: writes are refused by a fence until swap or rollback; to lift it now: "
            "pgfanout run job.toml --release\n");
}

}  // namespace
}  // namespace pgfanout
