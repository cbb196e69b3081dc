// Hooks of real jobs: what one that fails does to the job, and to the table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/window_fixture.h"

namespace pgfanout::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class HooksTest : public WindowFixture {};

TEST_F(HooksTest, OneThatFailsStopsTheJobBeforeTheSwapAndTheSameCommandGoesOn) {
  make_chunks(200);
  CommandResult result = window("run", {"--table", "chunks", "--swap", "--hook",
                                        "stage_finished=[ $PGFANOUT_STAGE != verify ] || exit 7"});
  EXPECT_EQ(result.exit_code, 3) << result;
  EXPECT_EQ(error_code(), "hook-failed");
  EXPECT_EQ(json["issues"][0]["where"], "verify");
  EXPECT_EQ(stage_status("verify"), "ok");
  EXPECT_EQ(stage_status("swap"), "interrupted");
  EXPECT_EQ(json["writes_refused"], true);
  EXPECT_EQ(value("SELECT count(*) FROM pg_partitioned_table WHERE partrelid = 'chunks'::regclass "
                  "AND partstrat = 'h'"),
            "1");
  result = window("status", {"--table", "chunks"});
  EXPECT_EQ(json["standing"]["state"], "open") << result;

  result = window("run", {"--table", "chunks", "--swap"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "200");
}

TEST_F(HooksTest, BehindTheSwapOneThatFailsOnlyWarns) {
  make_chunks(200);
  CommandResult result = window("run", {"--table", "chunks", "--swap", "--hook",
                                        "stage_finished=[ $PGFANOUT_STAGE != swap ] || exit 7",
                                        "--hook", "job_finished=cat >/dev/null; exit 8"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(has_issue("hook-failed"));
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("at stage_finished ended with exit status 7"),
                    HasSubstr("the hook cat at job_finished ended with exit status 8")));

  result = window("rollback", {"--table", "chunks", "--hook", "job_started=exit 7", "--hook",
                               "stage_started=exit 7"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(has_issue("hook-failed"));
}

TEST_F(HooksTest, OneThatFailsAtTheStartKeepsTheFirstStageFromBeginning) {
  make_chunks(200);
  const std::string before = catalog();
  EXPECT_EQ(window("run", {"--table", "chunks", "--hook", "job_started=false"}).exit_code, 3);
  EXPECT_EQ(error_code(), "hook-failed");
  EXPECT_EQ(stage_status("preflight"), "interrupted");
  EXPECT_EQ(catalog(), before);
  EXPECT_EQ(copy({"--table", "chunks", "--hook", "job_started=false"}).exit_code, 3);
  EXPECT_EQ(error_code(), "hook-failed");
  expect_nothing_left();
}

TEST_F(HooksTest, ItsOutputIsShownAndThePasswordIsNotItsOwn) {
  make_chunks(200);
  harness::CommandOptions options;
  options.environment = {{"PGPASSWORD", "hunter2"}};
  const CommandResult result = copy({"--table", "chunks", "--progress", "none", "--hook",
                                     "job_finished=env | grep PASS; echo it is over; cat"},
                                    std::move(options));
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(result.err, AllOf(HasSubstr("hook env at job_finished: it is over [hook]\n"),
                                HasSubstr("hook env at job_finished: {\"event\":\"job_finished\""),
                                Not(HasSubstr("hunter2"))));
  EXPECT_THAT(result.out, Not(HasSubstr("it is over")));
}

}  // namespace
}  // namespace pgfanout::testing
