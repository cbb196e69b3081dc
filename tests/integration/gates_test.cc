// Gates that wait, and the commands that go on: none goes past one without --confirm.
#include <gmock/gmock.h>

#include "tests/harness/temporary_file.h"
#include "tests/integration/rollback_fixture.h"

namespace pgfanout {
namespace {

using harness::CommandResult;
using ::testing::HasSubstr;

class GatesTest : public testing::RollbackFixture {
 protected:
  /// A job file that begins with the table; `gates` are lines of [gates].
  static std::string job_with(const std::string& gates) {
    return "[source]\ntable = \"chunks\"\n[target]\npartitions = 8\n[gates]\n" + gates;
  }
  void begin_proven() {
    begin_at("proven", [this] {
      make_table(300);
      ASSERT_EQ(window("run", {"--table", "chunks", "--partitions", "8"}).exit_code, 0);
    });
  }
  void begin_waiting() {
    begin_at("waiting", [this] {
      make_table(300);
      ASSERT_EQ(window("run", {asks_.path()}).exit_code, 3);
      ASSERT_EQ(json["waiting_at"], "verify");
    });
  }

  void expect_waiting(const std::string& command, const std::vector<std::string>& arguments,
                      const std::string& stage) {
    const CommandResult result = window(command, arguments);
    EXPECT_EQ(result.exit_code, 3) << result;
    EXPECT_EQ(json["status"], "waiting");
    EXPECT_EQ(json["waiting_at"], stage);
  }
  [[nodiscard]] bool is_swapped() const {
    return value("SELECT to_regclass('chunks_new') IS NULL") == "t";
  }
  /// The words of the command for people.
  [[nodiscard]] std::string told(std::vector<std::string> words) const {
    words.insert(words.begin() + 1, {"--source", dsn()});
    const CommandResult result = harness::pgfanout(words);
    return result.out + result.err;
  }
  [[nodiscard]] std::string confirmed_by(const std::string& stage) const {
    return value("SELECT confirmed_by FROM pgfanout.stage WHERE name = '" + stage + "'");
  }

