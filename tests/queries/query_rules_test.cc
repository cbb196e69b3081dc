// Figures of queries, and how they are judged.
#include "copier/queries/query_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(QueryChecks, PercentileIsTheNearestRank) {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_EQ(percentile(values, 0.50), 5);
  EXPECT_EQ(percentile(values, 0.95), 10);
  EXPECT_EQ(percentile(values, 0.90), 9);
  EXPECT_EQ(percentile({7}, 0.99), 7);
  EXPECT_EQ(percentile({}, 0.5), 0);
  EXPECT_EQ(times_of({3, 1, 2}).p50, 2);
}

TEST(QueryOrders, AreTotalWithTheWholePrimaryKey) {
  const std::vector<std::string> key = {"id", "Collection"};
  EXPECT_FALSE(order_of("SELECT * FROM t").has_limit);
  EXPECT_TRUE(order_of("SELECT * FROM t limit 5").has_limit);
  EXPECT_TRUE(order_of("SELECT * FROM t FETCH FIRST 5 ROWS ONLY").has_limit);
  EXPECT_FALSE(order_of("SELECT * FROM (SELECT * FROM t LIMIT 5) s").has_limit) << "an inner one";
  EXPECT_FALSE(order_of("SELECT 'LIMIT' /* LIMIT 1 */ FROM t").has_limit);
  EXPECT_TRUE(order_of("SELECT * FROM t ORDER BY a, ID, \"Collection\" LIMIT 5").is_total(key));
  EXPECT_FALSE(order_of("SELECT * FROM t ORDER BY a, id, collection LIMIT 5").is_total(key));
  EXPECT_FALSE(order_of("SELECT id, \"Collection\" FROM t ORDER BY a LIMIT 5").is_total(key));
  EXPECT_FALSE(order_of("SELECT * FROM t ORDER BY id").is_total({})) << "no key, no total order";
}

TEST(QueryAnswers, AreComparedAsAsked) {
  const QueryDigest base{"2", "10", "20", {"a"}};
  QueryDigest other_order = base;
  other_order.ordered = "21";
  QueryDigest other_rows{"2", "11", "22", {"a"}};
  QueryDigest other_count{"3", "12", "23", {"a"}};
  QueryDigest other_columns{"2", "11", "22", {"a", "k"}};
  const QueryOrder none = order_of("SELECT a FROM t");
  const auto judge = [&](QueryComparison compare, const QueryDigest& target,
                         const QueryOrder& order, const char* may_change = "") {
    return judge_answers(compare, base, target, order, {"id"}, may_change);
  };
  EXPECT_EQ(judge(QueryComparison::rows, base, none).answer, QueryAnswer::same);
  EXPECT_EQ(judge(QueryComparison::set, other_order, none).answer, QueryAnswer::same);
  EXPECT_EQ(judge(QueryComparison::count, other_rows, none).answer, QueryAnswer::same);
  EXPECT_EQ(judge(QueryComparison::none, other_count, none).answer, QueryAnswer::not_compared);
  const auto reordered = judge(QueryComparison::rows, other_order, none);
  EXPECT_EQ(reordered.answer, QueryAnswer::differs);
  EXPECT_THAT(reordered.why, HasSubstr("the same rows in another order, which its ORDER BY"));
  EXPECT_EQ(judge(QueryComparison::set, other_rows, none).answer, QueryAnswer::differs);
  const auto counted = judge(QueryComparison::count, other_count, none);
  EXPECT_TRUE(counted.is_failure);
  EXPECT_THAT(counted.why, HasSubstr("3 rows against 2"));
  EXPECT_THAT(judge(QueryComparison::set, other_columns, none).why,
              HasSubstr("its columns are a, k, not a"));
  const QueryOrder limited = order_of("SELECT a FROM t ORDER BY a LIMIT 2");
  const auto tied = judge(QueryComparison::set, other_rows, limited);
  EXPECT_EQ(tied.answer, QueryAnswer::not_compared);
  EXPECT_FALSE(tied.is_failure);
  EXPECT_THAT(tied.why, HasSubstr("may rightly differ"));
  EXPECT_TRUE(judge(QueryComparison::set, other_count, limited).is_failure)
      << "ties change no count";
  EXPECT_TRUE(
      judge(QueryComparison::set, other_rows, order_of("SELECT a FROM t ORDER BY a, id LIMIT 2"))
          .is_failure);
  EXPECT_EQ(judge(QueryComparison::set, other_count, none, "rows were written").answer,
            QueryAnswer::not_compared);
}

