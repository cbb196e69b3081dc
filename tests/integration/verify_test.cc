// The verify command as its users meet it: scopes, layouts, two databases, rejects, repair, views,
// and words that say what is wrong. That every kind of fault is found is in verify_planted_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/copy_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

class VerifyTest : public testing::CopyFixture {
 protected:
  /// Runs `pgfanout verify --json`; the document is in `json`.
  CommandResult verify(std::vector<std::string> arguments) {
    if (std::find(arguments.begin(), arguments.end(), "--source") == arguments.end()) {
      arguments.insert(arguments.begin(), {"--source", dsn()});
    }
    arguments.insert(arguments.begin(), {"verify", "--json", "--progress", "none"});
    CommandResult result = harness::pgfanout(arguments);
    json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    if (!json.is_discarded()) {
      EXPECT_EQ(json["exit_code"], result.exit_code);
      EXPECT_EQ(json["command"], "verify");
    }
    return result;
  }
  void make_copy(int rows) {
    make_chunks(rows);
    ASSERT_EQ(copy({"--table", "chunks"}).exit_code, 0);
  }
  [[nodiscard]] std::uint64_t count(const std::string& kind) const {
    return json["differences"][kind].get<std::uint64_t>();
  }
  [[nodiscard]] bool has_issue(const std::string& code) const {
    for (const Json& issue : json["issues"]) {
      if (issue["code"] == code) return true;
    }
    return false;
  }
};

TEST_F(VerifyTest, CleanCopyIsEqualInEveryScopeThatReadsRows) {
  make_copy(300);
  const CommandResult data = verify({"--table", "chunks", "--data"});
  EXPECT_EQ(data.exit_code, 0) << data;
  EXPECT_EQ(json["status"], "ok");
  EXPECT_EQ(json["source"]["digest"], json["target"]["digest"]);
  EXPECT_EQ(json["source"]["rows"], 300);
  EXPECT_EQ(json["partitions"].size(), testing::kLeaves);
  EXPECT_EQ(json["differences"]["rows"].size(), 0U);
  const CommandResult quick = verify({"--table", "chunks", "--quick"});
  EXPECT_EQ(quick.exit_code, 0) << quick;
  EXPECT_FALSE(json.contains("differences"));
  EXPECT_TRUE(has_issue("sample"));
}

TEST_F(VerifyTest, RowUnderAWrongKeyAloneIsNamed) {
  make_copy(100);
  execute(
      "DO $$ DECLARE c name; BEGIN FOR c IN SELECT conname FROM pg_constraint"
      " WHERE conrelid = 'chunks_new'::regclass AND contype = 'c' LOOP"
      " EXECUTE format('ALTER TABLE chunks_new DROP CONSTRAINT %I', c); END LOOP; END $$;"
      "UPDATE chunks_new SET partition_key = (partition_key + 1) % 8 WHERE id = 7");
  EXPECT_EQ(verify({"--table", "chunks", "--data"}).exit_code, 1);
  EXPECT_EQ(count("misplaced"), 1U);
  ASSERT_EQ(json["differences"]["rows"].size(), 1U);
  EXPECT_EQ(json["differences"]["rows"][0]["kind"], "misplaced");
  EXPECT_EQ(json["differences"]["rows"][0]["identity"]["id"], 7);
}

TEST_F(VerifyTest, FullNeedsTheSchemaToBeCompleteAsWell) {
  make_copy(100);
  EXPECT_EQ(verify({"--table", "chunks"}).exit_code, 1);
  EXPECT_TRUE(has_issue("schema-missing"));  // The primary key is not there yet.
  EXPECT_GT(json["deployment_order"].size(), 0U);
  execute("ALTER TABLE chunks_new ADD PRIMARY KEY (id, collection_id, partition_key)");
  const CommandResult full = verify({"--table", "chunks"});
  EXPECT_EQ(full.exit_code, 0) << full;
}

