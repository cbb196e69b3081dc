// Windows in unusual places: between two databases, with rows set aside, over a journal of another
// version, and for roles that may not.
#include <gmock/gmock.h>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;

class WindowPlacesTest : public testing::WindowFixture {};

TEST_F(WindowPlacesTest, BetweenTwoDatabasesThereIsNoSwap) {
  make_chunks(300);
  const std::string before = catalog();
  const std::string other = server().create_database("window");
  const std::vector<std::string> job = {"--table", "chunks", "--target", server().dsn(other)};
  ASSERT_EQ(window("run", job).exit_code, 0) << json.dump(1);
  EXPECT_EQ(server().value(other, "SELECT count(*) FROM chunks_new"), "300");
  EXPECT_EQ(server().value(other,
                           "SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid"
                           " = i.indrelid WHERE h.inhparent = 'chunks_new'::regclass"),
            "8");
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks"), "55000");
  EXPECT_EQ(window("swap", job).exit_code, 2);
  EXPECT_TRUE(has_issue("two-databases"));
  ASSERT_EQ(window("rollback", job).exit_code, 0) << json.dump(1);
  EXPECT_EQ(catalog(), before);
  EXPECT_EQ(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'pgfanout'"), "0");
  EXPECT_EQ(server().value(other, "SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks%'"),
            "0");
}

TEST_F(WindowPlacesTest, RowsSetAsideGoWithTheTable) {
  execute(
      "CREATE TABLE r (id int PRIMARY KEY, k text); INSERT INTO r SELECT n, CASE WHEN n % 100 = 0"
      " THEN NULL ELSE 'k' || n END FROM generate_series(1, 1000) n");
  const std::string before = catalog();
  const std::vector<std::string> job = {
      "--table",        "r",  "--key",    "abs(hashtext(k)) % 4", "--partitions", "4",
      "--reject-limit", "10", "--accept", "constraint r_pkey",    "--swap"};
  const CommandResult result = window("run", job);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM r"), "990");
  EXPECT_EQ(value("SELECT count(*) FROM r_rejects"), "10");
  ASSERT_EQ(window("rollback", {"--table", "r"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM r"), "1000");
  EXPECT_EQ(catalog(), before);
}

TEST_F(WindowPlacesTest, JournalOfVersion1IsBroughtUpToDate) {
  make_chunks(100);
  execute(
      "CREATE SCHEMA pgfanout; CREATE TABLE pgfanout.journal_version (version integer PRIMARY KEY);"
      "INSERT INTO pgfanout.journal_version VALUES (1);"
      "CREATE TABLE pgfanout.job (job text PRIMARY KEY, target_schema text NOT NULL, target_name"
      " text NOT NULL, source text NOT NULL, key text NOT NULL, state text NOT NULL CHECK (state IN"
      " ('loading', 'done')), started_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
      " finished_at timestamptz, rows bigint, digest text);"
      "CREATE TABLE pgfanout.made_relation (job text NOT NULL REFERENCES pgfanout.job ON DELETE"
      " CASCADE, relation oid NOT NULL, schema_name text NOT NULL, relation_name text NOT NULL,"
      " PRIMARY KEY (job, relation));"
      "INSERT INTO pgfanout.job VALUES ('old', 'public', 'chunks_new', 's', 'k', 'done')");
  ASSERT_EQ(window("status", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(json["standing"]["state"], "done");
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT version FROM pgfanout.journal_version"), "4");
  EXPECT_EQ(value("SELECT string_agg(state, ' ' ORDER BY started_at) FROM pgfanout.job"),
            "done swapped");
}

/// Its requests are lines with escapes; a job that was begun then goes on.
TEST_F(WindowPlacesTest, JournalOfVersion3IsBroughtUpToDate) {
  make_chunks(100);
  const std::vector<std::string> job = {"--table", "chunks", "--accept", "trigger none on chunks"};
  ASSERT_EQ(window("run", job).exit_code, 0) << json.dump(1);
  const std::string request = value("SELECT request::jsonb FROM pgfanout.job");
  execute(R"sql(
UPDATE pgfanout.journal_version SET version = 3;
UPDATE pgfanout.job SET request = 'key expression ' || key || $$
partitions 8
key column partition_key
key mode check
accept trigger none on chunks
$$;
INSERT INTO pgfanout.job (job, target_schema, target_name, source, key, state, request)
VALUES ('other', 'public', 'other', '', '', 'done', $$key expression "\\n"\n\\\n
map \\e\eb=\\=c=d
view v=w
$$))sql");
  const CommandResult other = window("swap", {"--table", "chunks", "--accept", "view v"});
  EXPECT_THAT(other.err, HasSubstr("was: accept trigger none on chunks; now: accept view v"));
  EXPECT_EQ(value("SELECT version FROM pgfanout.journal_version"), "3");
  ASSERT_EQ(window("swap", job).exit_code, 0) << json.dump(1);
  ASSERT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT version FROM pgfanout.journal_version"), "4");
  EXPECT_EQ(value("SELECT request FROM pgfanout.job WHERE job <> 'other'"), request);
  EXPECT_EQ(
      value("SELECT request::jsonb FROM pgfanout.job WHERE job = 'other'"),
      R"([["key expression", "\"\\n\"\n\\\n"], ["map", "\\e=b", "\\=c=d"], ["view", "v", "w"]])");
}

TEST_F(WindowPlacesTest, JournalOfANewerVersionIsRefused) {
  make_chunks(10);
  execute(
      "CREATE SCHEMA pgfanout; CREATE TABLE pgfanout.journal_version (version integer PRIMARY KEY);"
      "INSERT INTO pgfanout.journal_version VALUES (99); CREATE TABLE pgfanout.job (job text)");
  for (const std::string command : {"run", "swap", "rollback", "cleanup", "status"}) {
    EXPECT_EQ(window(command, {"--table", "chunks"}).exit_code, 2) << command;
    EXPECT_TRUE(has_issue("journal-newer")) << command;
  }
}

TEST_F(WindowPlacesTest, WithoutAFenceThereIsNoWindow) {
  make_chunks(100);
  const std::string before = catalog();
  for (const char* option : {"--no-fence", "--assume-quiet"}) {
    EXPECT_EQ(window("run", {"--table", "chunks", option}).exit_code, 2);
    EXPECT_TRUE(has_issue("no-fence"));
    EXPECT_EQ(catalog(), before);
  }
}

TEST_F(WindowPlacesTest, RoleThatDoesNotOwnTheTableLeavesNothingBehind) {
  make_chunks(100);
  const std::string role = "plain_" + database;
  execute("CREATE ROLE " + role + " LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + role +
          "; GRANT CREATE ON SCHEMA public TO " + role);
  const std::string before = catalog();
  const CommandResult result = window("run", {"--source", dsn(role), "--table", "chunks"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_THAT(result.err, HasSubstr("own"));
  EXPECT_EQ(catalog(), before);
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE id = 1"), "00000");
}

TEST_F(WindowPlacesTest, PlanChangesNothingAndPrintsAllSql) {
  make_chunks(200);
  const std::string before = catalog();
  const CommandResult plan = window("plan", {"--table", "chunks"});
  EXPECT_EQ(plan.exit_code, 0) << plan;
  EXPECT_GT(json["impact"].size(), 3U);
  EXPECT_GT(json["estimates"].size(), 5U);
  const CommandResult dry =
      harness::pgfanout({"plan", "--source", dsn(), "--table", "chunks", "--dry-run"});
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
  for (const char* sql : {"CREATE TRIGGER pgfanout_fence", "COPY ", "CREATE UNIQUE INDEX",
                          "ATTACH PARTITION", "PRIMARY KEY", "ANALYZE", "RENAME TO \"chunks\""}) {
    EXPECT_THAT(dry.out, HasSubstr(sql));
  }
  EXPECT_EQ(catalog(), before);
  EXPECT_EQ(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'pgfanout'"), "0");
}

}  // namespace
}  // namespace pgfanout
