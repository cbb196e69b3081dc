// The fence around a table: every way of writing is refused, what triggers cannot refuse shows in
// its facts, and nothing of it is left when it is lowered.
#include "copier/session/fence.h"

#include "copier/catalog/table.h"
#include "tests/harness/server_files.h"
#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

constexpr const char* kRefused = "55000";

class FenceTest : public testing::WindowFixture {
 protected:
  void SetUp() override {
    WindowFixture::SetUp();
    make_chunks(500);
    auto opened =
        Connection::open({dsn(), "pgfanout/fence-test/control", std::chrono::seconds(10)});
    ASSERT_TRUE(opened) << opened.error().message;
    connection_.emplace(std::move(*opened));
  }

  void raise() {
    auto table = describe_table(*connection_, "public.chunks");
    ASSERT_TRUE(table);
    table_oid_ = table->oid;
    const auto raised = fence_.raise(*connection_, *table, {}, cancellation_);
    ASSERT_TRUE(raised) << raised.error().message;
    then_ = facts();
  }
  std::vector<std::string> facts() {
    auto facts = fence_.facts(*connection_, table_oid_);
    EXPECT_TRUE(facts) << facts.error().message;
    return facts ? *facts : std::vector<std::string>();
  }
  /// The facts that have changed since the fence was raised.
  std::string broken() { return broken_facts(then_, facts()); }
  void lower() {
    const auto lowered = fence_.lower(*connection_, {}, cancellation_);
    ASSERT_TRUE(lowered) << lowered.error().message;
  }

  const Fence fence_{"20260101T000000-abcd", "source"};
  Cancellation cancellation_;
  std::optional<Connection> connection_;
  std::uint32_t table_oid_ = 0;
  std::vector<std::string> then_;
};

TEST_F(FenceTest, EveryStatementThatWritesIsRefused) {
  raise();
  const std::string row = "(9999, md5('1')::uuid)";
  for (const std::string& sql : std::vector<std::string>{
           "INSERT INTO chunks (id, collection_id) VALUES " + row,
           "UPDATE chunks SET content = 'x' WHERE id = 1", "DELETE FROM chunks WHERE id = 1",
           "TRUNCATE chunks", "DELETE FROM chunks_h3", "UPDATE chunks_h3 SET content = 'x'",
           "INSERT INTO chunks_h3 SELECT * FROM chunks_h3 LIMIT 1",
           "SET session_replication_role = replica; DELETE FROM chunks_h3",
           "SET session_replication_role = replica; TRUNCATE chunks_h3",
           "MERGE INTO chunks_h3 c USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
           "INSERT INTO chunks SELECT * FROM chunks LIMIT 1 ON CONFLICT (id, collection_id)"
           " DO UPDATE SET content = 'x'",
           "COPY chunks FROM PROGRAM 'printf \"1\\tc4ca4238-a0b9-2382-0dcc-509a6f75849b\\tx\\t{}"
           "\\t2026-01-01\\n\"'"}) {
    if (server().major() < 15 && sql.starts_with("MERGE")) continue;
    EXPECT_EQ(sqlstate_of(sql), kRefused) << sql;
  }
  for (int leaf = 0; leaf < 8; ++leaf) {
    EXPECT_EQ(sqlstate_of("TRUNCATE chunks_h" + std::to_string(leaf)), kRefused) << leaf;
  }
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "500");
  EXPECT_EQ(broken(), "");
}