TEST_F(VerifyTest, AnyTwoLayouts) {
  make_chunks(200);
  execute(
      "CREATE TABLE plain AS SELECT created_at, metadata, content, collection_id, id FROM chunks;"
      "CREATE TABLE hashed (LIKE chunks) PARTITION BY HASH (id);"
      "DO $$ BEGIN FOR r IN 0..6 LOOP EXECUTE format('CREATE TABLE hashed_%s PARTITION OF hashed"
      " FOR VALUES WITH (MODULUS 7, REMAINDER %s)', r, r); END LOOP; END $$;"
      "INSERT INTO hashed SELECT * FROM chunks");
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"chunks", "plain"}, {"plain", "hashed"}, {"hashed", "chunks"}, {"plain", "chunks"}};
  for (const auto& [source, target] : pairs) {
    const CommandResult result = verify({"--table", source, "--into", target, "--data"});
    EXPECT_EQ(result.exit_code, 0) << source << ' ' << target << result;
    EXPECT_EQ(json["source"]["rows"], 200);
  }
  execute("UPDATE hashed SET content = 'other' WHERE id = 77");
  EXPECT_EQ(verify({"--table", "plain", "--into", "hashed", "--data"}).exit_code, 1);
}

TEST_F(VerifyTest, LeavesOfManyRangesAreReadWholeAndTheirRowsAreNamed) {
  // A row a page. Ranges are cut between pages, and are of 1 MiB at least.
  execute(
      "CREATE TABLE s (id int, filler text); ALTER TABLE s ALTER filler SET STORAGE PLAIN;"
      "INSERT INTO s SELECT n, repeat('x', 7000) FROM generate_series(1, 400) n;"
      "CREATE TABLE t (LIKE s INCLUDING STORAGE); INSERT INTO t SELECT * FROM s");
  const std::vector<std::string> arguments = {"--table", "s", "--into", "t", "--data"};
  EXPECT_EQ(verify(arguments).exit_code, 0) << json.dump(1);
  EXPECT_EQ(json["source"]["rows"], 400);
  EXPECT_EQ(json["target"]["rows"], 400);
  execute("UPDATE t SET id = -id WHERE id % 25 = 1");
  EXPECT_EQ(verify(arguments).exit_code, 1);
  std::set<std::string> named;
  for (const Json& row : json["differences"]["rows"]) {
    named.insert(row[row["kind"] == "missing" ? "source" : "target"].get<std::string>());
  }
  std::set<std::string> expected;
  for (const auto& row :
       server().rows(database,
                     "SELECT 'public.s ' || ctid FROM s WHERE id % 25 = 1 UNION ALL"
                     " SELECT 'public.t ' || ctid FROM t WHERE id < 0")) {
    expected.insert(*row[0]);
  }
  EXPECT_EQ(expected.size(), 32U);
  EXPECT_EQ(named, expected);
}

TEST_F(VerifyTest, TwoDatabasesUnderLocksOfTheirOwn) {
  make_chunks(200);
  const std::string other = server().create_database("verify");
  ASSERT_EQ(copy({"--table", "chunks", "--target", server().dsn(other)}).exit_code, 0);
  EXPECT_EQ(verify({"--table", "chunks", "--target", server().dsn(other), "--data"}).exit_code, 0);
  server().execute(other, "DELETE FROM chunks_new WHERE id = 5");
  EXPECT_EQ(verify({"--table", "chunks", "--target", server().dsn(other), "--data"}).exit_code, 1);
  EXPECT_EQ(count("missing"), 1U);
  EXPECT_EQ(verify({"--table", "chunks", "--target", server().dsn(other), "--data", "--repair"})
                .exit_code,
            0);
  EXPECT_EQ(server().value(other, "SELECT count(*) FROM chunks_new"), "200");
}

