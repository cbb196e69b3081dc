// The JSON document, compared byte by byte with those in tests/golden/. The version stands there as
// VERSION.
#include "copier/report/result/json_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "copier/report/text/tool_version.h"
#include "tests/report/result/example_result.h"
#include "tests/report/result/window_example.h"

namespace pgfanout {
namespace {

using testing::HasSubstr;

/// The document, with VERSION in place of the version.
std::string document_of(const JobResult& result) {
  std::string text = json_report(result, example_resources());
  const std::string version(tool_version());
  const std::size_t at = text.find('"' + version + '"');
  if (at != std::string::npos) text.replace(at + 1, version.size(), "VERSION");
  return text;
}

/// With PGFANOUT_WRITE_GOLDEN=1 in the environment the document is written instead: look at the
/// difference before you keep it.
void expect_golden(const JobResult& result, const std::string& name) {
  const std::string path = std::string(PGFANOUT_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("PGFANOUT_WRITE_GOLDEN") != nullptr) std::ofstream(path) << document_of(result);
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::ostringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(document_of(result), expected.str()) << path;
}

TEST(JsonReport, OfAProvenCopy) {
  expect_golden(proven_copy(), "copy_match.json");
}

TEST(JsonReport, OfLayouts) {
  JobResult copied = proven_copy();
  own_part<CopyResult>(copied).partitions.front().bound = "remainder 0 of 4";
  EXPECT_NE(document_of(copied).find(R"("bound": "remainder 0 of 4")"), std::string::npos);
  JobResult planned("plan");
  own_part<PlanResult>(planned).layouts = {
      {"HASH (a)", 8, false, true, true, {{"by a", "1"}}, "inserts unchanged"},
      {"RANGE (t)", 0, false, false, false, {}, ""}};
  const std::string document = document_of(planned);
  for (const char* part : {R"-("layout": "HASH (a)")-", R"("better": true)", R"("present": true)",
                           R"("leaves": 8)", R"("query": "by a")", R"-("layout": "RANGE (t)")-"}) {
    EXPECT_NE(document.find(part), std::string::npos) << part << " in " << document;
  }
  EXPECT_EQ(document.find(R"("leaves": 0)"), std::string::npos);
}

TEST(JsonReport, OfDifferences) {
  JobResult result = proven_copy();
  result.verdict = Verdict::differs;
  result.target->rows = 9;
  result.target->digest = std::string(32, 'd');
  own_part<CopyResult>(result).rows_rejected = 1;
  own_part<CopyResult>(result).key_mismatches = 2;
  result.issues = {
      {Severity::critical, "digest-differs", "leaf 1 differs", "public.chunks_new_p1", ""}};
  expect_golden(result, "copy_differs.json");
}

TEST(JsonReport, OfACommandLineThatIsWrong) {
  JobResult result("copy");
  result.error = refused("usage", "copy has no option --tabel", "did you mean --table?");
  expect_golden(result, "copy_usage.json");
  result.command.clear();
  result.details = {};
  expect_golden(result, "no_command.json");
}

TEST(JsonReport, OfAnInterruption) {
  JobResult result = proven_copy();
  own_part<CopyResult>(result).partitions.clear();
  result.source->digest.clear();
  result.target.reset();
  own_part<CopyResult>(result).skew.reset();
  result.stages[0].status = "failed";
  result.stages.pop_back();
  result.error = interrupted("disk-full", "the disk is full", "make room", "public.chunks_new_p1");
  result.error->sqlstate = "53100";
  result.issues.push_back({Severity::error, "disk-full", "the disk is full", "", ""});
  result.writes_refused = true;
  expect_golden(result, "copy_interrupted.json");
}

TEST(JsonReport, OfABrokenProof) {
  JobResult result("copy");
  result.verdict = Verdict::match;
  result.error = refused("read-back", "the read-back did not end");
  result.error->consequence = Consequence::unproven;
  expect_golden(result, "copy_unproven.json");
}

TEST(JsonReport, OfADryRun) {
  JobResult result("copy");
  result.verdict = Verdict::match;
  result.statements = {"CREATE TABLE public.chunks_new ()", "SELECT '\n'"};
  expect_golden(result, "copy_dry_run.json");
}

TEST(JsonReport, OfACommandThatMovesNoRows) {
  JobResult result("key");
  result.verdict = Verdict::match;
  expect_golden(result, "key_common.json");
}

TEST(JsonReport, OfAPlan) {
  expect_golden(go_plan(), "plan_go.json");
}

TEST(JsonReport, OfARunThatWaits) {
  JobResult result = proven_run();
  result.verdict = Verdict::unproven;
  result.waiting_at = "verify";
  result.stages.back().status = "waiting";
  own_part<RunResult>(result).differences.emplace();
  expect_golden(result, "run_waiting.json");
}

TEST(JsonReport, OfAStatus) {
  JobResult result("status");
  result.job = "0a1b2c3d";
  result.verdict = Verdict::match;
  JobStatus status = swapped_status();
  status.waiting_at = "verify";
  status.active = "pid 4711";
  result.details = StatusResult{status};
  result.stages = {stage_of("prepare", 0.34, "ok", "100 leaves", "2026-01-02 02:00:01+00")};
  expect_golden(result, "status.json");
}

TEST(JsonReport, OfARollback) {
  JobResult result("rollback");
  result.verdict = Verdict::match;
  result.stages = {stage_of("rollback", 0.5)};
  expect_golden(result, "rollback.json");
}

TEST(JsonReport, OfQueries) {
  JobResult result("queries");
  result.verdict = Verdict::differs;
  result.queries = example_queries();
  expect_golden(result, "queries.json");
}

TEST(JsonReport, BytesThatAreNoUtf8AreReplaced) {
  JobResult result = proven_copy();
  result.source->table =
      "a\xff"
      "b";
  result.issues[0].message = "\xc3(";
  const std::string text = json_report(result, example_resources());
  EXPECT_THAT(text, HasSubstr("a\xef\xbf\xbd"
                              "b"));
}

TEST(JsonReport, ATimeThatIsNoNumberIsZero) {
  JobResult result = proven_copy();
  result.stages[0].seconds = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(json_report(result, example_resources()), HasSubstr("\"seconds\": 0.0"));
}

TEST(ResourcesUsed, AreThoseOfThisProcess) {
  const Resources used = resources_used();
  EXPECT_GT(used.peak_rss_bytes, 1'000'000U);
  EXPECT_GE(used.peak_rss_bytes, resident_bytes() / 2);
  EXPECT_GT(used.cpu_seconds, 0);
}

TEST(JsonReport, VersionLooksLikeOne) {
  EXPECT_THAT(std::string(tool_version()), testing::MatchesRegex("[0-9]+[.][0-9]+[.][0-9]+"));
  EXPECT_THAT(compiler(), HasSubstr("."));
}

}  // namespace
}  // namespace pgfanout
