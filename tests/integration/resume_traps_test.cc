// Actions of a person between two calls of a copy, or with another command. None of them may end in
// a false success, in rows that the journal does not know, or in a fence that cannot be lifted.
#include <gtest/gtest.h>

#include "tests/integration/resume_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;

class ResumeTrapsTest : public testing::ResumeFixture {
 protected:
  CommandResult command(const std::string& name, std::vector<std::string> arguments) {
    if (std::find(arguments.begin(), arguments.end(), "--source") == arguments.end()) {
      arguments.insert(arguments.begin(), {"--source", dsn()});
    }
    arguments.insert(arguments.begin(), {name, "--json", "--table", "chunks"});
    CommandResult result = harness::pgfanout(arguments);
    json = testing::Json::parse(result.out, nullptr, false);
    return result;
  }
};

TEST_F(ResumeTrapsTest, AFinishedCopyWhoseTargetIsGone) {
  crash_at("attach-committed", in_epochs());
  execute("DROP TABLE chunks_new");
  EXPECT_EQ(copy(in_epochs()).exit_code, 2);
  EXPECT_EQ(error_code(), "target-gone");
  ASSERT_EQ(copy(in_epochs({"--restart"})).exit_code, 0);
  expect_copied();
  expect_free();
}

TEST_F(ResumeTrapsTest, AnotherSourceIsNotTakenForTheSame) {
  // A clone has the same OIDs.
  const std::string clone = database + "_clone";
  server().execute("postgres", "CREATE DATABASE " + clone + " TEMPLATE " + database);
  const std::string target = server().create_database("target");
  const std::vector<std::string> here = in_epochs({"--target", server().dsn(target)});
  const std::vector<std::string> there =
      in_epochs({"--target", server().dsn(target), "--source", server().dsn(clone)});
  crash_at("epoch-committed:2", here);
  for (const char* option : {"", "--restart"}) {
    std::vector<std::string> words = there;
    if (*option != '\0') words.emplace_back(option);
    EXPECT_EQ(copy(words).exit_code, 2) << option;
    EXPECT_EQ(error_code(), "other-source") << option;
  }
  EXPECT_EQ(command("rollback", {"--target", server().dsn(target), "--source", server().dsn(clone),
                                 "--into", "chunks_new"})
                .exit_code,
            2);
  expect_fenced();
  ASSERT_EQ(copy(here).exit_code, 0);
  execute("UPDATE chunks SET content = 'x' WHERE id = 1");
}

TEST_F(ResumeTrapsTest, RowsInATableOfTheUsersOwnAreNotForgotten) {
  make_target();
  crash_at("epoch-committed:2", in_epochs());
  EXPECT_EQ(copy(in_epochs({"--restart"})).exit_code, 2);
  EXPECT_EQ(error_code(), "rows-left");
  EXPECT_EQ(command("rollback", {}).exit_code, 2);
  EXPECT_EQ(error_code(), "rows-left");
  expect_fenced();
  ASSERT_EQ(copy(in_epochs()).exit_code, 0);
  expect_copied();
}

TEST_F(ResumeTrapsTest, AnEmptiedTableOfTheUsersOwnIsBegunAnew) {
  make_target();
  crash_at("epoch-committed:2", in_epochs());
  execute("TRUNCATE chunks_new");
  ASSERT_EQ(copy(in_epochs({"--restart"})).exit_code, 0);
  expect_copied();
  expect_free();
}

TEST_F(ResumeTrapsTest, ALeafThatIsAnotherTableByNow) {
  crash_at("epoch-committed:2", in_epochs());
  execute(
      "DROP TABLE chunks_new_p7; CREATE TABLE chunks_new_p7 (LIKE chunks_new_p6);"
      " INSERT INTO chunks_new_p7 SELECT * FROM chunks_new_p6");
  const std::string rows = value("SELECT count(*) FROM chunks_new_p7");
  EXPECT_EQ(copy(in_epochs()).exit_code, 2);
  EXPECT_EQ(error_code(), "target-changed");
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new_p7"), rows);
}

