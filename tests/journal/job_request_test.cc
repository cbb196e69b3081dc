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
  EXPECT_EQ(request_of(read, read.key), request);
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

}  // namespace
}  // namespace pgfanout
