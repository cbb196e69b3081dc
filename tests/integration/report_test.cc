// The HTML report of real windows: what it says, that a browser shows it, and when there is none.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/report_fixture.h"

namespace pgfanout::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

using ReportTest = ReportFixture;

TEST_F(ReportTest, RunWithAGateAndSwap) {
  make_chunks(500);
  put("job.toml",
      "target.partitions = 8\n[gates]\nverify = \"confirm\"\n[hooks]\njob_finished = \"true "
      "--token geheim\"\n");
  const std::string job = (folder_ / "job.toml").string();
  const std::vector<std::string> words = {job, "--table", "chunks", "--swap", "--report"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    return more;
  };
  ASSERT_EQ(window("run", with({file("waiting")})).exit_code, 3) << json.dump(1);
  const std::string waiting = text("waiting");
  EXPECT_EQ(heading(waiting), "Waiting");
  EXPECT_THAT(waiting,
              AllOf(HasSubstr("--confirm</span> verify"), HasSubstr("refused by a fence")));
  EXPECT_THAT(part(waiting, "sign-off"), HasSubstr("waits for a person"));
  EXPECT_THAT(part(waiting, "rates"), HasSubstr("Rates as a table"));

  ASSERT_EQ(window("run", with({file("swapped"), "--confirm", "verify"})).exit_code, 0)
      << json.dump(1);
  const std::string swapped = text("swapped");
  EXPECT_EQ(heading(swapped), "Swapped");
  EXPECT_THAT(part(swapped, "sign-off"), HasSubstr("confirmed by postgres from"));
  std::string confirmed_by;
  for (const Json& stage : json["stages"]) {
    if (stage["name"] == "verify") confirmed_by = stage["confirmed_by"];
  }
  EXPECT_THAT(confirmed_by, HasSubstr("postgres from"));
  EXPECT_THAT(part(swapped, "settings"),
              AllOf(HasSubstr("verify"), HasSubstr("job_finished=true")));
  EXPECT_THAT(swapped, Not(HasSubstr("geheim")));
  EXPECT_THAT(swapped, Not(HasSubstr(" --report /"))) << "no command writes over this report";

  ASSERT_EQ(window("rollback", {"--table", "chunks", "--report", file("back")}).exit_code, 0);
  EXPECT_EQ(heading(text("back")), "Rolled back");

  const CommandResult seen = look_at({"waiting", "swapped", "back"});
  EXPECT_EQ(seen.exit_code, 0) << seen;
}

TEST_F(ReportTest, FileThatCannotBeWrittenIsRefusedBeforeAnything) {
  make_chunks(10);
  EXPECT_EQ(copy({"--table", "chunks", "--report", (folder_ / "no" / "r.html").string()}).exit_code,
            2);
  EXPECT_EQ(error_code(), "report-file");
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_new%'"), "0");
}

TEST_F(ReportTest, CommandsThatOnlyLookWriteNone) {
  make_chunks(10);
  ASSERT_EQ(window("plan", {"--table", "chunks", "--report", file("plan")}).exit_code, 0)
      << json.dump(1);
  EXPECT_FALSE(fs::exists(file("plan")));
}

}  // namespace
}  // namespace pgfanout::testing
