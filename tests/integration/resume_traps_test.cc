// What a person does between two calls of a copy, or with another command: nothing of it may end in
// a false success, in rows that nobody knows of, or in a fence that nobody can lift.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/integration/resume_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::kRows;

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
  void make_target() const {
    execute(
        "CREATE TABLE chunks_new (LIKE chunks, partition_key int NOT NULL) PARTITION BY LIST"
        " (partition_key); DO $$ BEGIN FOR k IN 0..99 LOOP EXECUTE format('CREATE TABLE"
        " chunks_new_p%s PARTITION OF chunks_new FOR VALUES IN (%s)', lpad(k::text, 2, '0'), k);"
        " END LOOP; END $$");
  }
};

TEST_F(ResumeTrapsTest, AFencedCopyDoesNotGoOnWithoutItsFence) {
  crash_at("epoch-committed:2", in_epochs());
  for (const char* option : {"--no-fence", "--assume-quiet"}) {
    EXPECT_EQ(copy(in_epochs({option})).exit_code, 2);
    EXPECT_EQ(error_code(), "other-request");
    expect_fenced();
  }
  EXPECT_EQ(copy(in_epochs({"--release"})).exit_code, 0);
  execute("DELETE FROM chunks WHERE id % 10 = 1");
  EXPECT_EQ(copy(in_epochs({"--no-fence"})).exit_code, 2);
  ASSERT_EQ(copy(in_epochs({"--restart"})).exit_code, 0);
  expect_copied();
}

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
  const std::string clone = server().create_database("clone");
  server().execute("postgres", "DROP DATABASE " + clone);
  server().execute("postgres", "CREATE DATABASE " + clone + " TEMPLATE " + database);
  const std::string target = server().create_database("target");
  const std::vector<std::string> here = in_epochs({"--target", server().dsn(target)});
  const std::vector<std::string> there =
      in_epochs({"--target", server().dsn(target), "--source", server().dsn(clone)});
  for (const char* place : {"epoch-committed:2", "attach-committed"}) {
    SCOPED_TRACE(place);
    std::vector<std::string> anew = here;
    anew.push_back("--restart");
    crash_at(place, anew);
    for (const char* option : {"", "--restart", "--release"}) {
      std::vector<std::string> words = there;
      if (*option != '\0') words.emplace_back(option);
      EXPECT_EQ(copy(words).exit_code, 2) << option;
      EXPECT_EQ(error_code(), "other-source") << option;
    }
    EXPECT_EQ(command("rollback", {"--target", server().dsn(target), "--source",
                                   server().dsn(clone), "--into", "chunks_new"})
                  .exit_code,
              2);
    expect_fenced();
    ASSERT_EQ(copy(here).exit_code, 0);
    execute("UPDATE chunks SET content = 'x' WHERE id = 1");
  }
}

TEST_F(ResumeTrapsTest, RowsInATableOfTheUsersOwnAreNotForgotten) {
  make_target();
  crash_at("epoch-committed:2", in_epochs());
  for (const char* option : {"--restart"}) {
    EXPECT_EQ(copy(in_epochs({option})).exit_code, 2);
    EXPECT_EQ(error_code(), "rows-left");
  }
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
      "DROP TABLE chunks_new_p07; CREATE TABLE chunks_new_p07 (LIKE chunks_new_p08);"
      " INSERT INTO chunks_new_p07 SELECT * FROM chunks_new_p08");
  const std::string rows = value("SELECT count(*) FROM chunks_new_p07");
  EXPECT_EQ(copy(in_epochs()).exit_code, 2);
  EXPECT_EQ(error_code(), "target-changed");
  EXPECT_EQ(value("SELECT count(*) FROM chunks_new_p07"), rows);
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
  copy({"--table", "chunks", "--restart", "--into", "chunks_new", "--on-key-mismatch", "fix"});
  EXPECT_EQ(value("SELECT count(*) FROM pgfanout.job WHERE state = 'swapped'"), "1");
  ASSERT_EQ(command("rollback", {}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "16");
}

TEST_F(ResumeTrapsTest, ValuesThatDifferEachTimeAndTwoInterruptions) {
  const std::vector<std::string> words = in_epochs({"--map", "u=gen_random_uuid()"});
  crash_at("lane-committed:10", words);
  crash_at("epoch-committed:2", words);
  crash_at("copy-committed", words);
  const CommandResult result = copy(words);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) || ' ' || count(DISTINCT u) || ' ' || count(DISTINCT id) FROM"
                  " chunks_new"),
            fmt::format("{0} {0} {0}", kRows));
}

TEST_F(ResumeTrapsTest, AnUnprovenCopyIsNotFinished) {
  // The session with the lock is lost, and the fence too, before the leaves are attached.
  execute("CREATE TABLE holder AS SELECT 1");
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