TEST_F(VerifyTest, MappedColumnsAndTypesReachedByCasts) {
  execute(
      "CREATE TABLE s (id int PRIMARY KEY, a text, b int, scratch text);"
      "INSERT INTO s SELECT n, 'a' || n, n, 'x' FROM generate_series(1, 100) n;"
      "CREATE TABLE t (shout text, id bigint, b numeric(12,2));"
      "INSERT INTO t SELECT upper(a), id, b FROM s");
  const std::vector<std::string> arguments = {
      "--table", "s",       "--into", "t", "--map", "shout=upper(a)",
      "--skip",  "scratch", "--skip", "a", "--data"};
  EXPECT_EQ(verify(arguments).exit_code, 0) << json.dump(1);
  execute("UPDATE t SET shout = 'A7 ' WHERE id = 7");
  EXPECT_EQ(verify(arguments).exit_code, 1);
  EXPECT_EQ(json["differences"]["rows"][0]["columns"], Json::array({"shout"}));
  EXPECT_EQ(json["differences"]["rows"][0]["identity"]["id"], 7);
}

TEST_F(VerifyTest, RowsThatTheCopySetAsideAreAccountedFor) {
  execute(
      "CREATE TABLE r (id int PRIMARY KEY, k text); INSERT INTO r SELECT n, CASE WHEN n % 20 = 0"
      " THEN NULL ELSE 'k' || n END FROM generate_series(1, 200) n");
  const std::vector<std::string> key = {"--table",      "r", "--key", "abs(hashtext(k)) % 4",
                                        "--partitions", "4"};
  std::vector<std::string> copying = key;
  copying.insert(copying.end(), {"--reject-limit", "10"});
  ASSERT_EQ(copy(copying).exit_code, 0);
  std::vector<std::string> verifying = key;
  verifying.push_back("--data");
  const CommandResult result = verify(verifying);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(has_issue("rows-rejected"));
  EXPECT_EQ(count("missing"), 0U);
  verifying.back() = "--quick";
  EXPECT_EQ(verify(verifying).exit_code, 0) << json.dump(1);
  verifying.back() = "--data";
  execute("DELETE FROM r_new WHERE id = 1");
  EXPECT_EQ(verify(verifying).exit_code, 1);
  EXPECT_EQ(count("missing"), 1U);
}

TEST_F(VerifyTest, OrphansNullsSequencesAndConstraintsThatAreNotValid) {
  execute(
      "CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents SELECT generate_series(1, 9);"
      "CREATE TABLE s (id serial PRIMARY KEY, parent int REFERENCES parents, k text NOT NULL);"
      "INSERT INTO s (parent, k) SELECT n % 9 + 1, 'k' FROM generate_series(1, 100) n;"
      "CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY, parent int, k text);"
      "INSERT INTO t SELECT * FROM s;"
      "SELECT setval(pg_get_serial_sequence('t', 'id'), 1000)");
  const std::vector<std::string> arguments = {"--table", "s", "--into", "t", "--data"};
  EXPECT_EQ(verify(arguments).exit_code, 0) << json.dump(1);
  execute(
      "UPDATE t SET parent = 77 WHERE id = 1; UPDATE t SET k = NULL WHERE id = 2;"
      "SELECT setval(pg_get_serial_sequence('t', 'id'), 50);"
      "ALTER TABLE t ADD CHECK (id > 1) NOT VALID");
  EXPECT_EQ(verify(arguments).exit_code, 1);
  for (const char* code : {"orphans", "null-required", "sequence-behind", "not-valid"}) {
    EXPECT_TRUE(has_issue(code)) << code;
  }
  EXPECT_EQ(count("changed"), 2U);
}

