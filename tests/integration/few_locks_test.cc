// A server whose lock table is small against the table's leaves: what a job does forwards it can
// undo, or it is refused beforehand; and the plan's figures are those that transactions hold.
#include <gmock/gmock.h>
#include <signal.h>

#include <map>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using ::testing::AllOf;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Json;
using testing::TestServer;

class FewLocksTest : public testing::WindowFixture {
 protected:
  /// 676 places on version 15: for 30 connections, 3 autovacuum workers and their launcher, 8 other
  /// workers, and 10 senders of WAL. The server gives up at about 1,300.
  static TestServer& small_server() {
    harness::ServerOptions options;
    options.settings = {"max_connections = 30", "max_locks_per_transaction = 13"};
    static TestServer made(options);
    return made;
  }
  void SetUp() override {
    database = small_server().create_database("few");
    on("CREATE TABLE t (id int, c text, x text, d0 int DEFAULT 0, d1 int DEFAULT 0,"
       " d2 int DEFAULT 0, d3 int DEFAULT 0, d4 int DEFAULT 0, d5 int DEFAULT 0, PRIMARY KEY (id, "
       "c)) PARTITION BY HASH (c);"
       "CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
       "CREATE TABLE t_1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
       "INSERT INTO t SELECT n, 'c' || n % 400, 'x' FROM generate_series(1, 1000) n;"
       "CREATE INDEX ON t (c); CREATE INDEX ON t (x); ANALYZE t");
  }
  void on(const std::string& sql) const { small_server().execute(database, sql); }
  [[nodiscard]] std::string read(const std::string& sql) const {
    return small_server().value(database, sql);
  }
  CommandResult call(const std::string& command, std::vector<std::string> more = {},
                     harness::CommandOptions options = {}) {
    more.insert(more.begin(), {"--source", small_server().dsn(database), "--table", "t"});
    return window(command, more, std::move(options));
  }
  [[nodiscard]] std::string objects() const {
    return read(
        "SELECT count(*) || ' ' || (SELECT count(*) FROM t) FROM pg_class c WHERE"
        " c.relnamespace = 'public'::regnamespace");
  }
};

const std::vector<std::string> kLeaves = {"--partitions", "130", "--readers", "1",
                                          "--writers",    "2"};

TEST_F(FewLocksTest, ThereAndBackAlthoughAllLeavesAtOnceCouldNotBeDropped) {
  const std::string before = objects();
  std::vector<std::string> swap = kLeaves;
  swap.emplace_back("--swap");
  const CommandResult there = call("run", swap);
  ASSERT_EQ(there.exit_code, 0) << there;
  EXPECT_EQ(read("SELECT count(*) FROM pg_inherits WHERE inhparent = 't'::regclass"), "130");
  // As it was dropped once: all leaves in one transaction.
  const std::string all = read(
      "SELECT string_agg(i.inhrelid::regclass::text, ',') FROM pg_inherits i"
      " WHERE i.inhparent = 't'::regclass");
  try {
    on("BEGIN; DROP TABLE " + all + "; ROLLBACK");
    ADD_FAILURE() << "the lock table is too large for this test";
  } catch (const harness::ServerError& error) {
    EXPECT_EQ(error.sqlstate(), "53200");
  }

  // Killed between two batches: only a rollback goes on, and every command says so.
  harness::CommandOptions killed;
  killed.environment = {{"PGFANOUT_CRASH_AT", "tables-dropping:2"}};
  EXPECT_EQ(harness::pgfanout(
                {"rollback", "--source", small_server().dsn(database), "--table", "t"}, killed)
                .signal,
            SIGKILL);
  const std::string left = read("SELECT count(*) FROM pg_class WHERE relname ~ '^t_new_p[0-9]+$'");
  EXPECT_NE(left, "130");
  EXPECT_NE(left, "0");
  EXPECT_EQ(read("SELECT count(*) FROM pgfanout.made_relation"),
            std::to_string(std::stoi(left) + 1));
  for (const char* command : {"plan", "run", "swap", "copy"}) {
    const CommandResult refused = call(command, kLeaves);
    EXPECT_EQ(refused.exit_code, 2) << refused;
    EXPECT_TRUE(has_issue("unfinished-job")) << refused;
    EXPECT_THAT(refused.err, AllOf(HasSubstr("'pgfanout rollback' finishes"),
                                   ::testing::Not(HasSubstr("resumes it"))));
  }
  EXPECT_EQ(call("status").exit_code, 0);
  EXPECT_EQ(json["standing"]["next"], "pgfanout rollback");
  EXPECT_EQ(stage_status("undo"), "interrupted");
  const CommandResult back = call("rollback");
  EXPECT_EQ(back.exit_code, 0) << back;
  EXPECT_EQ(objects(), before);
  EXPECT_EQ(read("SELECT count(*) FROM pgfanout.made_relation"), "0");
}

