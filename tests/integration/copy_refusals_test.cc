// Bad input: each refusal has its code, a message that names the object, exit code 2, and leaves
// nothing behind.
#include <gtest/gtest.h>

#include "tests/integration/copy_fixture.h"

namespace pgfanout {
namespace {

using harness::CommandOptions;
using harness::ServerOptions;
using harness::TestServer;
using testing::CommandResult;

class CopyRefusalsTest : public testing::CopyFixture {
 protected:
  /// Expects exit 2 with this code, and each of `words` somewhere in the document.
  void expect_refused(const std::vector<std::string>& arguments, const std::string& code,
                      const std::vector<std::string>& words) {
    const CommandResult result = copy(arguments);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(error_code(), code) << result;
    for (const std::string& word : words) {
      EXPECT_NE(json.dump(-1, ' ', false).find(word), std::string::npos) << word << result;
    }
    EXPECT_EQ(json["status"], "refused");
  }
};

TEST_F(CopyRefusalsTest, WrongPassword) {
  ServerOptions options;
  options.hba = {"local all postgres trust", "local all all scram-sha-256"};
  TestServer locked(options);
  locked.execute("postgres", "CREATE ROLE dba LOGIN PASSWORD 'right'");
  CommandOptions environment;
  environment.environment = {{"PGPASSWORD", "wr0ngword"}};
  const CommandResult result =
      copy({"--source", locked.dsn("postgres", "dba"), "--table", "t"}, environment);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(error_code(), "cannot-connect");
  EXPECT_NE(result.out.find("PGPASSFILE"), std::string::npos);
  EXPECT_EQ((result.out + result.err).find("wr0ngword"), std::string::npos);
}

TEST_F(CopyRefusalsTest, UnreachableServer) {
  expect_refused({"--source", "host=/nowhere", "--table", "t"}, "cannot-connect", {"/nowhere"});
  expect_refused({"--source", "host=127.0.0.1 port=1", "--table", "t"}, "cannot-connect",
                 {"127.0.0.1"});
}

TEST_F(CopyRefusalsTest, PasswordOnTheCommandLine) {
  const CommandResult result = copy({"--source", "host=/tmp password=s3cret", "--table", "t"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ((result.out + result.err).find("s3cret"), std::string::npos);
}

TEST_F(CopyRefusalsTest, NoSuchTableAndThingsThatAreNone) {
  make_chunks(10);
  execute(
      "CREATE VIEW v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a;"
      "CREATE SEQUENCE s");
  expect_refused({"--table", "chunk"}, "no-such-table", {"chunk", "chunks"});
  expect_refused({"--table", "no_schema.chunks"}, "no-such-table", {"no_schema"});
  expect_refused({"--table", "v"}, "not-a-table", {"view"});
  expect_refused({"--table", "mv"}, "not-a-table", {"materialized view"});
  expect_refused({"--table", "s"}, "not-a-table", {"sequence"});
  expect_refused({"--table", "pg_stat_activity"}, "not-a-table", {"view"});
  expect_nothing_left();
}

TEST_F(CopyRefusalsTest, TableThatOneMayNotRead) {
  make_chunks(10);
  const std::string role = "nobody_" + database;
  execute("CREATE ROLE " + role + " LOGIN");
  expect_refused({"--source", dsn(role), "--table", "chunks"}, "no-privilege", {"SELECT"});
  execute("GRANT SELECT, UPDATE ON chunks TO " + role);
  expect_refused({"--source", dsn(role), "--table", "chunks"}, "no-privilege", {"chunks_h0"});
  expect_nothing_left();
}

TEST_F(CopyRefusalsTest, RowLevelSecurityThatWouldHideRows) {
  make_chunks(10);
  const std::string role = "guest_" + database;
  execute(
      "CREATE ROLE " + role + " LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO " + role +
      "; ALTER TABLE chunks ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON chunks USING (id > 5)");
  expect_refused({"--source", dsn(role), "--table", "chunks"}, "row-security", {"chunks"});
}

TEST_F(CopyRefusalsTest, MissingLeaf) {
  make_chunks(10);
  execute(
      "CREATE TABLE t (LIKE chunks, partition_key int) PARTITION BY LIST (partition_key);"
      "DO $$ BEGIN FOR r IN 0..5 LOOP EXECUTE format('CREATE TABLE t%s PARTITION OF t FOR VALUES "
      "IN (%s)', r, r); END LOOP; END $$");
  expect_refused({"--table", "chunks", "--into", "t"}, "leaf-missing", {"6, 7"});
  execute("CREATE TABLE td PARTITION OF t DEFAULT");
  expect_refused({"--table", "chunks", "--into", "t"}, "leaf-missing", {"6, 7", "default"});
}

TEST_F(CopyRefusalsTest, LeavesThatCannotBeWrittenAreNamed) {
  make_chunks(10);
  execute(
      "CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw;"
      "CREATE TABLE t (LIKE chunks, partition_key int) PARTITION BY LIST (partition_key);"
      "CREATE FOREIGN TABLE tf PARTITION OF t FOR VALUES IN (0) SERVER s");
  expect_refused({"--table", "chunks", "--into", "t", "--partitions", "1"}, "foreign-leaf", {"tf"});
  execute(
      "DROP FOREIGN TABLE tf; CREATE TABLE deep PARTITION OF t FOR VALUES IN (0) PARTITION BY LIST "
      "(id)");
  expect_refused({"--table", "chunks", "--into", "t", "--partitions", "1"}, "subpartitioned",
                 {"deep"});
}

TEST_F(CopyRefusalsTest, RowsWithoutKeyAreNamed) {
  execute(
      "CREATE TABLE r (id int PRIMARY KEY, c text); INSERT INTO r SELECT n, 'c' || n FROM "
      "generate_series(1, 3000) n; UPDATE r SET c = NULL WHERE id = 1234");
  const std::string key = "abs(hashtext(c)) % 8";
  expect_refused({"--table", "r", "--key", key}, "key-null", {"public.r", "1234"});
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'r_new%'"), "0");
  execute("UPDATE r SET c = 'l7ba1ah7' WHERE id = 1234");
  expect_refused({"--table", "r", "--key", key}, "key-overflow", {"public.r", "1234"});
  execute("UPDATE r SET c = 'fine' WHERE id = 1234");
  expect_refused({"--table", "r", "--key", "hashtext(c) % 8"}, "key-no-leaf", {"public.r"});
  EXPECT_EQ(copy({"--table", "r", "--key", key}).exit_code, 0);
}

TEST_F(CopyRefusalsTest, OneFailingExpressionAmongManyRows) {
  execute(
      "CREATE TABLE r (id int PRIMARY KEY, c text, j json); INSERT INTO r SELECT n, 'c' || n, "
      "'{\"a\": 1}' FROM generate_series(1, 20000) n;"
      "UPDATE r SET j = '{\"a\": \"\\u0000\"}' WHERE id = 17777");
  expect_refused({"--table", "r", "--key", "abs(hashtext(c)) % 8", "--map", "j=j::jsonb"},
                 "source-expression", {"17777", "ctid"});
}

TEST_F(CopyRefusalsTest, MappingsThatCannotBe) {
  make_chunks(10);
  expect_refused({"--table", "chunks", "--map", "content=no_such_column"}, "bad-mapping",
                 {"content"});
  expect_refused({"--table", "chunks", "--map", "collection_id=md5('x')::uuid"},
                 "key-column-changed", {"collection_id"});
  expect_refused({"--table", "chunks", "--skip", "collection_id"}, "key-column-changed",
                 {"collection_id"});
  expect_refused({"--table", "chunks", "--skip", "no_such_column"}, "no-such-column",
                 {"no_such_column"});
  execute(
      "CREATE TABLE t (id bigint, collection_id uuid, must text NOT NULL, partition_key int) "
      "PARTITION BY LIST (partition_key); CREATE TABLE t0 PARTITION OF t FOR VALUES IN (0)");
  expect_refused({"--table", "chunks", "--into", "t", "--partitions", "1", "--skip", "content",
                  "--skip", "metadata", "--skip", "created_at"},
                 "column-unmapped", {"must"});
}

TEST_F(CopyRefusalsTest, KeysThatCannotBe) {
  make_chunks(10);
  expect_refused({"--table", "chunks", "--key", "hashtext(collection_id) % 8"}, "key-expression",
                 {"::text"});
  expect_refused({"--table", "chunks", "--key", "random()"}, "key-expression", {"random"});
  expect_refused({"--table", "chunks", "--key", "(SELECT 1)"}, "key-expression", {"SELECT"});
  expect_refused({"--table", "chunks", "--key", "no_such_column"}, "key-expression",
                 {"no_such_column"});
  execute(
      "CREATE COLLATION loose (provider = icu, locale = 'und', deterministic = false);"
      "CREATE TABLE c (name text COLLATE loose)");
  expect_refused({"--table", "c", "--key", "abs(hashtext(name)) % 8"}, "nondeterministic-collation",
                 {"name"});
}

TEST_F(CopyRefusalsTest, EncodingsThatDiffer) {
  make_chunks(10);
  const std::string latin = server().create_database("latin", "LATIN1");
  expect_refused({"--table", "chunks", "--target", server().dsn(latin)}, "encoding-differs",
                 {"LATIN1", "UTF8"});
}

TEST_F(CopyRefusalsTest, TypesThatTheOtherDatabaseDoesNotHave) {
  execute(
      "CREATE TYPE mood AS ENUM ('a'); CREATE TYPE pair AS (a int, b mood);"
      "CREATE TABLE t (id int, m mood); CREATE TABLE p (id int, p pair)");
  const std::string other = server().create_database("other");
  expect_refused(
      {"--table", "t", "--key", "id % 2", "--partitions", "2", "--target", server().dsn(other)},
      "type-missing", {"mood"});
  server().execute(other, "CREATE TYPE mood AS ENUM ('a'); CREATE TYPE pair AS (b mood, a int)");
  expect_refused(
      {"--table", "p", "--key", "id % 2", "--partitions", "2", "--target", server().dsn(other)},
      "type-differs", {"(a integer, b public.mood)", "(b public.mood, a integer)"});
}

TEST_F(CopyRefusalsTest, SourceAndTargetAreTheSame) {
  make_chunks(10);
  expect_refused({"--table", "chunks", "--into", "chunks"}, "same-table", {"chunks"});
}

TEST_F(CopyRefusalsTest, LockThatIsNotToBeHadNamesItsHolder) {
  make_chunks(10);
  auto writer = server().connect(database);
  writer.execute("SET application_name = 'night shift'; BEGIN; UPDATE chunks SET content = 'x'");
  expect_refused({"--table", "chunks", "--lock-timeout", "300ms"}, "lock-timeout", {"night shift"});
  expect_nothing_left();
}

TEST_F(CopyRefusalsTest, RowThatTheTargetsConstraintForbids) {
  make_chunks(1000);
  execute(
      "CREATE TABLE t (LIKE chunks, partition_key int) PARTITION BY LIST (partition_key);"
      "DO $$ BEGIN FOR r IN 0..7 LOOP EXECUTE format('CREATE TABLE t%s PARTITION OF t FOR VALUES "
      "IN (%s)', r, r); END LOOP; END $$; ALTER TABLE t ADD CONSTRAINT small CHECK (id < 900)");
  const CommandResult result = copy({"--table", "chunks", "--into", "t"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_NE(result.out.find("small"), std::string::npos);
  EXPECT_EQ(value("SELECT count(*) FROM t"), "0") << "nothing may stay";
}

}  // namespace
}  // namespace pgfanout
