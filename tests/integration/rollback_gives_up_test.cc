// A rollback that ends before its swap back: the swap stays in effect, and the application writes.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/integration/rollback_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;

class RollbackGivesUpTest : public testing::RollbackFixture {
 protected:
  void begin_swapped() {
    begin_at("swapped", [this] {
      make_table(300);
      ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0) << json.dump(1);
    });
  }
  void expect_still_swapped(const CommandResult& given_up) {
    EXPECT_EQ(given_up.exit_code, 3) << given_up;
    EXPECT_EQ(json["writes_refused"], false) << given_up;
    EXPECT_THAT(given_up.err, HasSubstr("source: writes are allowed\n"));
    EXPECT_EQ(value("SELECT count(DISTINCT tableoid) FROM chunks"), "8") << "the new layout";
    EXPECT_EQ(sqlstate_of("UPDATE chunks SET created_at = created_at WHERE id = 1"), "00000");
    EXPECT_EQ(sqlstate_of("BEGIN; TRUNCATE chunks_p3; ROLLBACK"), "00000");
  }
  void expect_rolls_back() {
    EXPECT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
    expect_as_before();
  }
  /// Stops there until SIGCONT.
  harness::BackgroundCommand rollback_behind_the_fence() {
    harness::CommandOptions options;
    options.environment = {{"PGFANOUT_CRASH_AT", "live-fenced"}, {"PGFANOUT_CRASH_BY", "SIGSTOP"}};
    harness::BackgroundCommand command(
        harness::pgfanout_argv({"rollback", "--source", dsn(), "--table", "chunks", "--json"}),
        options);
    EXPECT_TRUE(command.wait_until_stopped());
    EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE id = 1"), "55000");
    return command;
  }
  CommandResult end_of(harness::BackgroundCommand& command) {
    CommandResult result = command.wait();
    json = testing::Json::parse(result.out, nullptr, false);
    return result;
  }
};

/// The fence's triggers cannot be dropped while somebody reads; that they let writes pass needs no
/// lock.
TEST_F(RollbackGivesUpTest, LocksNotAcquired) {
  begin_swapped();
  harness::Session reader = server().connect(database);
  reader.execute("SET application_name = 'long report'; BEGIN; SELECT count(*) FROM chunks");
  const CommandResult given_up = window("rollback", {"--table", "chunks", "--swap-within", "1s"});
  EXPECT_TRUE(has_issue("lock-timeout"));
  EXPECT_TRUE(has_issue("live-fence-left"));
  EXPECT_THAT(given_up.err, HasSubstr("long report"));
  EXPECT_EQ(given_up.exit_code, 3) << given_up;
  EXPECT_EQ(json["writes_refused"], false);
  EXPECT_EQ(sqlstate_of("UPDATE chunks SET created_at = created_at WHERE id = 1"), "00000");
  EXPECT_EQ(window("status", {"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(json["writes_refused"], false);
  // Once more, behind the fence that is raised again.
  EXPECT_EQ(window("rollback", {"--table", "chunks", "--swap-within", "1s"}).exit_code, 3);
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE id = -1"), "00000");
  reader.execute("COMMIT");
  EXPECT_EQ(window("run", {"--table", "chunks", "--release"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = 'chunks'::regclass"
                  " AND t.tgname LIKE 'pgfanout%'"),
            "0");
  expect_rolls_back();
}

TEST_F(RollbackGivesUpTest, FenceNotRaisedBecauseOfAWriter) {
  begin_swapped();
  harness::Session writer = server().connect(database);
  writer.execute("BEGIN; UPDATE chunks SET content = 'open' WHERE id = 1");
  const CommandResult given_up =
      window("rollback", {"--table", "chunks", "--lock-timeout", "300ms"});
  EXPECT_TRUE(has_issue("lock-timeout"));
  writer.execute("ROLLBACK");
  expect_still_swapped(given_up);
  expect_rolls_back();
}

TEST_F(RollbackGivesUpTest, CtrlCBehindTheFence) {
  begin_swapped();
  harness::BackgroundCommand command = rollback_behind_the_fence();
  command.send_signal(SIGINT);
  command.send_signal(SIGCONT);
  expect_still_swapped(end_of(command));
  expect_rolls_back();
}

TEST_F(RollbackGivesUpTest, SessionsKilledBehindTheFence) {
  begin_swapped();
  harness::BackgroundCommand command = rollback_behind_the_fence();
  execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE"
      " 'pgfanout/%' AND datname = current_database()");
  command.send_signal(SIGCONT);
  expect_still_swapped(end_of(command));
  expect_rolls_back();
}

TEST_F(RollbackGivesUpTest, KilledBehindTheFenceAndTheNextCallRefuses) {
  begin_swapped();
  execute("DELETE FROM chunks WHERE id = 1");
  harness::CommandOptions options;
  options.environment = {{"PGFANOUT_CRASH_AT", "live-fenced"}};
  harness::pgfanout({"rollback", "--source", dsn(), "--table", "chunks", "--keep-new-rows"},
                    options);
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE id = 2"), "55000");
  const CommandResult refused = window("rollback", {"--table", "chunks"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_TRUE(has_issue("new-rows"));
  EXPECT_EQ(json["writes_refused"], false);
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE id = 2"), "00000");
}

/// A refusal is found without a fence: writers are not waited for.
TEST_F(RollbackGivesUpTest, RefusalClosesNoWrites) {
  begin_swapped();
  execute("DELETE FROM chunks WHERE id = 1");
  harness::Session writer = server().connect(database);
  writer.execute("BEGIN; UPDATE chunks SET content = 'open' WHERE id = 2");
  const CommandResult refused =
      window("rollback", {"--table", "chunks", "--lock-timeout", "100ms"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_TRUE(has_issue("new-rows"));
  EXPECT_THAT(refused.err, HasSubstr("0 inserted, 0 updated, 1 deleted"));
  writer.execute("COMMIT");
  EXPECT_EQ(value("SELECT content FROM chunks WHERE id = 2"), "open");
}

}  // namespace
}  // namespace pgfanout