  const harness::TemporaryFile asks_{job_with("verify = \"confirm\"\n")};
};

TEST_F(GatesTest, ARefusedCallConfirmsNothing) {
  make_table(300);
  const harness::TemporaryFile early(job_with("prepare = \"confirm\"\n"));
  ASSERT_EQ(window("run", {early.path()}).exit_code, 3);
  EXPECT_EQ(
      window("run", {"--table", "chunks", "--partitions", "5", "--confirm", "prepare"}).exit_code,
      2);
  EXPECT_TRUE(has_issue("other-request"));
  EXPECT_EQ(window("swap", {"--table", "chunks", "--confirm", "prepare"}).exit_code, 2);
  expect_waiting("run", {early.path()}, "prepare");
  // A call that only names the table means the job as it was begun.
  EXPECT_EQ(harness::pgfanout({"run", "--source", dsn(), "--table", "chunks", "--confirm",
                               "prepare", "--progress", "none"})
                .exit_code,
            0);
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks_new'::regclass"),
            "8");
}

TEST_F(GatesTest, AJobThatHasNotBegunHasNoGateToConfirm) {
  make_table(300);
  EXPECT_EQ(window("run", {"--table", "chunks", "--confirm", "preflight"}).exit_code, 2);
  EXPECT_TRUE(has_issue("not-waiting")) << json.dump(1);
}

TEST_F(GatesTest, NoSwapPastAGateThatWaits) {
  begin_waiting();
  expect_waiting("swap", {asks_.path()}, "verify");
  // The gate waits, whatever the call says of gates.
  expect_waiting("swap", {"--table", "chunks"}, "verify");
  expect_waiting("run", {"--table", "chunks", "--partitions", "8", "--swap"}, "verify");
  EXPECT_FALSE(is_swapped());
  const std::string text = told({"swap", asks_.path()});
  EXPECT_THAT(text, HasSubstr("waiting: verify is done, and its gate waits for a person"));
  EXPECT_THAT(text, HasSubstr("pgfanout swap --source "));
  EXPECT_THAT(text, HasSubstr(" --confirm verify\n"));
  EXPECT_THAT(told({"status", "--table", "chunks"}), HasSubstr("waits at"));

  EXPECT_EQ(window("swap", {asks_.path(), "--confirm", "copy"}).exit_code, 2);
  EXPECT_TRUE(has_issue("not-waiting"));
  EXPECT_FALSE(is_swapped());
  EXPECT_EQ(window("swap", {"--table", "chunks", "--confirm", "verify"}).exit_code, 0);
  EXPECT_TRUE(is_swapped());
  EXPECT_THAT(confirmed_by("verify"), HasSubstr("postgres from"));
}

TEST_F(GatesTest, AGateOfTheCallOfSwapAlone) {
  begin_proven();
  expect_waiting("swap", {asks_.path()}, "verify");
  EXPECT_FALSE(is_swapped());
  window("status", {"--table", "chunks"});
  EXPECT_EQ(json["standing"].value("waiting_at", json.dump()), "verify");
  EXPECT_EQ(window("swap", {asks_.path(), "--confirm", "verify"}).exit_code, 0);
  EXPECT_TRUE(is_swapped());

  // Whoever knows of the gate may confirm at once.
  begin_proven();
  EXPECT_EQ(window("swap", {asks_.path(), "--confirm", "verify"}).exit_code, 0);
  EXPECT_TRUE(is_swapped());
}

TEST_F(GatesTest, AGateOfAnEarlierStage) {
  make_table(300);
  const harness::TemporaryFile early(job_with("copy = \"confirm\"\n"));
  expect_waiting("run", {early.path()}, "copy");
  expect_waiting("run", {"--table", "chunks", "--partitions", "8"}, "copy");
  // Stages are left that run alone runs.
  EXPECT_EQ(window("swap", {early.path()}).exit_code, 2);
  EXPECT_TRUE(has_issue("not-ready"));
  EXPECT_THAT(json.dump(), HasSubstr("'pgfanout run' with --confirm copy"));
  EXPECT_EQ(window("run", {early.path(), "--confirm", "copy"}).exit_code, 0);
  EXPECT_EQ(window("swap", {early.path()}).exit_code, 0);
}

TEST_F(GatesTest, AGateOfAnEarlierStageInTheCallOfSwapAlone) {
  begin_proven();
  const harness::TemporaryFile early(job_with("copy = \"confirm\"\n"));
  expect_waiting("swap", {early.path()}, "copy");
  EXPECT_THAT(told({"swap", early.path()}), HasSubstr(" --confirm copy\n"));
  EXPECT_EQ(window("swap", {early.path(), "--confirm", "copy"}).exit_code, 0);
}

TEST_F(GatesTest, TheBackupStaysWhileTheGateBehindTheSwapWaits) {
  begin_proven();
  const harness::TemporaryFile behind(job_with("swap = \"confirm\"\n"));
  expect_waiting("swap", {behind.path()}, "swap");
  EXPECT_TRUE(is_swapped());
  expect_waiting("swap", {behind.path()}, "swap");
  expect_waiting("run", {behind.path()}, "swap");
  expect_waiting("cleanup", {"--table", "chunks", "--force"}, "swap");
  // Nor does another job begin behind its back.
  EXPECT_EQ(window("run", {"--table", "chunks", "--key-mode", "none", "--swap"}).exit_code, 3);
  EXPECT_TRUE(has_issue("gate")) << json.dump(1);
  EXPECT_EQ(window("cleanup", {"--table", "chunks", "--force", "--confirm", "verify"}).exit_code,
            2);
  EXPECT_TRUE(has_issue("not-waiting"));
  const std::string backups =
      "SELECT count(*) FROM pg_class WHERE relname ~ '^chunks_backup_'"
      " AND relkind = 'p'";
  EXPECT_EQ(value(backups), "1");
  const std::string text = told({"status", "--table", "chunks"});
  EXPECT_THAT(text, HasSubstr("swapped, waiting for a person after swap"));
  EXPECT_THAT(text, HasSubstr("--confirm swap"));
  EXPECT_EQ(window("cleanup", {"--table", "chunks", "--force", "--confirm", "swap"}).exit_code, 0);
  EXPECT_EQ(value(backups), "0");
  EXPECT_THAT(confirmed_by("swap"), HasSubstr("postgres from"));
}

TEST_F(GatesTest, TheGateBehindTheSwapIsConfirmedByRunAndSwapToo) {
  const harness::TemporaryFile behind(job_with("swap = \"confirm\"\n"));
  for (const char* command : {"run", "swap"}) {
    begin_proven();
    expect_waiting("swap", {behind.path()}, "swap");
    EXPECT_EQ(window(command, {behind.path(), "--confirm", "swap"}).exit_code, 0) << command;
    EXPECT_THAT(confirmed_by("swap"), HasSubstr("postgres from"));
    EXPECT_EQ(window("cleanup", {behind.path(), "--force"}).exit_code, 0) << command;
  }
}

TEST_F(GatesTest, AGateOfCleanupsCallAlone) {
  begin_proven();
  ASSERT_EQ(window("swap", {"--table", "chunks"}).exit_code, 0);
  const harness::TemporaryFile behind(job_with("swap = \"confirm\"\n"));
  expect_waiting("cleanup", {behind.path(), "--force"}, "swap");
  EXPECT_EQ(window("cleanup", {behind.path(), "--force", "--confirm", "swap"}).exit_code, 0);
}

TEST_F(GatesTest, TheWayBackNeedsNoConfirmation) {
  begin_waiting();
  EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(catalog(), before_);
  window("status", {"--table", "chunks"});
  EXPECT_FALSE(json["standing"].contains("waiting_at")) << json;
}

}  // namespace
}  // namespace pgfanout