TEST_F(VerifyTest, RepairTouchesTheNamedRowsAndNoOther) {
  make_copy(200);
  execute(
      "UPDATE chunks_new SET content = 'y' WHERE id IN (3, 4);"
      "DELETE FROM chunks_new WHERE id IN (5, 6, 7);"
      "INSERT INTO chunks_new SELECT * FROM chunks_new WHERE id = 8");
  const std::string before = value(
      "SELECT md5(string_agg(tableoid::text || ctid::text, ',' ORDER BY tableoid, ctid)) FROM "
      "chunks_new WHERE id NOT IN (3, 4, 5, 6, 7, 8)");
  const CommandResult planned = verify({"--table", "chunks", "--data", "--repair", "--dry-run"});
  EXPECT_EQ(planned.exit_code, 1) << planned;
  EXPECT_EQ(json["statements"].size(), 6U);
  EXPECT_EQ(verify({"--table", "chunks", "--data"}).exit_code, 1) << "a dry run changes nothing";
  const CommandResult repaired = verify({"--table", "chunks", "--data", "--repair"});
  EXPECT_EQ(repaired.exit_code, 0) << repaired;
  expect_copied();
  EXPECT_EQ(value("SELECT md5(string_agg(tableoid::text || ctid::text, ',' ORDER BY tableoid, "
                  "ctid)) FROM chunks_new WHERE id NOT IN (3, 4, 5, 6, 7, 8)"),
            before);
  EXPECT_EQ(verify({"--table", "chunks", "--data", "--repair", "--assume-quiet"}).exit_code, 2);
}

TEST_F(VerifyTest, WhatCannotBeComparedSaysWhy) {
  make_chunks(10);
  EXPECT_EQ(verify({"--table", "chunks"}).exit_code, 2);
  EXPECT_EQ(error_code(), "no-such-table");
  EXPECT_EQ(verify({"--table", "chunks", "--into", "chunks"}).exit_code, 2);
  EXPECT_EQ(error_code(), "same-table");
  execute("CREATE TABLE narrow (id bigint, collection_id uuid)");
  EXPECT_EQ(verify({"--table", "chunks", "--into", "narrow"}).exit_code, 2);
  EXPECT_EQ(error_code(), "column-lost");
}