TEST(QueryLimits, AreJudgedOneByOne) {
  QueryCheck check;
  QuerySide target;
  target.leaves = 8;
  target.leaves_read = 3;
  target.times = {10, 20, 30};
  EXPECT_TRUE(broken_limits(check, target, 5.0).empty()) << "no limits";
  check.max_partitions = 3;
  check.max_ratio = 5.0;
  check.max_p50 = 10.0;
  check.max_p95 = 20.0;
  check.max_p99 = 30.0;
  EXPECT_TRUE(broken_limits(check, target, 5.0).empty()) << "at the limit is within it";
  check.max_partitions = 2;
  check.max_ratio = 4.5;
  check.max_p50 = 9.5;
  check.max_p95 = 19.0;
  check.max_p99 = 29.0;
  EXPECT_THAT(
      broken_limits(check, target, 5.0),
      ElementsAre("it reads 3 leaves, 2 are allowed",
                  "its p95 is 5.00 times that on the source, 4.50 is allowed",
                  "its p50 is 10.0 ms, 9.5 ms are allowed", "its p95 is 20.0 ms, 19 ms are allowed",
                  "its p99 is 30.0 ms, 29 ms are allowed"));
  target.times.reset();
  target.leaves_read.reset();
  EXPECT_TRUE(broken_limits(check, target, {}).empty()) << "what is not known breaks nothing";
}

QueryResult result_of(Severity severity, std::vector<std::string> failures) {
  QueryResult result;
  result.name = "q";
  result.severity = severity;
  result.failures = std::move(failures);
  result.target.emplace().times = QueryTimes{1, 2, 3};
  return result;
}

TEST(QuerySeverities, DecideWhetherAFailureRefuses) {
  QueryReport report;
  report.queries = {result_of(Severity::error, {})};
  EXPECT_EQ(verdict_of(report).verdict(), Verdict::match);
  EXPECT_EQ(status_of(report.queries[0]), "passed");
  report.queries.push_back(result_of(Severity::warning, {"slow"}));
  EXPECT_EQ(verdict_of(report).verdict(), Verdict::match);
  EXPECT_EQ(status_of(report.queries[1]), "warned");
  report.queries.push_back(result_of(Severity::critical, {"slow"}));
  EXPECT_EQ(verdict_of(report).verdict(), Verdict::differs);
  EXPECT_EQ(status_of(report.queries[2]), "failed");
  report.queries.push_back(result_of(Severity::error, {}));
  report.queries[3].could_not_run = true;
  report.queries[3].note = "it cannot be run";
  EXPECT_EQ(verdict_of(report).verdict(), Verdict::unproven) << "unknown goes before a failure";
  const auto issues = issues_of(report, "t");
  const auto count = [&](Severity severity, std::string_view code) {
    return std::count_if(issues.begin(), issues.end(), [&](const Issue& issue) {
      return issue.severity == severity && issue.code == code;
    });
  };
  EXPECT_EQ(count(Severity::warning, "query-failed"), 1);
  EXPECT_EQ(count(Severity::critical, "query-failed"), 1);
  EXPECT_EQ(count(Severity::error, "query-failed"), 1);
  EXPECT_EQ(count(Severity::info, "query"), 4);
}

}  // namespace
}  // namespace pgfanout
