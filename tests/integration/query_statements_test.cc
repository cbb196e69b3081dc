// Queries from pg_stat_statements: which are taken, where their values come from, and what is said
// where the extension or a right is missing.
#include <gmock/gmock.h>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Json;

class QueryStatementsTest : public testing::WindowFixture {
 protected:
  void SetUp() override { database = own().create_database("queries"); }

  static harness::TestServer& own() {
    static harness::TestServer server = [] {
      harness::ServerOptions options;
      options.settings = {"shared_preload_libraries = 'pg_stat_statements'",
                          "pg_stat_statements.track = all"};
      return harness::TestServer(options);
    }();
    return server;
  }
  void run_sql(const std::string& sql) const { own().execute(database, sql); }
  CommandResult queries(std::vector<std::string> arguments, const std::string& user = "postgres") {
    arguments.insert(arguments.begin(), {"--source", own().dsn(database, user)});
    return window("queries", std::move(arguments));
  }
  /// The query whose SQL has this text.
  [[nodiscard]] Json with_sql(const std::string& text) const {
    for (const Json& each : json["queries"]) {
      const std::string sql = each["sql"];
      if (sql.find(text) != std::string::npos) return each;
    }
    ADD_FAILURE() << "no query with " << text << " in " << json["queries"].dump(1);
    return Json::object();
  }
};

TEST_F(QueryStatementsTest, SayWhatIsMissing) {
  run_sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  EXPECT_EQ(queries({"--table", "t", "--statements", "3"}).exit_code, 2);
  EXPECT_TRUE(has_issue("no-queries"));
  EXPECT_THAT(json["issues"].dump(), HasSubstr("CREATE EXTENSION pg_stat_statements"));
  run_sql(
      "CREATE EXTENSION pg_stat_statements; CREATE ROLE looker LOGIN;"
      "GRANT SELECT ON t TO looker; GRANT USAGE ON SCHEMA public TO looker");
  run_sql("SELECT id FROM t WHERE id = 5");
  EXPECT_EQ(queries({"--table", "t", "--statements", "3"}, "looker").exit_code, 2);
  EXPECT_THAT(json["issues"].dump(), HasSubstr("GRANT pg_read_all_stats TO looker"));
  EXPECT_EQ(queries({"--table", "t", "--statements", "3"}).exit_code, 0) << json.dump(1);
}

TEST_F(QueryStatementsTest, RunWithValuesOfSampledRowsOnBothTables) {
  run_sql(R"sql(
CREATE SCHEMA ext; CREATE EXTENSION pg_stat_statements SCHEMA ext;
CREATE SCHEMA "odd ""s"; SET search_path = "odd ""s", public;
CREATE TABLE "Odd ""t;" (id bigint, "Ümlaut x" uuid, title varchar(40), made timestamptz,
  PRIMARY KEY (id, "Ümlaut x")) PARTITION BY HASH ("Ümlaut x");
CREATE TABLE h0 PARTITION OF "Odd ""t;" FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE h1 PARTITION OF "Odd ""t;" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO "Odd ""t;" SELECT n, md5((n % 20)::text)::uuid, 'title ' || n % 10,
  timestamptz '2026-01-01' + n * interval '1 hour' FROM generate_series(1, 400) n;
ANALYZE "Odd ""t;")sql");
  run_sql("ALTER DATABASE \"" + database + "\" SET search_path = \"odd \"\"s\", public");
  run_sql(R"sql(
SELECT ext.pg_stat_statements_reset();
SELECT id, title FROM "Odd ""t;" WHERE "Ümlaut x" = md5('7')::uuid;
SELECT id FROM "Odd ""t;" t WHERE t."Ümlaut x" = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'
  AND made >= '1990-01-01' ORDER BY made, id LIMIT 5;
SELECT count(*) FROM "odd ""s"."Odd ""t;" WHERE "odd ""s"."Odd ""t;".title LIKE 'title 3%'
  AND id = ANY ('{3,13,23}');
UPDATE "Odd ""t;" SET title = 'changed' WHERE id = -1;
SELECT "Odd ""t;" FROM h0 AS "Odd ""t;" LIMIT 1)sql");
  const std::string table = "\"odd \"\"s\".\"Odd \"\"t;\"";
  const std::vector<std::string> job = {"--table", table, "--partitions", "3", "--statements", "9"};
  const std::string source = own().dsn(database);
  std::vector<std::string> run = job;
  run.insert(run.begin(), {"--source", source});
  const CommandResult moved = window("run", run);
  ASSERT_EQ(moved.exit_code, 0) << moved;
  std::vector<std::string> both = job;
  both.erase(both.begin() + 2, both.begin() + 4);
  const CommandResult result = queries(both);
  ASSERT_EQ(result.exit_code, 0) << result;
  const Json limited = with_sql("LIMIT");
  ASSERT_EQ(limited["result"], "same") << result;
  EXPECT_EQ(limited["target"]["rows"], 5) << "as many as it returned on average";
  EXPECT_EQ(limited["target"]["leaves"], 3);
  const Json array = with_sql("ANY");
  EXPECT_EQ(array["result"], "same");
  EXPECT_EQ(array["status"], "passed");
  const Json update = with_sql("UPDATE");
  EXPECT_EQ(update["status"], "not run");
  EXPECT_THAT(update["note"], HasSubstr("planned, not executed"));
  EXPECT_EQ(own().value(database, "SELECT count(*) FROM " + table + " WHERE title = 'changed'"),
            "0");
  for (const Json& each : json["queries"]) {
    EXPECT_THAT(each["name"], ::testing::StartsWith("statement ")) << each;
    EXPECT_THAT(each["sql"].get<std::string>().find("h0"), std::string::npos);
  }
}

}  // namespace
}  // namespace pgfanout