TEST_F(VerifyTest, ReadOnlyRoleVerifiesWithinOneDatabase) {
  make_copy(100);
  const std::string role = "reader_" + database;
  execute("CREATE ROLE " + role + " LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + role);
  const CommandResult result =
      verify({"--source", dsn(role), "--table", "public.chunks", "--data"});
  EXPECT_EQ(result.exit_code, 0) << result;
}

/// Names that need quotes, and names that a lookup might use itself.
TEST_F(VerifyTest, RowsOfTablesWithAwkwardNamesAreNamedAndRepaired) {
  execute(
      R"(CREATE TABLE "it's ""x"" T" ("I'd" int, "K ""k" text, value_1 int, wanted_1 int, t int,
           k text, leaf int, place text, "%s {0} $1" text, PRIMARY KEY ("I'd", value_1));
         INSERT INTO "it's ""x"" T" SELECT n, 'k' || n, n, n, n, 'x', n, 'y', '{}'
           FROM generate_series(1, 60) n)");
  const std::vector<std::string> table = {"--table",      R"("it's ""x"" T")",
                                          "--key",        R"(abs(hashtext("K ""k")) % 4)",
                                          "--partitions", "4"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = table;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  ASSERT_EQ(copy(table).exit_code, 0);
  ASSERT_EQ(verify(with({"--data"})).exit_code, 0) << json.dump(1);
  EXPECT_EQ(verify(with({"--quick"})).exit_code, 0) << json.dump(1);
  execute(
      R"(UPDATE "it's ""x"" T_new" SET "%s {0} $1" = 'z' WHERE value_1 = 7;
         DELETE FROM "it's ""x"" T_new" WHERE value_1 = 8)");
  EXPECT_EQ(verify(with({"--data"})).exit_code, 1) << json.dump(1);
  EXPECT_EQ(count("changed"), 1U);
  EXPECT_EQ(count("missing"), 1U);
  EXPECT_EQ(json["differences"]["rows"][0]["columns"], Json::array({"%s {0} $1"}));
  EXPECT_EQ(json["differences"]["rows"][0]["identity"]["I'd"], 7);
  EXPECT_EQ(verify(with({"--data", "--repair"})).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value(R"(SELECT count(*) FROM "it's ""x"" T_new" n JOIN "it's ""x"" T" o
                       USING ("I'd", "%s {0} $1"))"),
            "60");
}

TEST_F(VerifyTest, ViewsForTheTimeAfter) {
  make_copy(200);
  execute("ANALYZE chunks_new");
  EXPECT_EQ(verify({"--install-views"}).exit_code, 0);
  EXPECT_EQ(verify({"--install-views"}).exit_code, 0) << "installing twice does no harm";
  EXPECT_EQ(value("SELECT partitions FROM pgfanout.partition_skew WHERE table_name = "
                  "'public.chunks_new'::regclass"),
            "8");
  EXPECT_EQ(value("SELECT status FROM pgfanout.partition_skew WHERE table_name = "
                  "'public.chunks'::regclass"),
            "NORMAL");
  EXPECT_EQ(value("SELECT sum(estimated_rows) FROM pgfanout.partition_distribution WHERE "
                  "table_name = 'public.chunks_new'::regclass"),
            "200");
  EXPECT_EQ(value("SELECT count(*) > 0 FROM pgfanout.hot_partitions WHERE place = 1"), "t");
}

TEST_F(VerifyTest, ASideThatIsNoTableIsNamedWithAWayThatWorks) {
  make_chunks(50);
  execute(
      "CREATE VIEW v AS SELECT * FROM chunks; CREATE MATERIALIZED VIEW mv AS SELECT * FROM chunks;"
      "CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
      "CREATE FOREIGN TABLE far (id int) SERVER files OPTIONS (program 'echo 1');"
      "CREATE SEQUENCE s; CREATE TYPE pair AS (a int)");
  const auto refusal = [&](const std::vector<std::string>& words) {
    const CommandResult result = verify(words);
    EXPECT_EQ(result.exit_code, 2) << result;
    for (const Json& issue : json["issues"]) {
      if (issue["code"] != "not-a-table") continue;
      return issue["message"].get<std::string>() + "\n" + issue.value("hint", "");
    }
    return json["issues"].dump();
  };
  for (const auto& [name, kind] :
       std::vector<std::pair<std::string, std::string>>{{"v", "a view"},
                                                        {"mv", "a materialized view"},
                                                        {"far", "a foreign table"},
                                                        {"s", "a sequence"},
                                                        {"chunks_pkey", "an index"},
                                                        {"pair", "a composite type"}}) {
    for (const std::string& text : {refusal({"--table", "chunks", "--into", name, "--data"}),
                                    refusal({"--table", name, "--into", "chunks", "--data"})}) {
      EXPECT_NE(text.find(name + " is " + kind), std::string::npos) << text;
      const std::size_t sql = text.find("CREATE TABLE");
      EXPECT_EQ(sql != std::string::npos, name == "v" || name == "mv" || name == "far") << text;
      if (name == "v" && sql != std::string::npos) {
        execute("DROP TABLE IF EXISTS v_rows;" + text.substr(sql));
      }
    }
  }
  EXPECT_EQ(verify({"--table", "chunks", "--into", "v_rows", "--data"}).exit_code, 0);
  EXPECT_EQ(verify({"--table", "chunks", "--into", "pg_catalog.pg_class"}).exit_code, 2);
  EXPECT_TRUE(has_issue("system-table"));
  // A leaf of a partitioned table is a table like others.
  execute("CREATE TABLE h3 AS TABLE chunks_h3");
  EXPECT_EQ(verify({"--table", "chunks_h3", "--into", "h3", "--data"}).exit_code, 0);
}

}  // namespace
}  // namespace pgfanout
