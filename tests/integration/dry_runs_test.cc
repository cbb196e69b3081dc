// Dry runs of swap, rollback and cleanup: they change nothing, and what they print is what is done.
#include <gmock/gmock.h>

#include "tests/harness/temporary_file.h"
#include "tests/integration/rollback_fixture.h"

namespace pgfanout {
namespace {

using harness::CommandResult;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DryRunsTest : public testing::RollbackFixture {
 protected:
  void begin_before_the_swap() {
    begin_at("before the swap", [this] {
      make_table(300);
      ASSERT_EQ(window("run", {"--table", "chunks", "--partitions", "8"}).exit_code, 0);
    });
  }
  void begin_after_the_swap() {
    begin_at("after the swap", [this] {
      make_table(300);
      ASSERT_EQ(window("run", {"--table", "chunks", "--partitions", "8", "--swap"}).exit_code, 0);
    });
  }

  /// All objects, the journal and the fences; names of backups without their time.
  [[nodiscard]] std::string everything() const {
    return value(std::string("SELECT regexp_replace((") + kCatalogSql +
                 "), '_backup_[0-9]{8}_[0-9]{6}', '_backup', 'g')");
  }
  [[nodiscard]] std::string journal() const {
    std::string all;
    for (const char* table : {"job", "stage", "step", "undo", "fence", "made_relation"}) {
      all +=
          value(std::string("SELECT string_agg(x::text, E'\\n' ORDER BY x::text) FROM pgfanout.") +
                table + " x") +
          "\n";
    }
    return all;
  }

  /// The statements of a dry run, which changes nothing.
  std::vector<std::string> printed(const std::string& command,
                                   std::vector<std::string> arguments = {}) {
    const std::string before = everything() + journal();
    arguments.insert(arguments.begin(), {"--table", "chunks", "--dry-run"});
    const CommandResult result = window(command, arguments);
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(everything() + journal(), before) << command;
    std::vector<std::string> statements = json["statements"];
    EXPECT_THAT(statements, Not(IsEmpty())) << result;
    return statements;
  }

  void run_all(const std::vector<std::string>& statements) const {
    harness::Session session = server().connect(database);
    for (const std::string& sql : statements) {
      if (!sql.starts_with("--")) session.execute(sql);
    }
  }
};

TEST_F(DryRunsTest, TheSwapIsWhatIsPrinted) {
  begin_before_the_swap();
  const std::vector<std::string> statements = printed("swap");
  EXPECT_THAT(statements, Contains(HasSubstr("LOCK TABLE public.chunks IN ACCESS EXCLUSIVE")));
  // By name alone, and as text.
  const CommandResult text =
      harness::pgfanout({"swap", "--source", dsn(), "--table", "chunks", "--dry-run"});
  EXPECT_EQ(text.exit_code, 0) << text;
  EXPECT_THAT(text.out, HasSubstr("BEGIN;\n"));
  run_all(statements);
  const std::string by_hand = everything();
  begin_before_the_swap();
  ASSERT_EQ(window("swap", {"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(everything(), by_hand);
}

TEST_F(DryRunsTest, ARollbackBeforeTheSwapIsWhatIsPrinted) {
  begin_before_the_swap();
  run_all(printed("rollback"));
  EXPECT_EQ(catalog(), before_);
}

TEST_F(DryRunsTest, ARollbackAfterTheSwapIsWhatIsPrinted) {
  begin_after_the_swap();
  run_all(printed("rollback"));
  EXPECT_EQ(catalog(), before_);
}

TEST_F(DryRunsTest, ACleanupIsWhatIsPrinted) {
  begin_after_the_swap();
  EXPECT_EQ(window("cleanup", {"--table", "chunks", "--dry-run"}).exit_code, 2);
  EXPECT_TRUE(has_issue("retention"));
  run_all(printed("cleanup", {"--force"}));
  const std::string by_hand = everything();
  begin_after_the_swap();
  ASSERT_EQ(window("cleanup", {"--table", "chunks", "--force"}).exit_code, 0);
  EXPECT_EQ(everything(), by_hand);
}

TEST_F(DryRunsTest, NothingIsConfirmedOrReadyMade) {
  begin_before_the_swap();
  const CommandResult both =
      window("swap", {"--table", "chunks", "--dry-run", "--confirm", "verify"});
  EXPECT_EQ(both.exit_code, 2) << both;
  // A gate of the call is told, and the SQL is printed all the same.
  const harness::TemporaryFile job(
      "[source]\ntable = \"chunks\"\n[target]\npartitions = 8\n"
      "[gates]\nverify = \"confirm\"\n");
  const std::string before = journal();
  EXPECT_EQ(window("swap", {job.path(), "--dry-run"}).exit_code, 0);
  EXPECT_TRUE(has_issue("gate"));
  EXPECT_EQ(journal(), before);
  // It refuses as the command would.
  execute("ALTER TABLE chunks ALTER content SET DEFAULT 'x'");
  EXPECT_EQ(window("swap", {"--table", "chunks", "--dry-run"}).exit_code, 2);
  EXPECT_TRUE(has_issue("definition-changed"));
}

}  // namespace
}  // namespace pgfanout
