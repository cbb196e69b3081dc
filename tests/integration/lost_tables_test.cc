// Somebody drops a table that a job needs: the rows that are left elsewhere stay.
#include <gmock/gmock.h>

#include "tests/harness/session.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;

class LostTablesTest : public testing::WindowFixture {
 protected:
  void make_source() {
    const std::string leaf = "t_h" + std::to_string(made_++);
    execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text) PARTITION BY HASH (id);"
        "CREATE TABLE " +
        leaf +
        "_0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE " +
        leaf +
        "_1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 300) n");
  }
  CommandResult call(const std::string& command, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--table", "t"});
    return window(command, std::move(more));
  }
  CommandResult run(std::vector<std::string> more = {}, const std::string& leaves = "4") {
    more.insert(more.begin(), {"--key", "id % " + leaves, "--partitions", leaves});
    return call("run", std::move(more));
  }
  void expect_refused(const CommandResult& result, const std::string& code) {
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_TRUE(has_issue(code)) << result;
  }
  [[nodiscard]] std::string backup() const {
    return value(
        "SELECT relname FROM pg_class WHERE relname ~ '^t_backup_[0-9_]+$' AND relkind = 'p'"
        " ORDER BY oid LIMIT 1");
  }

  int made_ = 0;
};

TEST_F(LostTablesTest, TheCopyOfADroppedSourceIsNotDropped) {
  make_source();
  ASSERT_EQ(run().exit_code, 0) << json.dump(1);
  execute("DROP TABLE t");
  make_source();
  execute("DELETE FROM t");
  const CommandResult status = call("status");
  EXPECT_THAT(status.err, HasSubstr("[source-gone]"));
  EXPECT_EQ(json["writes_refused"], false) << status;
  expect_refused(call("swap"), "source-gone");
  expect_refused(run(), "source-gone");
  expect_refused(run({"--restart"}), "source-gone");
  const CommandResult kept = call("rollback");
  expect_refused(kept, "source-gone");
  EXPECT_THAT(kept.err, HasSubstr("public.t_new"));
  EXPECT_EQ(value("SELECT count(*) FROM t_new"), "300");
  EXPECT_EQ(call("rollback", {"--force"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT to_regclass('t_new') IS NULL"), "t");
}

TEST_F(LostTablesTest, TheCopyOfADroppedPartitionIsNotDropped) {
  make_source();
  ASSERT_EQ(run().exit_code, 0) << json.dump(1);
  execute("ALTER TABLE t DETACH PARTITION t_h0_1");
  EXPECT_EQ(call("rollback", {"--dry-run"}).exit_code, 0) << json.dump(1);
  execute("DROP TABLE t_h0_1");
  expect_refused(call("rollback"), "source-gone");
  EXPECT_EQ(value("SELECT count(*) FROM t_new"), "300");
  // A copy that was dropped as well holds nothing.
  execute("DROP TABLE t_new");
  EXPECT_EQ(call("rollback").exit_code, 0) << json.dump(1);
}

TEST_F(LostTablesTest, AnInterruptedCopyIsNotDroppedEither) {
  make_source();
  harness::CommandOptions crash;
  crash.environment = {{"PGFANOUT_CRASH_AT", "epoch-committed:2"}};
  harness::pgfanout({"copy", "--source", dsn(), "--table", "t", "--commit-every", "100"}, crash);
  const std::string copied = value("SELECT sum(l.rows) FROM pgfanout.leaf_load l");
  EXPECT_GT(std::stoi(copied), 0);
  execute("DROP TABLE t_h0_0");
  for (const char* command : {"copy", "run"}) {
    expect_refused(call(command, {"--commit-every", "100", "--restart"}), "source-gone");
  }
  expect_refused(call("rollback"), "source-gone");
  EXPECT_EQ(value("SELECT sum(l.rows) FROM pgfanout.leaf_load l"), copied);
}

TEST_F(LostTablesTest, ADroppedCopyIsNotResumed) {
  make_source();
  ASSERT_EQ(run().exit_code, 0) << json.dump(1);
  execute("DROP TABLE t_new");
  expect_refused(run({"--swap"}), "target-gone");
  EXPECT_EQ(call("rollback").exit_code, 0) << json.dump(1);
  EXPECT_EQ(sqlstate_of("DELETE FROM t"), "00000");
}

TEST_F(LostTablesTest, TheBackupOfADroppedTableIsNotDropped) {
  make_source();
  ASSERT_EQ(run({"--swap"}).exit_code, 0) << json.dump(1);
  execute("DROP TABLE t");
  make_source();
  execute("DELETE FROM t WHERE id > 200");
  EXPECT_THAT(call("status").err, HasSubstr("[target-gone]"));
  const CommandResult undone = call("rollback");
  expect_refused(undone, "target-gone");
  EXPECT_THAT(undone.err, HasSubstr(backup()));
  const CommandResult cleaned = call("cleanup", {"--force"});
  expect_refused(cleaned, "target-gone");
  EXPECT_THAT(cleaned.err, HasSubstr("DROP TABLE \"public\".\"" + backup()));
  EXPECT_EQ(value("SELECT count(*) FROM " + backup()), "300");
  // The table of that name has not been moved.
  ASSERT_EQ(run({"--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(DISTINCT tableoid) || ' ' || count(*) FROM t"), "4 200");
  execute("DROP TABLE " + backup());
  EXPECT_EQ(call("cleanup", {"--force"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname ~ '^t_backup'"), "0");
}

TEST_F(LostTablesTest, ADroppedBackupIsNamed) {
  make_source();
  ASSERT_EQ(run({"--swap"}).exit_code, 0) << json.dump(1);
  execute("DROP TABLE " + backup());
  expect_refused(call("rollback"), "backup-gone");
}

/// The later window's backup is the table that the earlier one put in place.
TEST_F(LostTablesTest, TheBackupsOfTwoWindowsAreDroppedInEitherOrder) {
  make_source();
  ASSERT_EQ(run({"--swap"}).exit_code, 0) << json.dump(1);
  ASSERT_EQ(run({"--swap"}, "5").exit_code, 0) << json.dump(1);
  execute(
      "UPDATE pgfanout.job SET keep_until = now() WHERE started_at = (SELECT max(started_at)"
      " FROM pgfanout.job)");
  EXPECT_EQ(call("cleanup").exit_code, 0) << json.dump(1);
  EXPECT_EQ(call("cleanup", {"--force"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname ~ '^t_backup'"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM t"), "300");
}

TEST_F(LostTablesTest, ACleanupNamesTheSessionInItsWay) {
  make_source();
  ASSERT_EQ(run({"--swap"}).exit_code, 0) << json.dump(1);
  harness::Session reader = server().connect(database);
  reader.execute("SET application_name = 'long report'; BEGIN; SELECT count(*) FROM " + backup());
  const CommandResult waited = call("cleanup", {"--force", "--lock-timeout", "1s"});
  EXPECT_EQ(waited.exit_code, 3) << waited;
  EXPECT_THAT(waited.err, HasSubstr("application 'long report'"));
  reader.execute("COMMIT");
  EXPECT_EQ(call("cleanup").exit_code, 0) << json.dump(1);
}

}  // namespace
}  // namespace pgfanout
