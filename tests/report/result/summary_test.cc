// The text at the end of each command.
#include "copier/report/result/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "copier/report/result/json_report.h"
#include "copier/report/text/issue_text.h"
#include "tests/report/result/example_result.h"
#include "tests/report/result/window_example.h"

namespace pgfanout {
namespace {

using testing::AllOf;
using testing::EndsWith;
using ::testing::HasSubstr;
using testing::HasSubstr;
using ::testing::Not;
using testing::Not;
using ::testing::StartsWith;
using testing::StartsWith;

std::string plan_summary_of(const JobResult& result, const NextCommands& next) {
  return summary_of(result, example_resources(), next);
}

std::string status_summary_of(JobResult result, const NextCommands& next) {
  result.command = "status";
  return summary_of(result, example_resources(), next);
}

std::string summary_of(const JobResult& result) {
  return summary_of(result, example_resources());
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

TEST(Summary, OfQueries) {
  JobResult result("queries");
  result.verdict = Verdict::differs;
  result.queries = example_queries();
  EXPECT_EQ(summary_of(result),
            "differs: 1 of 3 queries passed, 1 failed, 1 not run\n"
            "  status       result        p95 before   p95 after  ratio    leaves  query\n"
            "  passed       same              2.0 ms      1.0 ms   0.50     1/100  by key\n"
            "  failed       same              2.0 ms      1.0 ms   0.50   100/100  all\n"
            "  not run      not compared           -           -      -         -  change\n"
            "  before       host's processors 50 %, memory 20 %, with these queries\n"
            "  after        host's processors 60 %, memory 21 %, with these queries\n"
            "  never used   chunks_created_at_idx\n");
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

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

JobResult verified(const std::string& stage, Verdict verdict) {
  JobResult result("verify");
  result.source = {"public.chunks", 10, std::string(32, 'a'), "15.18"};
  result.target = {"public.chunks_new", 10, std::string(32, 'a'), "16.4"};
  auto& verified = own_part<VerifyResult>(result);
  verified.rows_read = 20;
  verified.readers = 4;
  StageSummary summary;
  summary.name = stage;
  summary.seconds = 2;
  result.stages = {summary};
  result.verdict = verdict;
  if (stage == "data") verified.differences = Differences();
  return result;
}

std::string verify_summary_of(const JobResult& result) {
  return summary_of(result, example_resources());
}

TEST(VerifySummary, OnlyAllRowsAreAMatch) {
  EXPECT_THAT(verify_summary_of(verified("data", Verdict::match)),
              StartsWith("match: 10 rows in public.chunks_new equal public.chunks\n"));
  EXPECT_THAT(verify_summary_of(verified("quick", Verdict::match)),
              StartsWith("passed: quick checks of public.chunks_new against public.chunks; rows "
                         "were not compared\n"));
  EXPECT_THAT(verify_summary_of(verified("schema", Verdict::differs)),
              StartsWith("failed: schema"));
  EXPECT_THAT(verify_summary_of(verified("quick", Verdict::unproven)), StartsWith("unproven: "));
}

TEST(VerifySummary, SaysHowRowsWereComparedAndHowStrongThatIs) {
  JobResult result = verified("data", Verdict::match);
  RowComparison& how = own_part<VerifyResult>(result).comparison;
  how = {"stream", kStreamStrength};
  EXPECT_THAT(verify_summary_of(result),
              HasSubstr("  compared by  stream: 128-bit digest of every byte, in the client\n"));
  how = {"hash", kHashStrength};
  std::string text = verify_summary_of(result);
  EXPECT_THAT(text, HasSubstr("source       10 rows, hash aaaa"));
  EXPECT_THAT(text, HasSubstr("hash: 64-bit hash of each row, summed by leaf in the server\n"
                              "               finds accidents, not forgery"));
  EXPECT_THAT(text, Not(HasSubstr("digest")));
  const auto document = nlohmann::json::parse(json_report(result, example_resources()));
  EXPECT_EQ(document["comparison"]["by"], "hash");
  EXPECT_EQ(document["comparison"]["rows_streamed"], 0);
  EXPECT_EQ(document["source"]["rows"], 10);
  EXPECT_EQ(document["source"]["digest"], std::string(32, 'a'));
  how.leaves_streamed = 1;
  how.rows_streamed = 7;
  text = verify_summary_of(result);
  EXPECT_THAT(text, HasSubstr("streamed to name rows: 1 leaf, 7 rows\n"));
}

TEST(VerifySummary, NamesRowsAndSaysHowManyMore) {
  JobResult result = verified("data", Verdict::differs);
  auto& found = own_part<VerifyResult>(result);
  found.differences->changed = 30;
  for (int id = 0; id < 25; ++id) {
    found.differences->rows.push_back({"changed",
                                       {{"id", std::to_string(id), true}},
                                       "public.chunks_h01 (0,1)",
                                       "public.chunks_new_p07 (0,5)",
                                       {"content", "metadata"}});
  }
  const std::string text = verify_summary_of(result);
  EXPECT_THAT(text, StartsWith("differs: public.chunks_new does not equal public.chunks\n"));
  EXPECT_THAT(text, HasSubstr("0 missing, 0 extra, 30 changed, 0 misplaced"));
  EXPECT_THAT(text, HasSubstr("changed   id=0; source public.chunks_h01 (0,1); target "
                              "public.chunks_new_p07 (0,5); columns content, metadata\n"));
  EXPECT_THAT(text, HasSubstr("and 10 more"));
}

TEST(VerifySummary, FailedChecksAreNoDifferenceOfRows) {
  JobResult result = verified("data", Verdict::differs);
  result.issues.push_back({Severity::error, "orphans", "3 rows refer to nothing", "", ""});
  EXPECT_THAT(verify_summary_of(result),
              StartsWith("rows equal: public.chunks_new has the rows of public.chunks, but rows "
                         "refer to rows that are not there\n"));
  result.issues.push_back({Severity::error, "schema-missing", "index i: missing", "", ""});
  result.issues.push_back({Severity::warning, "sequence-behind", "as on the source", "", ""});
  EXPECT_THAT(verify_summary_of(result),
              StartsWith("rows equal: public.chunks_new has the rows of public.chunks, but rows "
                         "refer to rows that are not there, the schema differs\n"));
}

TEST(WindowSummary, EqualRowsAreNotSaidToDiffer) {
  JobResult result("run");
  result.verdict = Verdict::differs;
  result.source = {"public.t", 10, "aa", "15"};
  result.target = {"public.t_new", 10, "aa", "15"};
  result.issues.push_back({Severity::error, "not-valid", "index i is not valid", "", ""});
  EXPECT_EQ(outcome_line(result, {}),
            "rows equal: public.t_new has the rows of public.t, but a constraint or an index is "
            "not valid\n");
  result.issues.push_back({Severity::critical, "rows-differ", "a row came in between", "", ""});
  EXPECT_EQ(outcome_line(result, {}), "differs: public.t_new does not equal public.t\n");
  result.issues.pop_back();
  StageSummary swap;
  swap.name = "swap";
  swap.status = "ok";
  result.stages.push_back(swap);
  EXPECT_EQ(outcome_line(result, {}),
            "swapped: public.t is the new table, but a constraint or an index is not valid\n");
}

TEST(VerifySummary, SchemaAsATableWithTheOrderOfDeployment) {
  JobResult result = verified("schema", Verdict::differs);
  auto& found = own_part<VerifyResult>(result);
  found.schema.push_back({"column", "id", "bigint", "bigint", "none", "", Severity::info});
  found.schema.push_back({"index", "by content", "btree (content)", "", "missing",
                          "queries that use it get slow", Severity::warning});
  found.deployment_order = {"CREATE INDEX ON t USING btree (content);"};
  const std::string text = verify_summary_of(result);
  EXPECT_THAT(text, HasSubstr("2 objects compared, 1 without a gap"));
  EXPECT_THAT(text, HasSubstr("WARNING   index            by content                   missing "));
  EXPECT_THAT(text, HasSubstr("    CREATE INDEX ON t USING btree (content);\n"));
  EXPECT_THAT(text, HasSubstr("    index                  1       0       1       0         0\n"));
}

TEST(VerifySummary, CriteriaAsATableAndThoseOfARunThatFailed) {
  JobResult result = verified("data", Verdict::match);
  const std::vector<CriterionResult> criteria = {
      {"row counts equal", "pass", Severity::critical, "5 on each side", ""},
      {"skew below 1.5", "fail", Severity::warning, "1.70", "skew"},
      {"schema", "not checked", Severity::error, "this scope does not look at it", ""}};
  own_part<VerifyResult>(result).criteria = criteria;
  const std::string text = verify_summary_of(result);
  EXPECT_THAT(text, HasSubstr("criteria     1 pass, 1 fail, 1 not checked\n"));
  EXPECT_THAT(text,
              HasSubstr("    pass           CRITICAL  row counts equal             5 on each"));
  EXPECT_THAT(text, HasSubstr("    fail           WARNING   skew below 1.5               1.70\n"));
  const auto document = json_document(result, {});
  EXPECT_EQ(document["criteria"].size(), 3U);
  EXPECT_EQ(document["criteria"][1]["status"], "fail");
  EXPECT_EQ(document["criteria"][1]["severity"], "WARNING");
  EXPECT_EQ(document["criteria"][1]["code"], "skew");
  EXPECT_FALSE(document["criteria"][0].contains("code"));
}

TEST(VerifySummary, IsSafeOnATerminal) {
  JobResult result = verified("data", Verdict::differs);
  auto& found = own_part<VerifyResult>(result);
  found.differences->missing = 1;
  found.differences->rows.push_back({"missing", {{"id", "\x1b[2J", false}}, "a\nerror: b", "", {}});
  const std::string text = verify_summary_of(result);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\nerror:")));
}

TEST(VerifyJson, HasDifferencesAndSchemaAsTheContractSays) {
  JobResult result = verified("data", Verdict::differs);
  auto& found = own_part<VerifyResult>(result);
  found.differences->changed = 1;
  found.differences->missing = 2;
  found.differences->extra = 3;
  found.differences->misplaced = 4;
  found.differences->rows.push_back({"changed",
                                     {{"id", "1", true}, {"collection_id", "c", false}},
                                     "(12,3)",
                                     "public.chunks_new_p07 (0,5)",
                                     {"content"}});
  found.schema.push_back({"column", "id", "bigint", "", "missing", "bad", Severity::error});
  const auto json = json_document(result, example_resources());
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_EQ(json["status"], "differences");
  EXPECT_EQ(json["differences"]["changed"], 1);
  EXPECT_EQ(json["differences"]["missing"], 2);
  EXPECT_EQ(json["differences"]["extra"], 3);
  EXPECT_EQ(json["differences"]["misplaced"], 4);
  const auto& row = json["differences"]["rows"][0];
  EXPECT_EQ(row["kind"], "changed");
  EXPECT_EQ(row["identity"]["id"], 1);
  EXPECT_EQ(row["identity"]["collection_id"], "c");
  EXPECT_EQ(row["target"], "public.chunks_new_p07 (0,5)");
  EXPECT_EQ(row["columns"][0], "content");
  EXPECT_EQ(json["schema"][0]["gap"], "missing");
  EXPECT_EQ(json["schema"][0]["severity"], "ERROR");
}

TEST(PlanSummary, OfAGo) {
  EXPECT_EQ(plan_summary_of(go_plan(), example_next()),
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
  EXPECT_THAT(plan_summary_of(result, example_next()),
              StartsWith("no-go: 2 things must be settled first [no-go]\n"
                         "reasons against (2):\n"
                         "  1. fsync is off [fsync]\n"
                         "  2. the disk is too small [disk]\n"
                         "     hint: make room\n"
                         "warnings (1):\n"));
  EXPECT_THAT(plan_summary_of(result, example_next()), Not(HasSubstr("next  ")));
  EXPECT_TRUE(plan_has_answer(result));
}

TEST(PlanSummary, OfAFailureBeforeTheAnswer) {
  JobResult result("plan");
  result.error = refused("table-missing", "there is no table chunkz", "did you mean chunks?");
  EXPECT_EQ(plan_summary_of(result, example_next()),
            "no-go: there is no table chunkz [table-missing]\n  hint: did you mean chunks?\n");
  EXPECT_FALSE(plan_has_answer(result));
  result.error->consequence = Consequence::interrupt;
  EXPECT_EQ(plan_summary_of(result, example_next()),
            "error: there is no table chunkz [table-missing]\n  hint: did you mean chunks?\n"
            "interrupted: nothing is damaged; the source is as it was\n");
  EXPECT_FALSE(plan_has_answer(result));
}

TEST(PlanSummary, ChecksThatDidNotEndAreNoGo) {
  JobResult result = go_plan();
  result.verdict = Verdict::unproven;
  EXPECT_THAT(plan_summary_of(result, example_next()),
              StartsWith("unproven: the checks did not run"));
  EXPECT_FALSE(plan_has_answer(result));
  result.verdict = Verdict::differs;
  EXPECT_THAT(plan_summary_of(result, example_next()),
              StartsWith("no-go: public.chunks cannot move into public.chunks_new yet\n"));
}

TEST(PlanSummary, OfADryRunCountsItsStatements) {
  JobResult result = go_plan();
  result.statements = {"-- prepare", "CREATE TABLE x ()"};
  EXPECT_THAT(plan_summary_of(result, example_next()),
              StartsWith("go: public.chunks can move into public.chunks_new\n"
                         "dry run: 1 statement from public.chunks to public.chunks_new, nothing "
                         "was executed\n"));
}

TEST(PlanSummary, ShowsTheFirstObjectsAndCountsTheOthers) {
  JobResult result = go_plan();
  auto& impact = own_part<PlanResult>(result).impact;
  impact.resize(1);
  impact[0].objects.assign(1025, "view public.v");
  const std::string text = plan_summary_of(result, example_next());
  EXPECT_THAT(text, HasSubstr("     - view public.v\n     - and 1,005 more: --json has all of "
                              "them\n     do: use"));
}

TEST(PlanSummary, HasALineForEachLayout) {
  JobResult result = go_plan();
  auto& layouts = own_part<PlanResult>(result).layouts;
  layouts = {{"LIST by the key", 100, true, false, false, {{"by a", "all"}}, "inserts supply k"},
             {"RANGE (t\x1b)", 0, false, false, true, {{"by a", "some"}}, "inserts unchanged"}};
  EXPECT_THAT(plan_summary_of(result, {}),
              AllOf(HasSubstr("layouts, and the leaves that a query by a would read:\n"
                              "  LIST by the key (asked for)    100 leaves  all   inserts supply "
                              "k\n"),
                    HasSubstr("    ? leaves  some  inserts unchanged\n"), Not(HasSubstr("\x1b"))));
  for (LayoutOption& layout : layouts) layout.reads.push_back({"by b", "1"});
  EXPECT_THAT(plan_summary_of(result, {}),
              AllOf(HasSubstr("the leaves that 2 queries would read:\n"),
                    HasSubstr("100 leaves  one:  1, some:  0, all:  1  inserts supply k\n")));
}

TEST(PlanSummary, IsSafeOnATerminal) {
  JobResult result = go_plan();
  result.issues[0].message = "\x1b[2Ja\nerror: b";
  auto& plan = own_part<PlanResult>(result);
  plan.impact[0].what = "\x1b]0;t\x07";
  plan.impact[0].objects = {"view \"\x1b\"\nerror: c"};
  plan.estimates[0].basis = "\x1b";
  const std::string text = plan_summary_of(result, {});
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\nerror:")));
  EXPECT_THAT(text, EndsWith("together     about    3:47\n"));
}

std::string window_summary_of(const JobResult& result) {
  return summary_of(result, example_resources(), example_next());
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
            "  to resume    pgfanout run job.toml --confirm copy\n"
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
            "interrupted: nothing is damaged; the same command resumes it\n"
            "  source       PostgreSQL 15.18\n"
            "  stage        state           time\n"
            "  copy         interrupted   2.00 s\n"
            "  to resume    pgfanout run job.toml\n"
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
  JobResult result = result_of("rollback");
  auto& rows = std::get<RollbackResult>(result.details).new_rows.emplace();
  rows = {"kept", 5, 3, 2, {}};
  EXPECT_THAT(
      window_summary_of(result),
      StartsWith("rolled back: public.chunks has its old layout again, with the rows written "
                 "since the swap (5 inserted, 3 updated, 2 deleted)\n"));
  rows = {"saved", 5, 3, 2, "public.chunks_new_rows_1"};
  EXPECT_THAT(
      window_summary_of(result),
      StartsWith("rolled back: public.chunks is as it was before the job; rows written since "
                 "the swap (5 inserted, 3 updated, 2 deleted) are saved in "
                 "public.chunks_new_rows_1\n"));
  rows = {"lost", 0, 0, 2, {}};
  result.issues.push_back({Severity::warning, "orphan-rows", "x", "y"});
  EXPECT_THAT(
      window_summary_of(result),
      StartsWith("rolled back: public.chunks is as it was before the job, but for a foreign "
                 "key that is NOT VALID; rows written since the swap (0 inserted, 0 "
                 "updated, 2 deleted) are lost\n"));
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
  const std::string text = window_summary_of(result) + status_summary_of(result, example_next());
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
  EXPECT_EQ(status_summary_of(result, example_next()),
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
  EXPECT_EQ(status_summary_of(result, example_next()),
            "open, waiting for a person after verify\n"
            "  run by       pid 4711 on db1, since 02:00\n"
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
  const std::string text = status_summary_of(result, example_next());
  return text.substr(0, text.find('\n'));
}

TEST(StatusSummary, SaysWhatAnOpenJobIsReadyFor) {
  JobResult result = open_job();
  NextCommands next = example_next();
  next.by_status = "pgfanout swap job.toml";
  EXPECT_THAT(status_summary_of(result, next),
              AllOf(StartsWith("open, proven and ready for the swap\n"),
                    EndsWith("  next         pgfanout swap job.toml\n"
                             "  to undo      pgfanout rollback job.toml\n")));
  result.stages.back().status = "interrupted";
  EXPECT_EQ(first_line_of(result), "open, verify interrupted");
  result.stages.pop_back();
  EXPECT_EQ(first_line_of(result), "open, prepare is done");
  own_part<StatusResult>(result).status->active = "a session";
  own_part<StatusResult>(result).status->next = "none while it runs";
  EXPECT_THAT(status_summary_of(result, example_next()),
              EndsWith("  next         none while it runs\n"));
}

TEST(StatusSummary, OffersNoSwapWithoutAFence) {
  JobResult result = open_job();
  result.writes_refused = false;
  EXPECT_THAT(
      status_summary_of(result, example_next()),
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
  EXPECT_THAT(status_summary_of(result, example_next()), Not(HasSubstr("waits at")));
}

TEST(StatusSummary, OfNoJobAndOfAFailure) {
  JobResult result;
  result.verdict = Verdict::match;
  EXPECT_EQ(status_summary_of(result, example_next()),
            "no job: the journal knows none for this table\n"
            "  next         pgfanout run job.toml\n");
  result.error = interrupted("connect", "the server does not answer");
  EXPECT_EQ(status_summary_of(result, example_next()),
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