/// As a writer whose client was killed while the server was at work for it.
TEST_F(ResumeTrapsTest, ABackendThatIsLeftIsEnded) {
  crash_at("epoch-committed:2", in_epochs());
  harness::Session left = server().connect(database);
  left.execute("SET application_name = 'pgfanout/" + value("SELECT job FROM pgfanout.job") +
               "/writer'; BEGIN; UPDATE pgfanout.leaf_load SET rows = 0");
  harness::CommandOptions options;
  options.timeout = std::chrono::seconds(30);
  const CommandResult result = copy(in_epochs(), options);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_THROW(left.execute("COMMIT"), harness::ServerError);
  expect_copied();
}

TEST_F(ResumeTrapsTest, APartitionOfAStrangerIsNotDropped) {
  ASSERT_EQ(copy(in_epochs()).exit_code, 0);
  execute("CREATE TABLE stranger PARTITION OF chunks_new FOR VALUES IN (8)");
  EXPECT_EQ(copy(in_epochs({"--restart"})).exit_code, 2);
  EXPECT_EQ(error_code(), "foreign-partition");
  expect_copied();
  EXPECT_EQ(value("SELECT count(*) FROM stranger"), "0");
}

TEST_F(ResumeTrapsTest, AWindowOverAnInterruptedCopy) {
  crash_at("epoch-committed:2", in_epochs());
  EXPECT_EQ(command("run", {}).exit_code, 2);
  ASSERT_EQ(command("run", {"--restart"}).exit_code, 0) << json.dump(1);
  ASSERT_EQ(command("rollback", {}).exit_code, 0);
  expect_free();
}

TEST_F(ResumeTrapsTest, AFenceThatAFinishedCopyLeftIsLiftedByWhateverComesNext) {
  for (const char* next : {"run", "rollback"}) {
    SCOPED_TRACE(next);
    crash_at("attach-committed", in_epochs({"--restart"}));
    expect_fenced();
    const CommandResult result = command(next, {});
    EXPECT_EQ(result.exit_code, 2) << "the target is there, or nothing is to be undone: " << result;
    expect_free();
    execute("DROP TABLE chunks_new");
  }
}

TEST_F(ResumeTrapsTest, ACopyDoesNotMakeASwapForgotten) {
  ASSERT_EQ(command("run", {"--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(copy({"--table", "chunks", "--restart", "--into", "chunks_new"}).exit_code, 0) << json;
  EXPECT_EQ(value("SELECT count(*) FROM pgfanout.job WHERE state = 'swapped'"), "1");
  execute("DROP TABLE chunks_new");  // It has the names that the rollback gives back.
  ASSERT_EQ(command("rollback", {}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "8");
}

TEST_F(ResumeTrapsTest, AnUnprovenCopyIsNotFinished) {
  // The session with the lock is lost, and the fence too, before the leaves are attached.
  crash_at("read-back", in_epochs());
  execute("DROP TRIGGER pgfanout_fence ON chunks");
  const CommandResult result = copy(in_epochs());
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_EQ(error_code(), "source-changed");
  EXPECT_EQ(value("SELECT count(*) FROM pgfanout.job WHERE state = 'done'"), "0");
}

TEST_F(ResumeTrapsTest, ATableThatIsOnlyNamedLikeRejects) {
  execute("CREATE TABLE chunks_new_rejects (a int); INSERT INTO chunks_new_rejects VALUES (1)");
  ASSERT_EQ(copy(in_epochs({"--reject-limit", "3"})).exit_code, 0);
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new_rejects"), "1");
}

TEST_F(ResumeTrapsTest, ASchemaOfTheAdministratorsStays) {
  const std::string target = server().create_database("schema_target");
  execute("CREATE SCHEMA pgfanout");
  ASSERT_EQ(copy(in_epochs({"--target", server().dsn(target)})).exit_code, 0);
  EXPECT_EQ(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'pgfanout'"), "1");
}

}  // namespace
}  // namespace pgfanout
