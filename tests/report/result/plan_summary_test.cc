// The summary of plan: go or no-go first, then every reason, the impact, and estimates that say so.
#include "copier/report/result/plan_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/report/result/window_example.h"

namespace pgfanout {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(PlanSummary, OfAGo) {
  EXPECT_EQ(plan_summary(go_plan(), example_next()),
            "go: public.chunks can move into public.chunks_new\n"
            "warnings (1):\n"
            "  1. a session is 3 hours old [long-transaction]\n"
            "     where: pid 4711, app\n"
            "     hint: end it before the window\n"
            "notes (1):\n"
            "  1. free disk cannot be seen [disk-unknown]\n"
            "what changes for the application after the swap (2):\n"
            "  1. inserts must supply partition_key\n"
            "     - function public.add_chunk(text)\n"
            "     - trigger t on public.documents\n"
            "     do: use public.chunks_key(collection_id)\n"
            "  2. ON CONFLICT (id, collection_id) finds no constraint\n"
            "estimated times, from a short calibration; no promise:\n"
            "  copy         about    3:07  1.2 GB at 6.4 MB/s\n"
            "  index        about  40.2 s\n"
            "  together     about    3:47\n"
            "  next         pgfanout run job.toml\n");
}

TEST(PlanSummary, OfANoGoWithEveryReason) {
  JobResult result = go_plan();
  result.verdict = Verdict::unproven;
  result.error = refused("no-go", "2 things must be settled first");
  result.issues.push_back({Severity::error, "disk", "the disk is too small", "", "make room"});
  result.issues.push_back({Severity::critical, "fsync", "fsync is off", "", ""});
  EXPECT_THAT(plan_summary(result, example_next()),
              StartsWith("no-go: 2 things must be settled first [no-go]\n"
                         "reasons against (2):\n"
                         "  1. fsync is off [fsync]\n"
                         "  2. the disk is too small [disk]\n"
                         "     hint: make room\n"
                         "warnings (1):\n"));
  EXPECT_THAT(plan_summary(result, example_next()), Not(HasSubstr("next  ")));
  EXPECT_TRUE(plan_has_answer(result));
}

TEST(PlanSummary, OfAFailureBeforeTheAnswer) {
  JobResult result("plan");
  result.error = refused("table-missing", "there is no table chunkz", "did you mean chunks?");
  EXPECT_EQ(plan_summary(result, example_next()),
            "no-go: there is no table chunkz [table-missing]\n  hint: did you mean chunks?\n");
  EXPECT_FALSE(plan_has_answer(result));
  result.error->consequence = Consequence::interrupt;
  EXPECT_EQ(plan_summary(result, example_next()),
            "error: there is no table chunkz [table-missing]\n  hint: did you mean chunks?\n"
            "interrupted: nothing is damaged; the source is as it was\n");
  EXPECT_FALSE(plan_has_answer(result));
}

TEST(PlanSummary, ChecksThatDidNotEndAreNoGo) {
  JobResult result = go_plan();
  result.verdict = Verdict::unproven;
  EXPECT_THAT(plan_summary(result, example_next()), StartsWith("unproven: the checks did not run"));
  EXPECT_FALSE(plan_has_answer(result));
  result.verdict = Verdict::differs;
  EXPECT_THAT(plan_summary(result, example_next()),
              StartsWith("no-go: public.chunks cannot move into public.chunks_new yet\n"));
}

TEST(PlanSummary, OfADryRunCountsItsStatements) {
  JobResult result = go_plan();
  result.statements = {"-- prepare", "CREATE TABLE x ()"};
  EXPECT_THAT(plan_summary(result, example_next()),
              StartsWith("go: public.chunks can move into public.chunks_new\n"
                         "dry run: 1 statement from public.chunks to public.chunks_new, nothing "
                         "was executed\n"));
}

TEST(PlanSummary, ShowsTheFirstObjectsAndCountsTheOthers) {
  JobResult result = go_plan();
  auto& impact = own_part<PlanResult>(result).impact;
  impact.resize(1);
  impact[0].objects.assign(1025, "view public.v");
  const std::string text = plan_summary(result, example_next());
  EXPECT_THAT(text, HasSubstr("     - view public.v\n     - and 1,005 more: --json has all of "
                              "them\n     do: use"));
}

TEST(PlanSummary, IsSafeOnATerminal) {
  JobResult result = go_plan();
  result.issues[0].message = "\x1b[2Ja\nerror: b";
  auto& plan = own_part<PlanResult>(result);
  plan.impact[0].what = "\x1b]0;t\x07";
  plan.impact[0].objects = {"view \"\x1b\"\nerror: c"};
  plan.estimates[0].basis = "\x1b";
  const std::string text = plan_summary(result, {});
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\nerror:")));
  EXPECT_THAT(text, EndsWith("together     about    3:47\n"));
}

}  // namespace
}  // namespace pgfanout