TEST_F(FenceTest, ReadsGoOnAndTheMessageNamesTheJob) {
  raise();
  EXPECT_EQ(value("SELECT count(*) FROM chunks WHERE id <= 10"), "10");
  EXPECT_EQ(sqlstate_of("SELECT * FROM chunks FOR UPDATE"), "00000");
  try {
    execute("DELETE FROM chunks_h1");
    FAIL();
  } catch (const harness::ServerError& error) {
    EXPECT_NE(std::string(error.what()).find("job 20260101T000000-abcd"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("--release"), std::string::npos);
  }
}

TEST_F(FenceTest, CascadesFromOtherTablesAreRefused) {
  execute(
      "CREATE TABLE collections (id uuid PRIMARY KEY);"
      "INSERT INTO collections SELECT DISTINCT collection_id FROM chunks;"
      "ALTER TABLE chunks ADD FOREIGN KEY (collection_id) REFERENCES collections ON DELETE "
      "CASCADE");
  raise();
  EXPECT_EQ(sqlstate_of("DELETE FROM collections"), kRefused);
}

TEST_F(FenceTest, WhatTriggersCannotStopShowsInTheFacts) {
  for (const std::string& sql : std::vector<std::string>{
           "VACUUM FULL chunks_h3", "CLUSTER chunks_h3 USING chunks_h3_pkey",
           "ALTER TABLE chunks ALTER COLUMN content TYPE varchar USING upper(content)",
           "ALTER TABLE chunks ADD COLUMN more int", "ALTER TABLE chunks DROP COLUMN content",
           "ALTER TABLE chunks DETACH PARTITION chunks_h3",
           "ALTER TABLE chunks_h3 DISABLE TRIGGER ALL; DELETE FROM chunks_h3;"
           "ALTER TABLE chunks_h3 ENABLE ALWAYS TRIGGER pgfanout_fence,"
           " ENABLE ALWAYS TRIGGER pgfanout_fence_truncate",
           "ALTER TABLE chunks DISABLE TRIGGER pgfanout_fence;"
           "ALTER TABLE chunks ENABLE ALWAYS TRIGGER pgfanout_fence",
           "ALTER TABLE chunks_h3 DISABLE TRIGGER pgfanout_fence_truncate; TRUNCATE chunks_h3;"
           "ALTER TABLE chunks_h3 ENABLE ALWAYS TRIGGER pgfanout_fence_truncate",
           "DROP TRIGGER pgfanout_fence ON chunks; DELETE FROM chunks WHERE id = 1;"
           "CREATE TRIGGER pgfanout_fence BEFORE INSERT OR UPDATE OR DELETE ON chunks FOR EACH ROW"
           " EXECUTE FUNCTION pgfanout.\"fence_source_20260101T000000-abcd\"();"
           "ALTER TABLE chunks ENABLE ALWAYS TRIGGER pgfanout_fence",
           "CREATE OR REPLACE FUNCTION pgfanout.\"fence_source_20260101T000000-abcd\"()"
           " RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"}) {
    raise();
    EXPECT_EQ(sqlstate_of(sql), "00000") << sql;
    EXPECT_NE(broken(), "") << sql;
    lower();
    execute("DROP TABLE IF EXISTS chunks_h3, chunks");
    make_chunks(20);
  }
}

TEST_F(FenceTest, HarmlessStatementsLeaveTheFactsAlone) {
  raise();
  execute("ANALYZE chunks");
  execute("VACUUM (FREEZE) chunks");
  execute("CREATE INDEX ON chunks (created_at)");
  execute("ALTER TABLE chunks RENAME TO chunks_backup");
  execute("VACUUM (FREEZE) pg_catalog.pg_trigger");
  EXPECT_EQ(broken(), "");
}

TEST_F(FenceTest, JobItselfMayPass) {
  raise();
  const std::string pass = pass_fence_sql(*connection_, "20260101T000000-abcd");
  EXPECT_EQ(sqlstate_of(pass + "; DELETE FROM chunks WHERE id = 1"), "00000");
  EXPECT_EQ(sqlstate_of(pass + "; UPDATE chunks SET content = 'y' WHERE id = 2"), "00000");
  EXPECT_EQ(
      sqlstate_of(pass + "; INSERT INTO chunks (id, collection_id) VALUES (1, md5('1')::uuid)"),
      "00000");
  EXPECT_EQ(sqlstate_of(pass + "; TRUNCATE chunks_h1"), "00000");
  EXPECT_EQ(value("SELECT content FROM chunks WHERE id = 2"), "y");
  EXPECT_EQ(sqlstate_of("SET pgfanout.job = 'another'; DELETE FROM chunks"), kRefused);
}

TEST_F(FenceTest, LowersWithoutATraceWhateverTheTableIsNamed) {
  const std::string before = catalog();
  raise();
  raise();  // Twice is harmless.
  EXPECT_NE(catalog(), before);
  execute("ALTER TABLE chunks RENAME TO \"it's moved\"");
  lower();
  lower();
  execute("ALTER TABLE \"it's moved\" RENAME TO chunks");
  EXPECT_EQ(catalog(), before);
  EXPECT_EQ(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'pgfanout'"), "0");
}

TEST_F(FenceTest, OneJobAtATime) {
  raise();
  auto table = describe_table(*connection_, "chunks");
  ASSERT_TRUE(table);
  const Fence other("20260102T000000-abcd", "source");
  const auto raised = other.raise(*connection_, *table, {}, cancellation_);
  ASSERT_FALSE(raised);
  EXPECT_EQ(raised.error().code, "fenced-already");
  EXPECT_NE(raised.error().message.find("job 20260101T000000-abcd"), std::string::npos);
  EXPECT_EQ(broken(), "");
}

/// Both ends of the subscription are databases of one server.
TEST_F(FenceTest, ReplicationDoesNotPassIt) {
  harness::ServerOptions logical;
  logical.settings = {"wal_level = logical", "wal_retrieve_retry_interval = '20ms'"};
  harness::TestServer replica(logical);
  const std::string from = replica.create_database("publisher");
  const std::string here = replica.create_database("subscriber");
  const std::string make =
      "CREATE TABLE t (id int, part int, PRIMARY KEY (id, part)) PARTITION BY HASH (part);"
      "CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0)";
  replica.execute(from, make + "; CREATE PUBLICATION p FOR TABLE t");
  replica.execute(from, "SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
  replica.execute(here, make);
  auto connection = Connection::open(
      {replica.dsn(here), "pgfanout/fence-test/control", std::chrono::seconds(10)});
  ASSERT_TRUE(connection);
  auto table = describe_table(*connection, "t");
  ASSERT_TRUE(table);
  ASSERT_TRUE(fence_.raise(*connection, *table, {}, cancellation_));
  replica.execute(here, "CREATE SUBSCRIPTION s CONNECTION 'host=" + replica.socket_directory() +
                            " port=" + std::to_string(replica.port()) + " dbname=" + from +
                            " user=postgres' PUBLICATION p WITH (create_slot = false, slot_name ="
                            " 's', copy_data = false)");
  replica.execute(from, "INSERT INTO t VALUES (-1, 1)");
  EXPECT_TRUE(eventually(
      [&] { return replica.log().find("writes to public.t_0 are refused") != std::string::npos; }));
  EXPECT_EQ(replica.value(here, "SELECT count(*) FROM t"), "0");
  ASSERT_TRUE(fence_.lower(*connection, {}, cancellation_));
  EXPECT_TRUE(eventually([&] { return replica.value(here, "SELECT count(*) FROM t") == "1"; }));
}

TEST_F(FenceTest, WaitsForWritersAndNamesThem) {
  harness::Session writer = server().connect(database);
  writer.execute("SET application_name = 'night shift'; BEGIN; DELETE FROM chunks WHERE id = 1");
  auto table = describe_table(*connection_, "chunks");
  ASSERT_TRUE(table);
  const LockPatience patience{std::chrono::milliseconds(50), std::chrono::milliseconds(300)};
  const auto raised = fence_.raise(*connection_, *table, patience, cancellation_);
  ASSERT_FALSE(raised);
  EXPECT_EQ(raised.error().code, "lock-timeout");
  EXPECT_NE(raised.error().hint.find("night shift"), std::string::npos) << raised.error().hint;
  EXPECT_EQ(raised.error().where, "public.chunks");
  writer.execute("COMMIT");
  EXPECT_TRUE(fence_.raise(*connection_, *table, patience, cancellation_));
}

/// While rows are read as well: the lock of the copy keeps the fence up, and lets writers meet it.
TEST_F(FenceTest, AWriteIsRefusedAtOnceWhileAWindowCopies) {
  connection_.reset();
  const harness::TemporaryFile file("");
  const std::string hook =
      "stage_started=[ $PGFANOUT_STAGE != copy/read-back ] || psql -X -d '" + dsn() +
      "' -v VERBOSITY=sqlstate -c 'SET lock_timeout = 10' " +
      "-c 'DELETE FROM chunks' -c 'ALTER TABLE chunks_h1 DISABLE TRIGGER ALL' 2>> " + file.path() +
      " || true";
  EXPECT_EQ(window("run", {"--table", "chunks", "--hook", hook}).exit_code, 0);
  EXPECT_EQ(harness::read_file(file.path()), "ERROR:  55000\nERROR:  55P03\n");
}

/// The function of a fence can be replaced without a lock on the table.
TEST_F(FenceTest, AFenceThatWasOpenedDuringTheCopyProvesNothing) {
  connection_.reset();
  const std::string open =
      "DO $$DECLARE def text; BEGIN SELECT replace(pg_get_functiondef(oid), 'RAISE EXCEPTION',"
      " 'RETURN OLD; RAISE EXCEPTION') INTO def FROM pg_proc WHERE proname LIKE 'fence_source%';"
      " EXECUTE def; END$$; DELETE FROM chunks WHERE id = 1";
  const harness::TemporaryFile file(open, ".sql");
  const std::string hook = "stage_started=[ $PGFANOUT_STAGE != read-back ] || psql -X -q -d '" +
                           dsn() + "' -f " + file.path();
  EXPECT_EQ(window("copy", {"--table", "chunks", "--hook", hook}).exit_code, 4);
  EXPECT_TRUE(has_issue("source-may-have-changed")) << json.dump(1);
  EXPECT_EQ(window("copy", {"--table", "chunks", "--restart"}).exit_code, 0) << json.dump(1);
}

TEST_F(FenceTest, PlainTableAndPartitionsOfPartitions) {
  execute(
      "CREATE TABLE plain (id int); INSERT INTO plain VALUES (1);"
      "CREATE TABLE deep (id int) PARTITION BY RANGE (id);"
      "CREATE TABLE deep_1 PARTITION OF deep FOR VALUES FROM (0) TO (100) PARTITION BY HASH (id);"
      "CREATE TABLE deep_1_1 PARTITION OF deep_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
      "INSERT INTO deep VALUES (1)");
  for (const std::string name : {"plain", "deep"}) {
    auto table = describe_table(*connection_, name);
    ASSERT_TRUE(table);
    ASSERT_TRUE(fence_.raise(*connection_, *table, {}, cancellation_));
    for (const std::string& sql :
         {"INSERT INTO " + name + " VALUES (2)", "DELETE FROM " + name, "TRUNCATE " + name}) {
      EXPECT_EQ(sqlstate_of(sql), kRefused) << sql;
    }
    if (name == "deep") {
      EXPECT_EQ(sqlstate_of("TRUNCATE deep_1"), kRefused);
      EXPECT_EQ(sqlstate_of("TRUNCATE deep_1_1"), kRefused);
      EXPECT_EQ(sqlstate_of("DELETE FROM deep_1_1"), kRefused);
    }
    lower();
    EXPECT_EQ(sqlstate_of("DELETE FROM " + name), "00000");
  }
}

}  // namespace
}  // namespace pgfanout
