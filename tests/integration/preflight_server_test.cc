// Go or no-go: what the server is doing now, and what it has room for.
#include <chrono>
#include <thread>

#include "tests/integration/preflight_fixture.h"

namespace pgfanout {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using testing::TestServer;

class PreflightServerTest : public testing::PreflightFixture {
 protected:
  void SetUp() override {
    PreflightFixture::SetUp();
    execute(kTables);
  }
  static TestServer make_server(std::vector<std::string> settings) {
    harness::ServerOptions options;
    options.settings = std::move(settings);
    return TestServer(options);
  }
  static Preflight look_on(TestServer& on, const JobDescription& job) {
    return look_at(job, on.dsn(), on.dsn());
  }
  static void wait_until(TestServer& on, const std::string& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    auto session = on.connect();
    while (session.value(condition) != "t") {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << condition;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  [[nodiscard]] static std::string pid_of(const harness::Session& session) {
    return std::to_string(session.backend_pid());
  }
};

TEST_F(PreflightServerTest, SessionsInTheWayAreNamed) {
  EXPECT_THAT(with_code(look(chunks_job()), "session-blocks"), IsEmpty());
  auto idle = server().connect(database);
  idle.execute("SET application_name = 'nightly'; BEGIN; SELECT count(*) FROM chunks_1");
  execute("CREATE TABLE apart (id int)");
  auto elsewhere = server().connect(database);
  elsewhere.execute("BEGIN; SELECT count(*) FROM apart");
  const Preflight found = look(chunks_job());
  EXPECT_THAT(with_code(found, "session-blocks"),
              ElementsAre(AllOf(HasSubstr("session " + pid_of(idle) +
                                          " (user postgres, application "
                                          "nightly, idle in transaction) holds AccessShareLock on "
                                          "public.chunks_1"),
                                HasSubstr("pg_terminate_backend(" + pid_of(idle) + ")"))));
  EXPECT_EQ(severity_of(found, "session-blocks"), Severity::warning);
  idle.execute("COMMIT");
  EXPECT_THAT(with_code(look(chunks_job()), "session-blocks"), IsEmpty());
  // The swap drops a foreign key, and redefines a view.
  execute("CREATE VIEW seen AS SELECT id FROM chunks");
  for (const char* table : {"collections", "seen"}) {
    idle.execute(std::string("BEGIN; LOCK TABLE ") + table + " IN ACCESS SHARE MODE");
    EXPECT_THAT(with_code(look(chunks_job()), "session-blocks"),
                ElementsAre(HasSubstr("AccessShareLock on public.")));
    idle.execute("ROLLBACK");
  }
}

TEST_F(PreflightServerTest, SessionsOnATargetThatExistsAreInTheWayToo) {
  execute(
      "CREATE TABLE chunks_new (id bigint, collection_id uuid, document_id uuid, content text, "
      "partition_key int) PARTITION BY LIST (partition_key);"
      "CREATE TABLE n0 PARTITION OF chunks_new FOR VALUES IN (0);"
      "CREATE TABLE n1 PARTITION OF chunks_new FOR VALUES IN (1)");
  auto idle = server().connect(database);
  idle.execute("BEGIN; SELECT count(*) FROM n1");
  EXPECT_THAT(with_code(look(chunks_job(2)), "session-blocks"),
              ElementsAre(HasSubstr("AccessShareLock on public.n1")));
}

TEST_F(PreflightServerTest, ManyBlockersAreCounted) {
  std::vector<harness::Session> sessions;
  for (int at = 0; at < 13; ++at) {
    sessions.push_back(server().connect(database));
    sessions.back().execute("BEGIN; SELECT count(*) FROM chunks");
  }
  const auto blockers = with_code(look(chunks_job()), "session-blocks");
  ASSERT_EQ(blockers.size(), 11U);
  EXPECT_THAT(blockers.back(), HasSubstr("3 more sessions"));
}

TEST_F(PreflightServerTest, PreparedTransactionsNeverEndByThemselves) {
  TestServer on = make_server({"max_prepared_transactions = 4"});
  on.execute("postgres", kTables);
  on.execute("postgres", "CREATE TABLE apart (id int)");
  {
    auto session = on.connect();
    session.execute("BEGIN; LOCK TABLE chunks_0 IN ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'left'");
    session.execute(
        "BEGIN; INSERT INTO apart VALUES (1); "
        "PREPARE TRANSACTION 'other'");
  }
  const Preflight found = look_on(on, chunks_job());
  EXPECT_THAT(with_code(found, "prepared-transaction"),
              ElementsAre(AllOf(HasSubstr("prepared transaction 'left' of postgres has held "
                                          "RowExclusiveLock on public.chunks_0"),
                                HasSubstr("ROLLBACK PREPARED 'left'"))));
  EXPECT_THAT(errors(found), ElementsAre(HasSubstr("prepared-transaction:")));
  EXPECT_THAT(with_code(found, "old-snapshot"),
              ElementsAre(HasSubstr("prepared transaction 'other'")));
  on.execute("postgres", "ROLLBACK PREPARED 'left'");
  EXPECT_THAT(errors(look_on(on, chunks_job())), IsEmpty());
}

TEST_F(PreflightServerTest, WraparoundIsNear) {
  EXPECT_THAT(with_code(look(chunks_job()), "wraparound-due"), IsEmpty());
  TestServer on = make_server({"autovacuum = off"});
  on.execute("postgres", kTables);
  on.execute("postgres",
             "UPDATE pg_class SET relfrozenxid = ((txid_current() + 4294967296 - 190000000) % "
             "4294967296)::text::xid WHERE oid = 'chunks_1'::regclass");
  EXPECT_THAT(with_code(look_on(on, chunks_job()), "wraparound-due"),
              ElementsAre(::testing::ContainsRegex(
                  "public.chunks_1 is 1900000[0-9][0-9] transactions old; at 200000000 an")));
  // A limit of the table's own is nearer.
  on.execute("postgres", "ALTER TABLE chunks_0 SET (autovacuum_freeze_max_age = 100000)");
  EXPECT_THAT(with_code(look_on(on, chunks_job()), "wraparound-due"),
              ElementsAre(HasSubstr("public.chunks_1 is")));
  on.execute("postgres",
             "UPDATE pg_class SET relfrozenxid = ((txid_current() + 4294967296 - 95000) % "
             "4294967296)::text::xid WHERE oid = 'chunks_0'::regclass");
  EXPECT_THAT(with_code(look_on(on, chunks_job()), "wraparound-due"),
              ElementsAre(HasSubstr("public.chunks_1 (with 1 more leaves)")));
}

TEST_F(PreflightServerTest, FewLocks) {
  TestServer small = make_server({"max_connections = 10", "max_locks_per_transaction = 10",
                                  "max_wal_senders = 0", "wal_level = minimal"});
  small.execute("postgres", kTables);
  // 22 server processes of any kind: 220 places. The rollback of 100 leaves takes the most.
  EXPECT_THAT(with_code(look_on(small, chunks_job(100)), "swap-locks"),
              ElementsAre(AllOf(HasSubstr("takes about "), HasSubstr("room for 220 in all"),
                                HasSubstr("max_locks_per_transaction = "))));
  EXPECT_EQ(severity_of(look_on(small, chunks_job(100)), "swap-locks"), Severity::error);
  EXPECT_EQ(severity_of(look_on(small, chunks_job(10)), "swap-locks"), Severity::warning);
  EXPECT_THAT(with_code(look(chunks_job(10)), "swap-locks"), IsEmpty());
}

TEST_F(PreflightServerTest, RoomOnDisk) {
  execute(load(5000, 500));
  const Preflight found = look(chunks_job());
  std::vector<std::string> disk = with_code(found, "disk");
  for (const std::string& text : with_code(found, "disk-tight")) disk.push_back(text);
  for (const std::string& text : with_code(found, "disk-full")) disk.push_back(text);
  const auto kilobytes = [&](const std::string& size) {
    return value("SELECT round(sum(" + size +
                 "(c)) / 1000.0, 1) || ' kB' FROM "
                 "unnest('{chunks_0,chunks_1}'::regclass[]) c");
  };
  const std::string need = "(" + kilobytes("pg_table_size") + " of rows, " +
                           kilobytes("pg_indexes_size") + " of indexes)";
  ASSERT_EQ(disk.size(), 1U);
  EXPECT_THAT(disk.front(),
              AllOf(HasSubstr(need), HasSubstr(" are free at " + server().data_directory())));
  // A role that is not shown the server's folder cannot look into it.
  execute("CREATE ROLE " + role("blind") +
          " LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + role("blind") +
          "; GRANT CREATE ON SCHEMA public TO " + role("blind"));
  EXPECT_THAT(with_code(look_as(role("blind"), chunks_job()), "disk-unseen"),
              ElementsAre(AllOf(HasSubstr("pg_read_all_settings"), HasSubstr(need))));
}

TEST_F(PreflightServerTest, SlotsKeepWal) {
  TestServer on = make_server({"wal_level = logical"});
  on.execute("postgres", kTables);
  on.execute("postgres", load(5000, 500));
  on.execute("postgres", "SELECT pg_create_physical_replication_slot('standby', true)");
  EXPECT_THAT(with_code(look_on(on, chunks_job()), "slot-inactive"),
              ElementsAre(AllOf(HasSubstr("physical replication slot standby is not in use"),
                                HasSubstr("pg_drop_replication_slot('standby')"))));
  on.execute("postgres", "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
  on.restart();
  const Preflight found = look_on(on, chunks_job());
  EXPECT_THAT(with_code(found, "slot-limit"),
              ElementsAre(HasSubstr("max_slot_wal_keep_size (1.0 MB)")));
  EXPECT_THAT(with_code(found, "slot-inactive"), IsEmpty());
  on.execute("postgres", "SELECT pg_drop_replication_slot('standby')");
  EXPECT_THAT(with_code(look_on(on, chunks_job()), "slot-limit"), IsEmpty());
}

TEST_F(PreflightServerTest, ArchivingThatFailsKeepsAllWal) {
  TestServer on = make_server({"archive_mode = on", "archive_command = 'false'"});
  on.execute("postgres", kTables);
  on.execute("postgres", "SELECT pg_switch_wal()");
  wait_until(on, "SELECT failed_count > 0 FROM pg_stat_archiver");
  EXPECT_THAT(with_code(look_on(on, chunks_job()), "archiving-fails"),
              ElementsAre(AllOf(HasSubstr("archiving fails ("), HasSubstr("segments wait"))));
  on.execute("postgres", "ALTER SYSTEM SET archive_command = 'true'");
  on.execute("postgres", "SELECT pg_reload_conf()");
  wait_until(on, "SELECT archived_count > 0 FROM pg_stat_archiver");
  EXPECT_THAT(with_code(look_on(on, chunks_job()), "archiving"),
              ElementsAre(HasSubstr("go to the archive")));
}

TEST_F(PreflightServerTest, KeysThatFillTheLeavesEvenly) {
  execute(load(12'000, 5000));
  const Preflight found = look(chunks_job(4));
  EXPECT_THAT(with_code(found, "key-skew"),
              ElementsAre(HasSubstr("by bytes, from a sample of 12000 rows")));
  EXPECT_EQ(severity_of(found, "key-skew"), Severity::info);
}

TEST_F(PreflightServerTest, OneLargeCollectionIsSeenAndABetterKeyFound) {
  execute(load(8000, 1));
  const Preflight found = look(chunks_job(4));
  EXPECT_EQ(severity_of(found, "key-skew"), Severity::warning);
  EXPECT_THAT(with_code(found, "key-skew"),
              ElementsAre(AllOf(HasSubstr("largest leaf over mean: 4.00 by rows, 4.00 by bytes"),
                                HasSubstr("would hold 100.0 % of all rows"),
                                HasSubstr("--key 'abs(hashtext(collection_id::text || "),
                                HasSubstr("::text)) % 4' gives 1.0"))));
}

TEST_F(PreflightServerTest, RowsWithoutAKeyAreFoundBefore) {
  execute(
      "CREATE TABLE t (id int, k text); INSERT INTO t SELECT g, CASE WHEN g % 10 > 0 THEN "
      "g::text END FROM generate_series(1, 1000) g");
  JobDescription job = job_for("t", "abs(hashtext(k)) % 4");
  Preflight found = look(job);
  EXPECT_THAT(errors(found), ElementsAre(HasSubstr("key-missing: 100 of 1000 sampled rows")));
  job.reject_limit.percent = 20;
  found = look(job);
  EXPECT_THAT(errors(found), IsEmpty());
  EXPECT_EQ(severity_of(found, "key-missing"), Severity::warning);
}

TEST_F(PreflightServerTest, TimesAreEstimatedAndNothingIsChanged) {
  execute(load(5000, 500));
  execute("CREATE SEQUENCE counter");
  JobDescription job = chunks_job();
  job.map = {{"id", "nextval('public.counter')"}};
  const Preflight found = look(job);
  std::vector<std::string> stages;
  for (const StageEstimate& estimate : found.estimates) {
    stages.push_back(estimate.stage);
    EXPECT_GT(estimate.seconds, 0) << estimate.stage;
    EXPECT_LT(estimate.seconds, 60) << estimate.stage;
  }
  EXPECT_THAT(stages,
              ElementsAre("prepare", "copy", "index", "constraints", "analyze", "verify", "swap"));
  EXPECT_EQ(value("SELECT is_called FROM counter"), "f");
}

}  // namespace
}  // namespace pgfanout