TEST_F(FewLocksTest, UndoneAndBegunAnewBeforeTheSwap) {
  const std::string before = objects();
  ASSERT_EQ(call("run", kLeaves).exit_code, 0) << json.dump(1);
  std::vector<std::string> again = kLeaves;
  again.emplace_back("--restart");
  harness::CommandOptions killed;
  killed.environment = {{"PGFANOUT_CRASH_AT", "tables-dropping:2"}};
  std::vector<std::string> words = {"run", "--source", small_server().dsn(database), "--table",
                                    "t"};
  words.insert(words.end(), again.begin(), again.end());
  EXPECT_EQ(harness::pgfanout(words, killed).signal, SIGKILL);
  EXPECT_EQ(call("run", kLeaves).exit_code, 2);
  // A leaf of a batch that is still to come.
  const std::string last =
      read("SELECT max(relname) FROM pg_class WHERE relname ~ '^t_new_p[0-9]+$'");
  on("CREATE VIEW in_the_way AS SELECT * FROM " + last);
  const CommandResult refused = call("rollback");
  EXPECT_TRUE(has_issue("depended-on")) << refused;
  EXPECT_THAT(refused.err, AllOf(HasSubstr("view public.in_the_way, on public." + last),
                                 ::testing::Not(HasSubstr("CASCADE"))));
  on("DROP VIEW in_the_way");
  EXPECT_EQ(call("rollback").exit_code, 0) << json.dump(1);
  EXPECT_EQ(objects(), before);
  // A copy whose tables are half dropped makes them again.
  ASSERT_EQ(call("copy", kLeaves).exit_code, 0) << json.dump(1);
  words.front() = "copy";
  EXPECT_EQ(harness::pgfanout(words, killed).signal, SIGKILL);
  ASSERT_EQ(call("copy", again).exit_code, 0) << json.dump(1);
  EXPECT_EQ(read("SELECT count(*) FROM t_new"), "1000");
}

TEST_F(FewLocksTest, RefusedBeforehandWhereItDoesNotFit) {
  const std::string before = objects();
  for (const char* command : {"plan", "run"}) {
    const CommandResult refused = call(command, {"--partitions", "200"});
    EXPECT_EQ(refused.exit_code, 2) << refused;
    EXPECT_TRUE(has_issue("swap-locks")) << refused;
    EXPECT_THAT(refused.err, HasSubstr("set max_locks_per_transaction = "));
  }
  EXPECT_EQ(objects(), before);
  EXPECT_EQ(read("SELECT to_regnamespace('pgfanout') IS NULL"), "t");
}

/// Logs how many objects the transaction of each DDL statement has locked, after the statement.
constexpr const char* kLogLocks = R"sql(
CREATE TABLE lock_log (stage text, tag text, locks int);
CREATE FUNCTION log_locks() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE stage text;
BEGIN
  IF to_regclass('pgfanout.stage') IS NULL THEN RETURN; END IF;
  EXECUTE 'SELECT name FROM pgfanout.stage WHERE status = ''running''' INTO stage;
  INSERT INTO public.lock_log SELECT COALESCE(stage, 'rollback'), tg_tag, count(*) FROM (
    SELECT DISTINCT l.locktype, l.relation, l.classid, l.objid, l.transactionid::text, l.virtualxid
    FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() AND NOT l.fastpath) held;
END $$;
CREATE EVENT TRIGGER log_locks ON ddl_command_end EXECUTE FUNCTION log_locks())sql";

TEST_F(FewLocksTest, ThePlansFiguresAreThoseThatTransactionsHold) {
  database = server().create_database("many");
  make_chunks(500);
  execute(
      "CREATE TABLE collections (id uuid PRIMARY KEY);"
      "INSERT INTO collections SELECT DISTINCT collection_id FROM chunks;"
      "ALTER TABLE chunks ADD FOREIGN KEY (collection_id) REFERENCES collections;"
      "CREATE INDEX ON chunks (created_at); CREATE INDEX ON chunks (md5(content))");
  execute(kLogLocks);
  const std::vector<std::string> words = {"--table", "chunks", "--partitions", "60"};
  ASSERT_EQ(window("plan", words).exit_code, 0) << json.dump(1);
  std::map<std::string, int> planned;
  for (const Json& need : json["locks"]["needs"]) planned[need["of"]] = need["locks"];
  EXPECT_GT(json["locks"]["free"], 1000);

  std::vector<std::string> swap = words;
  swap.emplace_back("--swap");
  ASSERT_EQ(window("run", swap).exit_code, 0) << json.dump(1);
  {
    harness::Session dump = server().connect(database);
    dump.execute("BEGIN; SELECT count(*) FROM chunks WHERE id = 1");
    const std::string held = dump.value(
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
        " WHERE l.pid = pg_backend_pid() AND c.relname LIKE 'chunks%'");
    EXPECT_GE(planned["statement"], std::stoi(held));
    EXPECT_LE(planned["statement"], std::stoi(held) * 3 / 2);
  }
  ASSERT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  const auto measured = [&](const std::string& which) {
    return std::stoi(value("SELECT max(locks) FROM lock_log WHERE " + which));
  };
  // The copy's readers hold those of the source meanwhile: 8 leaves and their parent, 3 indexes
  // each.
  const std::map<std::string, int> held = {
      {"copy", 9 * 4 + measured("stage = 'copy' AND tag LIKE '%TABLE'")},
      {"build", measured("stage IN ('index', 'constraints')")},
      {"swap", measured("stage = 'swap'")},
      {"rollback", measured("stage = 'rollback' AND tag <> 'DROP TABLE'")},
      {"drop", measured("stage = 'undo' AND tag = 'DROP TABLE'")}};
  for (const auto& [of, locks] : held) {
    EXPECT_GE(planned[of], locks) << of;
    // The figure of the stages before the swap is that of ANALYZE, which is no DDL.
    if (of == "build") continue;
    EXPECT_LE(planned[of], locks * 3 / 2) << of;
  }
}

}  // namespace
}  // namespace pgfanout
