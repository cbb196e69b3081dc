// The report of made-up jobs: what it says first, and that every part is there or rightly absent.
#include "copier/report/html/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "pgfanout/job.h"
#include "tests/report/result/window_example.h"

namespace pgfanout {
namespace {

namespace fs = std::filesystem;

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

HtmlReport report_of(JobResult result) {
  HtmlReport report;
  report.result = std::move(result);
  report.used = example_resources();
  report.next = example_next();
  report.recorded.seconds = 20;
  return report;
}

std::size_t count_of(const std::string& text, const std::string& piece) {
  std::size_t count = 0;
  for (std::size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) {
    ++count;
  }
  return count;
}

JobResult refused_copy() {
  JobResult result("copy");
  result.error = refused("no-such-table", "there is no table", "check it", "public.chunks");
  return result;
}

std::string heading(const std::string& html) {
  const std::size_t end = html.find("</h1>");
  return html.substr(0, end).substr(html.substr(0, end).rfind('>') + 1);
}

TEST(HtmlReport, SaysFirstHowItEnded) {
  JobResult differs = proven_copy();
  differs.verdict = Verdict::differs;
  JobResult unproven = proven_copy();
  unproven.verdict = Verdict::unproven;
  JobResult stopped = proven_copy();
  stopped.error = interrupted("cancelled", "stopped on request");
  JobResult lost = proven_copy();
  lost.error = interrupted("x", "the check was cut short");
  lost.error->consequence = Consequence::unproven;
  JobResult waiting = proven_run();
  waiting.waiting_at = "verify";
  for (const auto& [result, word, css] : {std::tuple{proven_copy(), "Match", "ok"},
                                          {proven_run(), "Match", "ok"},
                                          {differs, "Differs", "differences"},
                                          {unproven, "Unproven", "unproven"},
                                          {stopped, "Interrupted", "interrupted"},
                                          {lost, "Unproven", "unproven"},
                                          {waiting, "Waiting", "waiting"},
                                          {refused_copy(), "Refused", "refused"}}) {
    const std::string html = html_report(report_of(result));
    EXPECT_EQ(heading(html), word);
    EXPECT_THAT(html, HasSubstr(std::string("<header class=\"verdict ") + css + "\">"));
    EXPECT_LT(html.find("<h1>"), html.find("<section"));
  }
}

TEST(HtmlReport, OnlyEqualDigestsAreCalledAMatch) {
  const std::string words = "Match: every row";
  EXPECT_THAT(html_report(report_of(proven_copy())), HasSubstr(words));
  JobResult other = proven_copy();
  other.target->digest = std::string(32, 'd');
  EXPECT_THAT(html_report(report_of(other)), Not(HasSubstr(words)));
  JobResult unread = proven_copy();
  unread.source->digest.clear();
  unread.target->digest.clear();
  EXPECT_THAT(html_report(report_of(unread)), Not(HasSubstr(words)));
  JobResult unproven = proven_copy();
  unproven.verdict = Verdict::unproven;
  EXPECT_THAT(html_report(report_of(unproven)), Not(HasSubstr(words)));
}

TEST(HtmlReport, AHashIsNotCalledADigestOfTheCopy) {
  JobResult result("verify");
  result.source = {"public.chunks", 10, std::string(32, 'b'), "15.18"};
  result.target = {"public.chunks_new", 10, std::string(32, 'b'), "15.18"};
  std::get<VerifyResult>(result.details).comparison = {"hash", kHashStrength};
  result.verdict = Verdict::match;
  const std::string html = html_report(report_of(result));
  EXPECT_THAT(html, HasSubstr("Match: each server has read and hashed every row"));
  EXPECT_THAT(html, HasSubstr("It is no digest of copy"));
  EXPECT_THAT(html, Not(HasSubstr("128-bit")));
}

TEST(HtmlReport, ACallBehindTheCopySaysWhatWasCopied) {
  JobResult result = proven_run();
  result.source->digest.clear();
  result.target.reset();
  EXPECT_THAT(html_report(report_of(result)), HasSubstr("<dt>Copied</dt><dd>10 rows, 5 rows/s<"));
  EXPECT_THAT(html_report(report_of(proven_run())), Not(HasSubstr("<dt>Copied</dt>")));
}

TEST(HtmlReport, SaysWhatToDoNext) {
  JobResult waiting = proven_run();
  waiting.waiting_at = "verify";
  const std::string html = html_report(report_of(waiting));
  EXPECT_THAT(html, AllOf(HasSubstr("What to do next"), HasSubstr("to resume"),
                          HasSubstr("waits for a person"), HasSubstr("refused by a fence")));
  const std::string refusal = html_report(report_of(refused_copy()));
  EXPECT_THAT(refusal, AllOf(HasSubstr("check it"), HasSubstr("none was begun"),
                             HasSubstr("as they were"), HasSubstr("no-such-table")));
}

TEST(HtmlReport, EveryStageOfTheWindowCanBeSigned) {
  JobResult run = proven_run();
  run.stages[1].confirmed_by = "ann from 10.0.0.1";
  run.stages[1].confirmed_at = "2026-01-02 02:00:00 UTC";
  HtmlReport report = report_of(run);
  report.gates = {"verify"};
  const std::string html = html_report(report);
  const std::string part = html.substr(html.find("id=\"sign-off\""));
  const std::string signoff = part.substr(0, part.find("</section>"));
  for (const std::string_view stage : kWindowStages) {
    EXPECT_THAT(signoff, HasSubstr("<strong>" + std::string(stage) + "</strong>"));
  }
  EXPECT_EQ(count_of(signoff, "class=\"ink\""), kWindowStages.size() + 3);
  EXPECT_EQ(count_of(signoff, "passed"), 3U);
  EXPECT_EQ(count_of(signoff, "not reached"), 5U);
  EXPECT_THAT(signoff, AllOf(HasSubstr("confirmed by ann from 10.0.0.1"),
                             HasSubstr("2026-01-02 02:00:00 UTC"), HasSubstr("a person confirms")));
}

TEST(HtmlReport, NamesOfTablesAreText) {
  const std::string hostile = "public.\"<script>alert(1)</script>\"";
  JobResult result = proven_copy();
  result.source->table = hostile;
  result.target->table = hostile;
  result.job = hostile;
  auto& copied = own_part<CopyResult>(result);
  copied.partitions[0].table = hostile;
  copied.partitions[0].digest = hostile;
  result.stages[0].name = hostile;
  result.stages[0].detail = hostile;
  result.issues[0] = {Severity::error, hostile, hostile, hostile, hostile};
  Differences differences;
  differences.changed = 1;
  differences.rows = {{hostile, {{hostile, hostile, false}}, hostile, hostile, {hostile}}};
  result.verdict = Verdict::differs;
  VerifyResult verified;
  static_cast<ReadResult&>(verified) = copied;
  verified.differences = differences;
  verified.schema = {{hostile, hostile, "", "", hostile, hostile, Severity::warning}};
  verified.deployment_order = {hostile};
  RunResult run;
  static_cast<CopyResult&>(run) = copied;
  run.differences = differences;
  run.impact = {{hostile, {hostile}, hostile}};
  verified.criteria = run.criteria = {{hostile, hostile, Severity::error, hostile, hostile}};
  result.queries = example_queries();
  QueryResult& query = result.queries->queries[1];
  query.name = query.sql = query.note = query.target->plan = hostile;
  query.failures = query.target->indexes_used = result.queries->unused_indexes = {hostile};
  result.queries->load_not_measured = hostile;
  std::array<JobResult, 3> results = {result, result, result};
  results[1].command = "verify";
  results[1].details = verified;
  results[2].command = "run";
  results[2].details = run;
  HtmlReport report = report_of(result);
  report.settings = {{hostile, hostile, hostile, false}};
  report.recorded.stages = {{hostile, 0, 0, 1, hostile}};
  report.recorded.marks = {{1, hostile, hostile}};
  report.recorded.waits = {{hostile, hostile, 1}};
  ThresholdState threshold;
  threshold.detail = hostile;
  report.recorded.thresholds = {threshold};
  report.next = {hostile, hostile, hostile, hostile, hostile, hostile, hostile, hostile, hostile};
  const std::array least = {30U, 38U, 38U};
  for (std::size_t at = 0; at < results.size(); ++at) {
    report.result = results[at];
    const std::string html = html_report(report);
    EXPECT_THAT(html, Not(HasSubstr("<script")));
    EXPECT_GE(count_of(html, "&lt;script&gt;"), least[at]) << results[at].command;
  }
}

TEST(HtmlReport, AnEmptyJobIsAReportToo) {
  const std::string html = html_report(report_of({}));
  EXPECT_THAT(html, AllOf(HasSubstr("</html>"), Not(HasSubstr("id=\"leaves\"")),
                          Not(HasSubstr("id=\"differences\"")), Not(HasSubstr("id=\"rates\""))));
}

TEST(HtmlReport, LeavesFromOneToTenThousand) {
  for (const std::size_t count : {1U, 100U, 200U, 201U, 10'000U}) {
    JobResult result = proven_copy();
    auto& partitions = own_part<CopyResult>(result).partitions;
    partitions.clear();
    for (std::size_t leaf = 0; leaf < count; ++leaf) {
      partitions.push_back({static_cast<std::int64_t>(leaf), "public.p" + std::to_string(leaf),
                            leaf == count / 2 ? 99U : 5U, std::string(32, 'e'), 1000});
    }
    const std::string html = html_report(report_of(result));
    const std::size_t each = (count + 199) / 200;
    const std::size_t bars = (count + each - 1) / each;
    EXPECT_EQ(count_of(html, "<rect class=\"bar"), 2 * bars) << count;
    EXPECT_EQ(count_of(html, std::string(32, 'e')), count);
    EXPECT_THAT(html, HasSubstr("<td>public.p" + std::to_string(count / 2) + "</td>"));
    EXPECT_EQ(count_of(html, "a bar is the largest of"), count > 200 ? 2U : 0U);
    EXPECT_LT(html.size(), 30'000U + count * 250);
  }
}

TEST(HtmlReport, LeavesWithoutKeysOrRows) {
  JobResult result = proven_copy();
  for (PartitionSummary& leaf : own_part<CopyResult>(result).partitions) {
    leaf.key.reset();
    leaf.rows = 0;
    leaf.bytes = 0;
  }
  EXPECT_THAT(html_report(report_of(result)), AllOf(HasSubstr("number of the leaf"),
                                                    Not(HasSubstr("nan")), Not(HasSubstr("inf<"))));
}

TEST(HtmlReport, NamesLeavesByColumnsByTheirBounds) {
  JobResult result = proven_copy();
  auto& leaves = own_part<CopyResult>(result).partitions;
  for (PartitionSummary& leaf : leaves) leaf.bound = "2025-01";
  leaves.front().bound = "'<eu>'";
  EXPECT_THAT(html_report(report_of(result)),
              AllOf(HasSubstr("2025-01"), HasSubstr("&#39;&lt;eu&gt;&#39;"), Not(HasSubstr("<eu>")),
                    HasSubstr("number of the leaf")));
}

TEST(HtmlReport, NamesRowsThatDifferUpToABound) {
  JobResult result("verify");
  VerifyResult& verified = own_part<VerifyResult>(result);
  result.stages = {stage_of("data", 1)};
  result.verdict = Verdict::differs;
  Differences differences;
  differences.missing = 2000;
  for (int row = 0; row < 1500; ++row) {
    differences.rows.push_back({"missing",
                                {{"id", std::to_string(row), true}, {"note", std::nullopt, false}},
                                "(0,1)",
                                "",
                                {}});
  }
  verified.differences = differences;
  const std::string html = html_report(report_of(result));
  EXPECT_THAT(html,
              AllOf(HasSubstr("id = <code>999</code><br/>note = NULL"),
                    Not(HasSubstr("id = <code>1000</code>")),
                    HasSubstr("Named are the first 1,000 of 2,000 rows"), HasSubstr("--json")));
  verified.differences = Differences{};
  EXPECT_THAT(html_report(report_of(result)), HasSubstr("All rows that were compared are equal"));
}

TEST(HtmlReport, ShowsWhereTheTimeWent) {
  HtmlReport report = report_of(proven_copy());
  report.recorded.stages = {{"copy", 0, 0, 15, "ok"},
                            {"read-back", 1, 5, 15, "ok"},
                            {"attach", 0, 15, std::nullopt, "interrupted"}};
  for (int at = 0; at <= 20; ++at) {
    RecordedPoint point;
    point.at = at;
    const auto grown = static_cast<std::uint64_t>(at);
    point.figures.rows_read = grown * 1000;
    point.figures.bytes_read = grown * 3'000'000;
    point.figures.source_wait_ns = grown * 600'000'000;
    point.figures.work_ns = grown * 300'000'000;
    point.figures.target_wait_ns = grown * 100'000'000;
    point.figures.memory_used = 40'000'000;
    point.figures.memory_budget = 268'435'456;
    report.recorded.points.push_back(point);
  }
  report.recorded.waits = {{"target", "IO/WALSync", 30}, {"source", "cpu", 10}};
  report.recorded.marks = {{12, "cpu", "cpu crossed its limit"}};
  const std::string html = html_report(report);
  EXPECT_THAT(html, AllOf(HasSubstr("waiting for the source: 60 percent. working: 30 percent. "
                                    "waiting for the target: 10 percent. held back: 0 percent."),
                          HasSubstr("read at most 1,000 rows a second"),
                          HasSubstr("At most 40.0 MB of a budget of 268.4 MB"),
                          HasSubstr("<td>IO/WALSync</td><td class=\"n\">75.0 %</td>"),
                          HasSubstr("cpu crossed its limit"), HasSubstr("rect class=\"part\"")));
  EXPECT_THAT(html, HasSubstr("rect class=\"stage failed\""));
}

TEST(HtmlReport, ManyStagesAreBounded) {
  HtmlReport report = report_of(proven_copy());
  for (int at = 0; at < 5000; ++at) report.recorded.stages.push_back({"s", 1, 0.1, 0.2, "ok"});
  EXPECT_EQ(count_of(html_report(report), "rect class=\"part\""), 400U);
}

TEST(HtmlReport, NeedsNothingElse) {
  const std::string html = html_report(report_of(proven_run()));
  for (const char* outside : {"http:", "https:", "src=", "@import", "<link rel=\"stylesheet"}) {
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  }
}

TEST(HtmlReport, ListsSettingsWithTheirDefaultsMarked) {
  HtmlReport report = report_of(proven_run());
  report.settings = {{"Tables", "--table", "public.chunks", false},
                     {"Tables", "--into", "<table>_new", true}};
  EXPECT_THAT(html_report(report),
              AllOf(HasSubstr("<code>--table</code></td><td>public.chunks</td><td>given</td>"),
                    HasSubstr("&lt;table&gt;_new</td><td><span class=\"quiet\">default</span>")));
}

class ReportFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "pgfanout-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  [[nodiscard]] static std::string content(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  fs::path folder_;
};

TEST_F(ReportFile, CheckingLeavesNothing) {
  EXPECT_TRUE(check_report_file(folder_ / "r.html"));
  EXPECT_EQ(files(), 0U);
}

TEST_F(ReportFile, CheckingLeavesAnEarlierReport) {
  ASSERT_TRUE(write_report_file(folder_ / "r.html", "first"));
  EXPECT_TRUE(check_report_file(folder_ / "r.html"));
  EXPECT_EQ(content(folder_ / "r.html"), "first");
}

TEST_F(ReportFile, AFolderThatIsNotThereIsRefused) {
  const auto checked = check_report_file(folder_ / "no" / "r.html");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, "report-file");
  EXPECT_EQ(checked.error().consequence, Consequence::refuse);
  EXPECT_FALSE(write_report_file(folder_ / "no" / "r.html", "text"));
}

TEST_F(ReportFile, OnlyAnOrdinaryFileIsReplaced) {
  EXPECT_FALSE(check_report_file(folder_));
  EXPECT_FALSE(check_report_file("/dev/null"));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(ReportFile, IsWhollyReplacedAndReadableByOthersAsUsual) {
  const mode_t mask = umask(027);
  const bool written = write_report_file(folder_ / "r.html", "a long first one").has_value() &&
                       write_report_file(folder_ / "r.html", "second").has_value();
  umask(mask);
  ASSERT_TRUE(written);
  EXPECT_EQ(content(folder_ / "r.html"), "second");
  EXPECT_EQ(files(), 1U);
  EXPECT_EQ(static_cast<unsigned>(fs::status(folder_ / "r.html").permissions()), 0640U);
}

}  // namespace
}  // namespace pgfanout
