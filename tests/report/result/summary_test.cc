// The text at the end: verdict first, figures, issues by severity, nothing that harms a terminal.
#include "copier/report/result/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "copier/report/text/issue_text.h"
#include "tests/report/result/example_result.h"

namespace pgfanout {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string summary_of(const JobResult& result) {
  return copy_summary(result, example_resources());
}

TEST(Summary, OfAProvenCopy) {
  const std::string a(32, 'a');
  EXPECT_EQ(summary_of(proven_copy()),
            "match: 10 rows in public.chunks_new equal public.chunks\n"
            "  rows         10 read, 10 written, 1.2 kB, 5 rows/s, 600 B/s\n"
            "  source       10 rows, digest " +
                a +
                ", PostgreSQL 15.18\n"
                "  target       10 rows, digest " +
                a +
                ", PostgreSQL 16.4\n"
                "  leaves       2; rows: least 4, mean 5, most 6; skew 1.20\n"
                "  stages       copy 2.00 s, attach 0.50 s\n"
                "  used         2 readers, 2 writers, 12.6 MB memory at most, 1.23 s CPU\n"
                "  issues       1 warning, 1 info: see above, on standard error\n");
}

TEST(Summary, NamesRejectsAndKeyMismatches) {
  JobResult result = proven_copy();
  own_part<CopyResult>(result).rows_rejected = 12;
  own_part<CopyResult>(result).key_mismatches = 3;
  const std::string text = summary_of(result);
  EXPECT_THAT(text, StartsWith("match: 10 rows in public.chunks_new equal public.chunks, 12 rows "
                               "set aside\n"));
  EXPECT_THAT(text, HasSubstr("rejected     12 rows, in public.chunks_new_rejects"));
  EXPECT_THAT(text, HasSubstr("stored keys  3 rows"));
}

TEST(Summary, OfDifferencesAndOfWhatCouldNotBeShown) {
  JobResult result = proven_copy();
  result.verdict = Verdict::differs;
  EXPECT_THAT(summary_of(result),
              StartsWith("differs: public.chunks_new does not equal public.chunks\n"));
  result.verdict = Verdict::unproven;
  EXPECT_THAT(summary_of(result),
              StartsWith("unproven: could not show that public.chunks_new equals public.chunks\n"));
  EXPECT_THAT(summary_of(JobResult{}),
              StartsWith("unproven: could not show that the target equals the source\n"));
}

TEST(Summary, OfARefusal) {
  JobResult result("copy");
  result.error =
      refused("table-missing", "there is no table chunkz", "did you mean chunks?", "db1:5432/app");
  EXPECT_EQ(summary_of(result),
            "error: there is no table chunkz [table-missing]\n  where: db1:5432/app\n  hint: did "
            "you mean chunks?\n"
            "refused: the same command would end the same way\n");
}

TEST(Summary, OfAnInterruptionAndABrokenProof) {
  JobResult result = proven_copy();
  result.error = interrupted("disk-full", "the disk is full");
  result.error->sqlstate = "53100";
  EXPECT_THAT(
      summary_of(result),
      StartsWith(
          "error: the disk is full (SQLSTATE 53100) [disk-full]\ninterrupted: nothing is damaged"));
  result.error->consequence = Consequence::unproven;
  EXPECT_THAT(summary_of(result), HasSubstr("\nunproven: a check did not run to its end"));
}

TEST(Summary, DoesNotRepeatTheErrorAsAnIssue) {
  JobResult result;
  result.error = refused("key-null", "a key is NULL");
  result.issues = {{Severity::critical, "key-null", "a key is NULL", "", ""},
                   {Severity::info, "note", "another thing", "", ""}};
  EXPECT_EQ(issues_text(result), "info: another thing [note]\n");
}

TEST(Summary, OfADryRun) {
  JobResult result = proven_copy();
  own_part<CopyResult>(result).rows_read = 0;
  result.statements = {"SELECT 1", "SELECT 2"};
  const std::string text = summary_of(result);
  EXPECT_THAT(text, StartsWith("dry run: 2 statements from public.chunks to public.chunks_new, "
                               "nothing was executed\n"));
  EXPECT_THAT(text, Not(HasSubstr("digest")));
}

TEST(Summary, IsSafeOnATerminal) {
  JobResult result = proven_copy();
  result.source->table = "evil\x1b[2J";
  result.target->table = "e\nrror: vil";
  result.issues[0].message = "\x1b]0;title\x07";
  result.issues[1].where = "a\nerror: b";
  const std::string text = summary_of(result) + issues_text(result);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\x07")));
  EXPECT_THAT(text, HasSubstr("e\\x0arror: vil"));
  EXPECT_THAT(text, Not(HasSubstr("\nerror:")));
}

TEST(Summary, AlignsTheCaretUnderAnExpression) {
  EXPECT_EQ(error_text(refused("key-expression", "no function fo(text)", "", "abs(fo(x))\n    ^")),
            "error: no function fo(text) [key-expression]\n  where: abs(fo(x))\n             ^\n");
}

TEST(IssueText, ColoursTheSeverityOnly) {
  const Issue issue{Severity::critical, "c", "m", "", ""};
  EXPECT_EQ(issue_text(issue), "critical: m [c]");
  EXPECT_EQ(issue_text(issue, true), "\x1b[1;31mcritical\x1b[0m: m [c]");
}

TEST(FenceLine, SaysWhetherWritesAreRefused) {
  JobResult result;
  EXPECT_EQ(fence_line(result), "source: writes are allowed\n");
  result.writes_refused = true;
  EXPECT_EQ(fence_line(result), "source: writes are refused by a fence\n");
}

}  // namespace
}  // namespace pgfanout
