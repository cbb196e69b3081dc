// Exit codes and statuses: the error's consequence first, then the verdict.
#include "pgfanout/job_result.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace pgfanout {
namespace {

constexpr std::array verdicts = {Verdict::match, Verdict::differs, Verdict::unproven};

JobResult result_of(Verdict verdict, std::optional<Consequence> consequence) {
  JobResult result;
  result.verdict = verdict;
  if (consequence) {
    result.error = refused("code", "message");
    result.error->consequence = *consequence;
  }
  return result;
}

TEST(ExitCode, FollowsTheVerdictWithoutAnError) {
  EXPECT_EQ(exit_code_of(result_of(Verdict::match, {})), 0);
  EXPECT_EQ(exit_code_of(result_of(Verdict::differs, {})), 1);
  EXPECT_EQ(exit_code_of(result_of(Verdict::unproven, {})), 4);
}

TEST(ExitCode, WaitingAtAGateIsNoSuccess) {
  JobResult result = result_of(Verdict::match, {});
  result.waiting_at = "verify";
  EXPECT_EQ(exit_code_of(result), 3);
  EXPECT_EQ(status_of(result), "waiting");
}

TEST(ExitCode, AnErrorWinsOverEveryVerdict) {
  for (const Verdict verdict : verdicts) {
    EXPECT_EQ(exit_code_of(result_of(verdict, Consequence::refuse)), 2);
    EXPECT_EQ(exit_code_of(result_of(verdict, Consequence::interrupt)), 3);
    EXPECT_EQ(exit_code_of(result_of(verdict, Consequence::unproven)), 4);
  }
}

TEST(ExitCode, AResultThatNobodyFilledIsNoSuccess) {
  EXPECT_EQ(exit_code_of(JobResult{}), 4);
  EXPECT_EQ(status_of(JobResult{}), "unproven");
}

TEST(ExitCode, ValuesOutsideTheEnumsAreNoSuccess) {
  EXPECT_EQ(exit_code_of(result_of(static_cast<Verdict>(9), {})), 4);
  EXPECT_EQ(exit_code_of(result_of(Verdict::match, static_cast<Consequence>(9))), 4);
}

TEST(Status, NamesEveryExitCode) {
  EXPECT_EQ(status_of(result_of(Verdict::match, {})), "ok");
  EXPECT_EQ(status_of(result_of(Verdict::differs, {})), "differences");
  EXPECT_EQ(status_of(result_of(Verdict::unproven, {})), "unproven");
  for (const Verdict verdict : verdicts) {
    EXPECT_EQ(status_of(result_of(verdict, Consequence::refuse)), "refused");
    EXPECT_EQ(status_of(result_of(verdict, Consequence::interrupt)), "interrupted");
    EXPECT_EQ(status_of(result_of(verdict, Consequence::unproven)), "unproven");
  }
}

std::optional<double> skew_of_rows(const std::vector<std::uint64_t>& rows) {
  std::vector<PartitionSummary> leaves;
  for (const std::uint64_t each : rows) leaves.push_back({std::nullopt, "leaf", each, "", 0});
  return skew_of(leaves);
}

TEST(Skew, IsTheLargestLeafOverTheMean) {
  EXPECT_EQ(skew_of_rows({}), std::nullopt);
  EXPECT_EQ(skew_of_rows({0, 0}), std::nullopt);
  EXPECT_EQ(skew_of_rows({5}), 1.0);
  EXPECT_EQ(skew_of_rows({6, 0, 0}), 3.0);
  EXPECT_EQ(skew_of_rows({1, 3, 2, 2}), 1.5);
}

TEST(Details, AreOfTheCommandsType) {
  EXPECT_NE(copy_part(JobResult("run")), nullptr);
  EXPECT_NE(copy_part(JobResult("copy")), nullptr);
  EXPECT_EQ(copy_part(JobResult("verify")), nullptr);
  EXPECT_NE(read_part(JobResult("verify")), nullptr);
  EXPECT_EQ(read_part(JobResult("swap")), nullptr);
  EXPECT_EQ(JobResult("bench").details.index(), 0U);
  EXPECT_EQ(differences_of(JobResult("run")), nullptr);
}

}  // namespace
}  // namespace pgfanout
