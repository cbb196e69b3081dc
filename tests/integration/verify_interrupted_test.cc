// Interruptions of a verification, and writes while it reads: two tables that differ or may differ
// are never called equal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"
#include "tests/integration/gated_tables.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::GatedTables;

class VerifyInterruptedTest : public testing::CopyFixture {
 protected:
  void expect_unproven(const CommandResult& result) {
    EXPECT_EQ(result.exit_code, 4) << result;
    json = testing::Json::parse(result.out, nullptr, false);
    ASSERT_FALSE(json.is_discarded()) << result;
    EXPECT_EQ(json["status"], "unproven") << result;
  }
};

TEST_F(VerifyInterruptedTest, SignalsEndItUnprovenAndItSaysWhatIsMissing) {
  GatedTables tables(server(), database);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    harness::BackgroundCommand command(GatedTables::command(dsn()));
    tables.wait_until_reading();
    command.send_signal(signal);
    expect_unproven(command.wait());
    EXPECT_THAT(json["issues"].dump(), ::testing::HasSubstr("not-compared"));
    tables.open_gate();
    tables.wait_until_gone();
    tables.close_gate();
  }
}

TEST_F(VerifyInterruptedTest, LostSessionsEndItUnproven) {
  GatedTables tables(server(), database);
  for (const std::string role : {"reader", "source"}) {
    harness::BackgroundCommand command(GatedTables::command(dsn()));
    tables.wait_until_reading();
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'pgfanout/%/" +
        role + "'");
    tables.open_gate();
    expect_unproven(command.wait());
    tables.wait_until_gone();
    tables.close_gate();
  }
}

TEST_F(VerifyInterruptedTest, SourcesServerIsKilledMeanwhile) {
  harness::TestServer doomed;
  GatedTables tables(doomed, "postgres");
  harness::BackgroundCommand command(GatedTables::command(doomed.dsn()));
  tables.wait_until_reading();
  doomed.stop_immediately();
  expect_unproven(command.wait());
}

TEST_F(VerifyInterruptedTest, TargetsServerIsKilledMeanwhile) {
  harness::TestServer doomed;
  doomed.execute("postgres",
                 "CREATE TABLE t_new AS SELECT n AS id, CASE n WHEN 900 THEN 'gate' ELSE 'x' END AS"
                 " note FROM generate_series(1, 1000) n");
  GatedTables tables(server(), database);
  harness::BackgroundCommand command(GatedTables::command(dsn(), {"--target", doomed.dsn()}));
  tables.wait_until_reading();
  doomed.stop_immediately();
  tables.open_gate();
  expect_unproven(command.wait());
}

TEST_F(VerifyInterruptedTest, WriteMeanwhileWithoutLocks) {
  GatedTables tables(server(), database);
  const std::string other = server().create_database("elsewhere");
  const GatedTables others(server(), other);
  for (const char* write :
       {"UPDATE t SET note = 'y' WHERE id = 17", "DELETE FROM t WHERE id = 18"}) {
    SCOPED_TRACE(write);
    harness::BackgroundCommand command(
        GatedTables::command(dsn(), {"--target", server().dsn(other), "--assume-quiet"}));
    tables.wait_until_reading();
    execute(write);
    tables.open_gate();
    expect_unproven(command.wait());  // With and without differences.
    tables.close_gate();
  }
}

TEST_F(VerifyInterruptedTest, LocksKeepWritersOutBetweenDatabases) {
  GatedTables tables(server(), database);
  const std::string other = server().create_database("elsewhere");
  const GatedTables others(server(), other);
  harness::BackgroundCommand command(
      GatedTables::command(dsn(), {"--target", server().dsn(other)}));
  tables.wait_until_reading();
  for (const std::string& name : {database, other}) {
    const std::string write = "SET lock_timeout = '10ms'; UPDATE t";
    EXPECT_ANY_THROW(server().execute(
        name, write + (name == other ? "_new" : "") + " SET note = 'y' WHERE id = 17"));
  }
  tables.open_gate();
  const CommandResult result = command.wait();
  EXPECT_EQ(result.exit_code, 0) << result;
}

TEST_F(VerifyInterruptedTest, WriteMeanwhileInOneDatabaseIsNotSeen) {
  GatedTables tables(server(), database);
  harness::BackgroundCommand command(GatedTables::command(dsn()));
  tables.wait_until_reading();
  execute("UPDATE t SET note = 'y' WHERE id = 17; DELETE FROM t_new WHERE id = 18");
  tables.open_gate();
  CommandResult result = command.wait();
  EXPECT_EQ(result.exit_code, 0) << "both sides are read under one snapshot: " << result;
  result = harness::run_command(GatedTables::command(dsn()));
  EXPECT_EQ(result.exit_code, 1) << result;
  json = testing::Json::parse(result.out);
  EXPECT_EQ(json["differences"]["changed"], 1);
  EXPECT_EQ(json["differences"]["missing"], 1);
}

}  // namespace
}  // namespace pgfanout
