// What the journal keeps of a job's settings, and the names that leaves have after a swap.
#include "copier/lifecycle/window_state.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

JobDescription example() {
  JobDescription job;
  job.partitions = 7;
  job.key_column = "part";
  job.key_mode = KeyMode::generated;
  job.map = {{"metadata", "coalesce(metadata,\n  E'{\\\\n}'::jsonb)"}, {"id", "nextval('s')"}};
  job.skip = {"\"odd = name\"", "meta"};
  job.window.accept = {"foreign key public.x.y"};
  job.window.views = {{"public.v", "SELECT a = b\nFROM {table}"}};
  return job;
}

TEST(WindowState, JournalGivesTheSettingsBackAsTheyWere) {
  const JobDescription job = example();
  const std::string request = request_of(job, "abs(hashtext(a::text)) % 7");
  const JobDescription back = with_request(JobDescription(), request);
  EXPECT_EQ(back.key, "abs(hashtext(a::text)) % 7");
  EXPECT_EQ(back.partitions, 7U);
  EXPECT_EQ(back.key_column, "part");
  EXPECT_EQ(back.key_mode, KeyMode::generated);
  ASSERT_EQ(back.map.size(), 2U);
  EXPECT_EQ(back.map[0].column, "id");
  EXPECT_EQ(back.map[1].sql, job.map[0].sql);
  EXPECT_EQ(back.skip, job.skip);
  EXPECT_EQ(back.window.accept, job.window.accept);
  EXPECT_EQ(back.window.views, job.window.views);
  EXPECT_EQ(request_of(back, back.key), request);
}

TEST(WindowState, JournalReplacesWhatTheCallerSaid) {
  JobDescription other;
  other.map = {{"x", "y"}};
  other.skip = {"z"};
  const JobDescription back = with_request(other, request_of(JobDescription(), "k"));
  EXPECT_TRUE(back.map.empty());
  EXPECT_TRUE(back.skip.empty());
}

TEST(WindowState, DifferencesOfRequestsAreNamed) {
  JobDescription job = example();
  const std::string then = request_of(job, "k");
  EXPECT_EQ(request_differences(then, then), "");
  job.partitions = 8;
  job.skip.pop_back();
  EXPECT_EQ(request_differences(then, request_of(job, "k")),
            "was: partitions 7; was: skip meta; now: partitions 8");
}

TEST(WindowState, LeavesTakeTheFinalTablesNameAndOthersKeepTheirs) {
  const auto renames = leaf_renames({"t_new_p0", "stranger", "t_new_p2"}, "t_new", "t");
  ASSERT_EQ(renames.size(), 3U);
  EXPECT_EQ(renames[0].second, "t_p0");
  EXPECT_EQ(renames[1].second, "stranger");
  EXPECT_EQ(renames[2].second, "t_p2");
}

}  // namespace
}  // namespace pgfanout
