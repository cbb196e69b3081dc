#include "copier/journal/job_request.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

JobDescription hostile_job() {
  JobDescription job;
  job.partitions = 40;
  job.key_column = "the = key\\n";
  job.key_mode = KeyMode::generated;
  job.map = {{"a=b", "'x\n=\\' || c"}, {"id", "nextval('public.s')"}};
  job.skip = {"meta", "key column"};
  job.window.accept = {"foreign key public.\"a = b\".fk"};
  job.window.views = {{"public.v=w", "SELECT 1\nFROM {table}\n"}};
  job.target.indexes = {"CREATE INDEX \"a b\" ON {table} (lower('=\n'))"};
  job.target.columns = {{"c = d", true, "'x=\n'"}, {"e", false, "1"}};
  job.target.sequences = {{"s=t", "integer", 7, -2, "id = no"}};
  job.target.leaf_name = "{table}={key}";
  return job;
}

TEST(JobRequestTest, SurvivesWhateverStandsInIt) {
  const JobDescription job = hostile_job();
  const std::string request = request_of(job, "abs(\n\"a=b\") % 40");
  JobDescription other;
  other.map = {{"gone", "1"}};
  other.table = "kept";
  const JobDescription read = with_request(other, request);
  EXPECT_EQ(read.table, "kept");
  EXPECT_EQ(read.key, "abs(\n\"a=b\") % 40");
  EXPECT_EQ(read.partitions, 40U);
  EXPECT_EQ(read.key_column, job.key_column);
  EXPECT_EQ(read.key_mode, KeyMode::generated);
  ASSERT_EQ(read.map.size(), 2U);
  EXPECT_EQ(read.map[0].column, "a=b");
  EXPECT_EQ(read.map[0].sql, job.map[0].sql);
  EXPECT_EQ(read.map[1].sql, job.map[1].sql);
  EXPECT_EQ(read.skip, (std::vector<std::string>{"key column", "meta"}));
  EXPECT_EQ(read.window.accept, job.window.accept);
  EXPECT_EQ(read.window.views, job.window.views);
  EXPECT_EQ(read.target.indexes, job.target.indexes);
  ASSERT_EQ(read.target.columns.size(), 2U);
  EXPECT_TRUE(read.target.columns[0].is_not_null);
  EXPECT_EQ(read.target.columns[0].default_sql, "'x=\n'");
  EXPECT_FALSE(read.target.columns[1].is_not_null);
  ASSERT_EQ(read.target.sequences.size(), 1U);
  EXPECT_EQ(read.target.sequences[0].start, 7);
  EXPECT_EQ(read.target.sequences[0].increment, -2);
  EXPECT_EQ(read.target.sequences[0].owned_by, "id = no");
  EXPECT_EQ(read.target.leaf_name, "{table}={key}");
  EXPECT_EQ(request_of(read, read.key), request);
}

TEST(JobRequestTest, OnlyRowsWithoutAParentAreAcceptedLater) {
  JobDescription job = hostile_job();
  const std::string then = request_of(job, "k");
  EXPECT_TRUE(accepted_later(then, job).empty());
  job.window.accept.emplace_back("orphans of foreign key \"f k\"");
  job.window.accept.emplace_back("trigger t");
  EXPECT_EQ(accepted_later(then, job), std::vector<std::string>{"orphans of foreign key \"f k\""});
  EXPECT_TRUE(accepted_later(request_of(job, "k"), job).empty());
}

TEST(JobRequestTest, DifferencesAreNamed) {
  JobDescription job = hostile_job();
  const std::string then = request_of(job, "k");
  EXPECT_EQ(request_differences(then, request_of(job, "k")), "");
  job.window.accept.clear();
  EXPECT_EQ(request_differences(then, request_of(job, "k")),
            "was: accept foreign key public.\"a = b\".fk");
  job.skip.emplace_back("more");
  EXPECT_EQ(request_differences(then, request_of(job, "k")),
            "was: accept foreign key public.\"a = b\".fk; now: skip more");
}

TEST(JobRequestTest, ACallThatOnlyNamesTheTableSaysNothing) {
  JobDescription job;
  job.table = "public.t";
  job.target_dsn = "service=other";
  EXPECT_TRUE(says_nothing(job));
  EXPECT_FALSE(says_nothing(hostile_job()));
  job.layout.by = "none";
  EXPECT_FALSE(says_nothing(job));
  job.layout.by.clear();
  job.partitions = 100;
  EXPECT_FALSE(says_nothing(job)) << "the default, but said";
}

TEST(JobRequestTest, TheWayBackIsKeptAndMayBeStatedLater) {
  JobDescription job;
  job.window.rollback_map = {{"id", "coalesce(legacy_id, f())"}};
  const std::string request = request_of(job, "k");
  EXPECT_EQ(request_differences(request, request_of({}, "k")), "") << "the copy is the same";
  const JobDescription read = with_request({}, request);
  ASSERT_EQ(read.window.rollback_map.size(), 1U);
  EXPECT_EQ(read.window.rollback_map[0].sql, "coalesce(legacy_id, f())");
  JobDescription stated;
  stated.window.rollback_map = {{"id", "other"}};
  EXPECT_EQ(with_request(stated, request).window.rollback_map.at(0).sql, "other");
}

}  // namespace
}  // namespace pgfanout
