// The text at the end of a verification: nothing but a comparison of all rows says "match".
#include "copier/report/result/verify_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "copier/report/result/json_report.h"
#include "tests/report/result/example_result.h"

namespace pgfanout {
namespace {

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
  return verify_summary(result, example_resources());
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
              StartsWith("differs: public.chunks_new has the rows of public.chunks, but checks "
                         "failed\n"));
}

TEST(VerifySummary, SchemaAsATableWithTheOrderOfDeployment) {
  JobResult result = verified("schema", Verdict::differs);
  auto& found = own_part<VerifyResult>(result);
  found.schema.push_back({"column", "id", "bigint", "bigint", "none", "", Severity::info});
  found.schema.push_back({"index", "by content", "btree (content)", "", "missing",
                          "queries that use it get slow", Severity::warning});
  found.deployment_order = {"index by content: btree (content)"};
  const std::string text = verify_summary_of(result);
  EXPECT_THAT(text, HasSubstr("2 objects compared, 1 without a gap"));
  EXPECT_THAT(text, HasSubstr("WARNING   index            by content                   missing "));
  EXPECT_THAT(text, HasSubstr("    1. index by content: btree (content)\n"));
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

}  // namespace
}  // namespace pgfanout
