// A command that resumes a job says so first, and repeats the checks of what others may have
// changed since: with the same reasons not to go on as before the job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class ResumeChecksTest : public testing::WindowFixture {
 protected:
  void SetUp() override {
    CopyFixture::SetUp();
    const std::string role = "mover_" + database;
    execute(
        "CREATE ROLE " + role + " LOGIN; GRANT CREATE ON DATABASE " + database + " TO " + role +
        "; GRANT CREATE, USAGE ON SCHEMA public TO " + role +
        "; CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM"
        " generate_series(1, 400) g; CREATE INDEX ON t (v); ANALYZE t; ALTER TABLE t OWNER TO " +
        role);
    mover = role;
  }
  void TearDown() override {
    if (has_slot) server().execute("postgres", "SELECT pg_drop_replication_slot('left_behind')");
  }

  CommandResult call(const std::string& command, std::vector<std::string> more = {},
                     const std::string& crash_at = "") {
    harness::CommandOptions options;
    if (!crash_at.empty()) options.environment = {{"PGFANOUT_CRASH_AT", crash_at}};
    more.insert(more.begin(), {command, "--json", "--source", dsn(mover), "--table", "t", "--key",
                               "id % 4", "--partitions", "4"});
    CommandResult result = harness::pgfanout(more, options);
    json = testing::Json::parse(result.out, nullptr, false);
    return result;
  }
  /// Nobody reads from it, so WAL is kept for it.
  void leave_a_slot() {
    execute("SELECT pg_create_physical_replication_slot('left_behind', true)");
    has_slot = true;
  }
  /// "GRANT" or "REVOKE" the right to make the tables of a swap.
  void change_right(const std::string& word) {
    execute(word + " CREATE ON SCHEMA public " + (word == "GRANT" ? "TO " : "FROM ") + mover);
  }
  void expect_no_go(const CommandResult& result) {
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(error_code(), "no-go") << result;
    EXPECT_TRUE(has_issue("no-privilege")) << result;
    EXPECT_THAT(result.out, HasSubstr("no-go")) << result;
  }

  std::string mover;
  bool has_slot = false;
};

TEST_F(ResumeChecksTest, OfACopyTheServersAlone) {
  const std::vector<std::string> epochs = {"--commit-every", "100"};
  EXPECT_EQ(call("copy", epochs, "epoch-committed:2").signal, SIGKILL);
  leave_a_slot();
  const CommandResult result = call("copy", epochs);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(
      result.err.substr(0, result.err.find('\n')),
      ::testing::MatchesRegex("info: resuming job [0-9a-fT-]+: 2 of [3-9] epochs committed, "
                              "[0-9]+ rows; checking first what may have changed since "
                              "\\[resumed\\]"));
  EXPECT_TRUE(has_issue("slot-inactive")) << result;
  EXPECT_FALSE(has_issue("archiving")) << "notes are not repeated" << result;
}

TEST_F(ResumeChecksTest, OfAWindowInEveryStageAndBeforeTheSwapAlone) {
  EXPECT_EQ(call("run", {"--commit-every", "100"}, "epoch-committed:2").signal, SIGKILL);
  change_right("REVOKE");
  CommandResult result = call("run", {"--commit-every", "100"});
  expect_no_go(result);
  EXPECT_THAT(result.err, HasSubstr("with the stage copy: 2 of ")) << result;
  EXPECT_EQ(json["writes_refused"], true) << "the job is as it was" << result;
  change_right("GRANT");
  EXPECT_EQ(call("run", {"--commit-every", "100"}, "step-committed:3").signal, SIGKILL);
  change_right("REVOKE");
  result = call("run", {"--commit-every", "100"});
  expect_no_go(result);
  EXPECT_THAT(result.err,
              ContainsRegex("with the stage index: [1-9] steps are done; checking first"));
  change_right("GRANT");
  leave_a_slot();
  result = call("run", {"--commit-every", "100"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(has_issue("slot-inactive")) << result;
  change_right("REVOKE");
  expect_no_go(call("swap", {"--commit-every", "100"}));
  change_right("GRANT");
  EXPECT_EQ(call("swap", {"--commit-every", "100"}).exit_code, 0);
}

}  // namespace
}  // namespace pgfanout
