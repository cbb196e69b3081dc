// The main job on a real server, in all the shapes that tables come in.
#include <gtest/gtest.h>

#include "tests/integration/copy_fixture.h"

namespace pgfanout {
namespace {

using harness::ServerOptions;
using harness::TestServer;
using testing::CommandResult;

class CopyTest : public testing::CopyFixture {};

TEST_F(CopyTest, HashLeavesBecomeAHundredListLeaves) {
  make_chunks(5000);
  const CommandResult result = copy({"--table", "chunks", "--partitions", "100"});
  ASSERT_EQ(result.exit_code, 0) << result;
  expect_copied(kChunkColumns, 100);
  EXPECT_EQ(json["status"], "ok");
  EXPECT_EQ(json["source"]["rows"], 5000);
  EXPECT_EQ(json["target"]["rows"], 5000);
  EXPECT_EQ(json["source"]["digest"], json["target"]["digest"]);
  EXPECT_EQ(json["rows"]["read"], 5000);
  EXPECT_EQ(json["rows"]["written"], 5000);
  EXPECT_EQ(json["partitions"].size(), 100U);
  EXPECT_GT(json["skew"], 1.0);
  EXPECT_EQ(value("SELECT count(*) FROM pg_partition_tree('chunks_new') WHERE isleaf"), "100");
  expect_sessions_end();
  EXPECT_EQ(value("SELECT state FROM pgfanout.job"), "done");
}

TEST_F(CopyTest, LeavesAreFrozenAndAttachedWithoutTheirBoundsCheck) {
  make_chunks(2000);
  ASSERT_EQ(copy({"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid IN (SELECT "
                  "relid FROM pg_partition_tree('chunks_new') WHERE isleaf)"),
            "8")
      << "the key's check stays, the bound's goes";
  EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE NOT convalidated"), "0");
  execute("CREATE EXTENSION pg_visibility");
  EXPECT_EQ(value("SELECT sum(s.all_frozen) = sum(pg_relation_size(t.relid) / 8192) FROM "
                  "pg_partition_tree('chunks_new') t, pg_visibility_map_summary(t.relid) s "
                  "WHERE isleaf AND pg_relation_size(t.relid) > 0"),
            "t");
}

TEST_F(CopyTest, LaterInsertsMustCarryTheRightKey) {
  make_chunks(100);
  ASSERT_EQ(copy({"--table", "chunks"}).exit_code, 0);
  const std::string row = "(0, '00000000-0000-0000-0000-000000000000', ";
  EXPECT_EQ(sqlstate_of("INSERT INTO chunks_new (id, collection_id, partition_key) VALUES " + row +
                        "(abs(hashtext('00000000-0000-0000-0000-000000000000')) + 1) % 8)"),
            "23514");
  execute("INSERT INTO chunks_new (id, collection_id, partition_key) VALUES " + row +
          "abs(hashtext('00000000-0000-0000-0000-000000000000')) % 8)");
}

TEST_F(CopyTest, OtherDatabaseAndOtherServer) {
  make_chunks(1000);
  const std::string other = server().create_database("elsewhere");
  CommandResult result = copy({"--table", "chunks", "--target", server().dsn(other)});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(server().value(other, "SELECT count(*) FROM chunks_new"), "1000");

  TestServer second;
  result = copy({"--table", "chunks", "--target", second.dsn(), "--into", "public.\"Moved\""});
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::string sum =
      "SELECT sum(hashtextextended(ROW(id, collection_id, content, metadata, "
      "created_at)::text, 0)::numeric) FROM ";
  EXPECT_EQ(second.value("postgres", sum + "\"Moved\""), value(sum + "chunks"));
  EXPECT_EQ(json["target"]["table"], "public.\"Moved\"");
}

TEST_F(CopyTest, ServerWithRoomForTenConnections) {
  ServerOptions options;
  options.settings = {"max_connections = 10"};
  TestServer small(options);
  make_chunks(1000);
  CommandResult result = copy({"--table", "chunks", "--target", small.dsn()});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_LT(json["resources"]["writers"], 8);
  EXPECT_EQ(small.value("postgres", "SELECT count(*) FROM chunks_new"), "1000");

  // Both sides on the small server.
  result = harness::pgfanout({"copy", "--source", small.dsn(), "--table", "chunks_new", "--into",
                              "again", "--key", "abs(hashtext(collection_id::text)) % 10",
                              "--partitions", "10", "--key-column", "k10"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(small.value("postgres", "SELECT count(*) FROM again"), "1000");
}

TEST_F(CopyTest, WritersThatShareConnections) {
  make_chunks(3000);
  for (const std::string writers : {"1", "3"}) {
    const CommandResult result =
        copy({"--table", "chunks", "--writers", writers, "--readers", "1", "--restart"});
    ASSERT_EQ(result.exit_code, 0) << result;
    expect_copied();
  }
}

TEST_F(CopyTest, ARowThatIsLargerThanTheMemory) {
  make_chunks(1000);
  execute(
      "ALTER TABLE chunks ALTER content SET STORAGE EXTERNAL;"
      "INSERT INTO chunks VALUES (0, md5('x')::uuid, repeat('0123456789', 1800000))");
  const CommandResult result = copy({"--table", "chunks", "--memory", "16MiB"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT sum(length(content)) FROM chunks_new"),
            value("SELECT sum(length(content)) FROM chunks"));
  EXPECT_EQ(json["source"]["rows"], 1001);
}

TEST_F(CopyTest, TableWithoutRows) {
  make_chunks(0);
  const CommandResult result = copy({"--table", "chunks"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(json["source"]["rows"], 0);
  EXPECT_EQ(value("SELECT count(*) FROM pg_partition_tree('chunks_new') WHERE isleaf"), "8");
}

TEST_F(CopyTest, TableWithoutColumnsBesidesTheKey) {
  execute(
      "CREATE TABLE t (c text NOT NULL) PARTITION BY HASH (c);"
      "CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
      "INSERT INTO t SELECT n::text FROM generate_series(1, 1000) n");
  const CommandResult result = copy({"--table", "t", "--key-mode", "expression"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(difference("t", "t_new", "c"), "0");
}

TEST_F(CopyTest, PlainTableAsSource) {
  execute(
      "CREATE TABLE plain (id int, body text); INSERT INTO plain SELECT n, repeat('x', n % 8) "
      "FROM generate_series(1, 5000) n");
  const CommandResult result = copy({"--table", "plain", "--key", "id % 7", "--partitions", "7"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(difference("plain", "plain_new", "id, body"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM pg_partition_tree('plain_new') WHERE isleaf"), "7");
}

TEST_F(CopyTest, SixteenHundredColumnsAndDroppedOnes) {
  std::string columns = "c0 text NOT NULL";
  for (int at = 1; at < 1599; ++at) columns += ", c" + std::to_string(at) + " smallint";
  execute("CREATE TABLE wide (" + columns +
          "); INSERT INTO wide (c0, c7, c1598) SELECT n::text, 7, n "
          "FROM generate_series(1, 300) n");
  CommandResult result =
      copy({"--table", "wide", "--key", "abs(hashtext(c0)) % 2", "--partitions", "2"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(difference("wide", "wide_new", "c0, c7, c1598"), "0");

  execute(
      "CREATE TABLE holes (a int, gone text, b text, gone_too int);"
      "INSERT INTO holes SELECT n, 'x', n::text, n FROM generate_series(1, 500) n;"
      "ALTER TABLE holes DROP gone; ALTER TABLE holes DROP gone_too;"
      "ALTER TABLE holes ADD c text DEFAULT 'later'");
  result = copy({"--table", "holes", "--key", "abs(hashtext(b)) % 8"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(difference("holes", "holes_new", "a, b, c"), "0");
}

TEST_F(CopyTest, HostileNames) {
  const std::string schema = "\"My \"\"Schema\"\"\"";
  const std::string columns = "\"Id \"\"1\", \"sel ect\", \"ключ\"";
  const std::string key = "abs(hashtext(\"ключ\")) % 8";
  const std::string quoted = schema + ".\"it's \"\"quoted\"\"; DROP TABLE x; -- Größe\"";
  const std::string name63 = schema + ".\"" + std::string(63, 'n') + "\"";
  execute("CREATE SCHEMA " + schema);
  for (const std::string& name : {quoted, name63}) {
    execute("CREATE TABLE " + name +
            " (\"Id \"\"1\" int, \"sel ect\" text, \"ключ\" text);"
            "INSERT INTO " +
            name + " SELECT n, 'v' || n, 'k' || n FROM generate_series(1, 500) n");
  }
  const std::string into = schema + ".\"Target, ünï\"";
  CommandResult result =
      copy({"--table", quoted, "--into", into, "--key", key, "--key-column", "Part Key"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(difference(quoted, into, columns), "0");
  result = copy({"--table", name63, "--key", key});
  ASSERT_EQ(result.exit_code, 0) << "63 bytes and _new: " << result;
}

TEST_F(CopyTest, MappingsRenameDropAddAndNumber) {
  execute(
      "CREATE TABLE old (id uuid PRIMARY KEY, collection_id uuid NOT NULL, meta json, note text,"
      " created_at timestamptz NOT NULL DEFAULT now());"
      "INSERT INTO old SELECT gen_random_uuid(), md5((n % 90)::text)::uuid, CASE WHEN n % 3 = 0 "
      "THEN NULL ELSE json_build_object('n', n) END, 'x' FROM generate_series(1, 2000) n;"
      "CREATE SEQUENCE new_id");
  const CommandResult result =
      copy({"--table", "old", "--key", "abs(hashtext(collection_id::text)) % 8", "--map",
            "legacy_id=id", "--map", "id=nextval('public.new_id')", "--map",
            "metadata=coalesce(meta::jsonb, '{}'::jsonb)", "--map", "updated_at=created_at",
            "--skip", "meta", "--skip", "note"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(DISTINCT id) FROM old_new"), "2000");
  EXPECT_EQ(
      value("SELECT count(*) FROM old o JOIN old_new n ON n.legacy_id = o.id WHERE n.metadata "
            "= coalesce(o.meta::jsonb, '{}') AND n.updated_at = o.created_at"),
      "2000");
  EXPECT_EQ(value("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = "
                  "'old_new'::regclass AND attname = 'id'"),
            "bigint");
}

TEST_F(CopyTest, GeneratedAndIdentityColumnsAreCarried) {
  execute(
      "CREATE TABLE g (id bigint GENERATED ALWAYS AS IDENTITY, c text NOT NULL, len int GENERATED "
      "ALWAYS AS (length(c)) STORED, note text DEFAULT 'none');"
      "INSERT INTO g (c) SELECT repeat('y', n % 40) || n FROM generate_series(1, 1000) n");
  const CommandResult result = copy({"--table", "g", "--key", "abs(hashtext(c)) % 8"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(difference("g", "g_new", "id, c, len, note"), "0");
  execute("INSERT INTO g_new (c, partition_key) VALUES ('zz', abs(hashtext('zz')) % 8)");
  EXPECT_EQ(value("SELECT id || ' ' || len || ' ' || note FROM g_new WHERE c = 'zz'"),
            "1001 2 none");
}

TEST_F(CopyTest, KeyModes) {
  make_chunks(1000);
  for (const std::string mode : {"generated", "expression", "none"}) {
    const CommandResult result =
        copy({"--table", "chunks", "--into", "by_" + mode, "--key-mode", mode});
    ASSERT_EQ(result.exit_code, 0) << mode << result;
    EXPECT_EQ(difference("chunks", "by_" + mode, kChunkColumns), "0") << mode;
  }
  // Inserts go on unchanged.
  execute("INSERT INTO by_generated (id, collection_id) VALUES (0, md5('q')::uuid)");
  execute("INSERT INTO by_expression (id, collection_id) VALUES (0, md5('q')::uuid)");
  EXPECT_EQ(value("SELECT partition_key = abs(hashtext(collection_id::text)) % 8 FROM by_generated "
                  "WHERE id = 0"),
            "t");
}

TEST_F(CopyTest, ExistingTargetKeepsItsNamesOrderAndAttachment) {
  make_chunks(2000);
  execute(
      "CREATE TABLE mine (partition_key int NOT NULL, content text, id bigint, metadata jsonb, "
      "created_at timestamptz, collection_id uuid, extra text DEFAULT 'e') PARTITION BY LIST "
      "(partition_key);"
      "DO $$ BEGIN FOR r IN 0..3 LOOP EXECUTE format('CREATE TABLE whatever_%s PARTITION OF mine "
      "FOR VALUES IN (%s, %s)', r, r, r + 4); END LOOP; END $$;"
      "CREATE TABLE rest PARTITION OF mine DEFAULT");
  CommandResult result = copy({"--table", "chunks", "--into", "mine"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(difference("chunks", "mine", kChunkColumns), "0");
  EXPECT_EQ(value("SELECT count(*) FROM mine WHERE extra = 'e'"), "2000");
  EXPECT_EQ(value("SELECT count(*) FROM rest"), "0");

  result = copy({"--table", "chunks", "--into", "mine"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(error_code(), "target-not-empty");
  result = copy({"--table", "chunks", "--into", "mine", "--append"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM mine"), "4000");
}

TEST_F(CopyTest, ArraysOfEnumsBetweenDatabases) {
  const std::string types = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')";
  execute(types +
          "; CREATE TABLE e (id int, m mood, ms mood[]); INSERT INTO e SELECT n, 'ok', "
          "CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN '{sad,NULL,happy}' ELSE "
          "'{{ok,ok},{sad,sad}}' END::mood[] FROM generate_series(1, 400) n");
  const std::string other = server().create_database("enums");
  server().execute(other, "CREATE TYPE spacer AS ENUM ('a'); " + types);
  const CommandResult result = copy(
      {"--table", "e", "--target", server().dsn(other), "--key", "id % 10", "--partitions", "10"});
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::string sum = "SELECT sum(hashtextextended(ROW(id, m, ms)::text, 0)::numeric) FROM ";
  EXPECT_EQ(server().value(other, sum + "e_new"), value(sum + "e"));
}

TEST_F(CopyTest, StoredKeyIsCheckedAndReplaced) {
  make_chunks(1000, ", partition_key int");
  execute("UPDATE chunks SET partition_key = abs(hashtext(collection_id::text)) % 8");
  ASSERT_EQ(copy({"--table", "chunks"}).exit_code, 0);
  EXPECT_EQ(json["rows"]["key_mismatches"], 0);
  execute(
      "UPDATE chunks SET partition_key = (partition_key + 1) % 8 WHERE id IN (10, 20);"
      "UPDATE chunks SET partition_key = NULL WHERE id = 30");
  CommandResult result = copy({"--table", "chunks", "--restart"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_EQ(json["rows"]["key_mismatches"], 3);
  EXPECT_NE(result.out.find("the stored key is NULL"), std::string::npos) << result;
  result = copy({"--table", "chunks", "--on-key-mismatch", "fix", "--restart"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(json["rows"]["key_mismatches"], 3);
  expect_copied();
}

TEST_F(CopyTest, RejectsAreSetAsideWithReasonAndIdentity) {
  execute(
      "CREATE TABLE r (id int PRIMARY KEY, c text, j text); INSERT INTO r SELECT n, 'c' || n, "
      "'{\"a\": 1}' FROM generate_series(1, 5000) n;"
      "UPDATE r SET c = NULL WHERE id = 17; UPDATE r SET c = 'c1606105947x' WHERE id = 2017;"
      "UPDATE r SET j = 'no json' WHERE id IN (1, 3000)");
  const CommandResult result = copy({"--table", "r", "--key", "abs(hashtext(c)) % 8", "--map",
                                     "j=j::jsonb", "--reject-limit", "4"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(json["rows"]["rejected"], 4);
  EXPECT_EQ(value("SELECT string_agg((identity->>'id') || ' ' || code, ', ' ORDER BY "
                  "(identity->>'id')::int) FROM r_new_rejects"),
            "1 source-expression, 17 key-null, 2017 key-overflow, 3000 source-expression");
  EXPECT_EQ(value("SELECT count(*) FROM r_new"), "4996");
  EXPECT_EQ(
      value("SELECT count(*) FROM r_new_rejects x JOIN r ON r.ctid = x.source_ctid AND r.id = "
            "(x.identity->>'id')::int"),
      "4");
}

TEST_F(CopyTest, DryRunChangesNothing) {
  make_chunks(100);
  const CommandResult result = copy({"--table", "chunks", "--dry-run"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find("CREATE TABLE"), std::string::npos);
  EXPECT_NE(result.out.find("ATTACH PARTITION"), std::string::npos);
  expect_nothing_left();
  EXPECT_EQ(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'pgfanout'"), "0");
}

TEST_F(CopyTest, RoleThatMayOnlyReadEndsUnprovenOrProven) {
  make_chunks(500);
  execute("CREATE ROLE reader_" + database +
          " LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO "
          "reader_" +
          database);
  TestServer other;
  const std::string role = "reader_" + database;
  CommandResult result =
      copy({"--table", "chunks", "--source", dsn(role), "--target", other.dsn()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(error_code(), "cannot-fence");
  EXPECT_NE(result.err.find("--no-fence"), std::string::npos);
  result =
      copy({"--table", "chunks", "--source", dsn(role), "--target", other.dsn(), "--no-fence"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(error_code(), "cannot-lock");
  result =
      copy({"--table", "chunks", "--source", dsn(role), "--target", other.dsn(), "--assume-quiet"});
  EXPECT_EQ(result.exit_code, 0) << "nothing was written to the source's server: " << result;
  result = copy({"--table", "chunks", "--assume-quiet"});
  EXPECT_EQ(result.exit_code, 4) << "the copy itself writes to that server: " << result;
  EXPECT_EQ(json["status"], "unproven");
}

}  // namespace
}  // namespace pgfanout
