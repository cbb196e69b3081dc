// Validation that a script can rely on: criteria, rules of the user, exit codes by --fail-on, a
// schema that its own SQL completes, and samples of every type of key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::StartsWith;

class CriteriaTest : public testing::WindowFixture {
 protected:
  /// s, and t that equals it: 400 rows in four leaves of 100, and a table that they refer to.
  void make_pair() const {
    execute(
        "CREATE TABLE owner (id int PRIMARY KEY); INSERT INTO owner SELECT generate_series(1, 4);"
        "CREATE TABLE s (id int PRIMARY KEY, n int NOT NULL, o int REFERENCES owner);"
        "INSERT INTO s SELECT i, i % 10, 1 + i % 4 FROM generate_series(0, 399) i;"
        "CREATE TABLE t (id int, n int NOT NULL, o int REFERENCES owner, partition_key int NOT "
        "NULL, PRIMARY KEY (id, partition_key)) PARTITION BY LIST (partition_key);"
        "DO $$ BEGIN FOR r IN 0..3 LOOP EXECUTE format('CREATE TABLE t_p%s PARTITION OF t FOR"
        " VALUES IN (%s)', r, r); END LOOP; END $$; INSERT INTO t SELECT *, mod(id, 4) FROM s");
  }

  CommandResult verify(std::vector<std::string> more, const std::string& job = "") {
    std::vector<std::string> arguments = {"--table", "s",          "--into",       "t",
                                          "--key",   "mod(id, 4)", "--partitions", "4"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (job.empty()) return window("verify", arguments);
    const harness::TemporaryFile file(job);
    arguments.insert(arguments.begin(), file.path());
    return window("verify", arguments);
  }

  [[nodiscard]] Json criterion(const std::string& name) const {
    for (const Json& each : json.value("criteria", Json::array())) {
      if (each["name"] == name) return each;
    }
    return {{"status", "none"}, {"detail", ""}};
  }
  [[nodiscard]] std::string status(const std::string& name) const {
    return criterion(name)["status"];
  }
};

std::string rule(const std::string& name, const std::string& form, const std::string& severity) {
  return "[[rules]]\nname = \"" + name + "\"\n" + form + "\nseverity = \"" + severity + "\"\n";
}

TEST_F(CriteriaTest, EachScopeSaysWhatItLookedAt) {
  make_pair();
  ASSERT_EQ(verify({"--data"}).exit_code, 0) << json.dump(1);
  for (const char* name :
       {"row counts equal", "row digests equal", "keys right", "rows in their leaf",
        "a leaf for every key", "no orphans", "no NULL in required columns", "skew below 1.5",
        "constraints valid", "indexes valid"}) {
    EXPECT_EQ(status(name), "pass") << name << json["criteria"].dump(1);
  }
  EXPECT_EQ(criterion("row counts equal")["detail"], "400 on each side");
  EXPECT_EQ(criterion("row digests equal")["detail"],
            "64-bit hash of each row, summed by leaf in the server: " +
                json["target"]["digest"].get<std::string>());
  EXPECT_EQ(status("sequences ahead of the data"), "not applicable");
  EXPECT_EQ(status("sampled rows equal"), "not applicable");
  EXPECT_EQ(status("schema"), "not checked");
  ASSERT_EQ(verify({"--quick"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(status("sampled rows equal"), "pass");
  EXPECT_EQ(status("row digests equal"), "not checked");
  EXPECT_EQ(status("no orphans"), "not checked");
  ASSERT_EQ(verify({"--schema"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(status("schema: constraint"), "pass");
  EXPECT_EQ(status("row counts equal"), "not checked");
  // A text for people, and a report, have the same.
  const harness::TemporaryFile report("");
  const CommandResult text = harness::pgfanout(
      {"verify", "--source", dsn(), "--table", "s", "--into", "t", "--data", "--progress", "none",
       "--key", "mod(id, 4)", "--partitions", "4", "--report", report.path()});
  EXPECT_THAT(text.out, HasSubstr("    pass           WARNING   skew below 1.5"));
  EXPECT_THAT(harness::run_command({"cat", report.path()}).out, HasSubstr("Criteria</h2>"));
}

/// Every kind of finding under every --fail-on: 1 is a difference, 4 goes before it.
TEST_F(CriteriaTest, ExitCodesByFindingAndFailOn) {
  make_pair();
  const std::string ok = rule("ok", "check = \"n >= 0\"", "critical");
  const auto broken = [](const char* severity) {
    return rule("small", "check = \"n < 9\"", severity);
  };
  const std::string unknown = rule("unknown", "check = \"nix < 9\"", "warning");
  struct Case {
    const char* what;
    std::string change;
    std::string back;
    std::string job;
    const char* scope;
    int warning;
    int error;
    int critical;
  };
  const std::string skew =
      "INSERT INTO s SELECT 4 * i, 1, 1 FROM generate_series(100, 199) i;"
      "INSERT INTO t SELECT 4 * i, 1, 1, 0 FROM generate_series(100, 199) i";
  const std::string even = "DELETE FROM s WHERE id >= 400; DELETE FROM t WHERE id >= 400";
  const std::string later = "UPDATE t SET n = 5 WHERE id = 7";
  const std::string as_was = "UPDATE t SET n = 7 WHERE id = 7";
  const std::string drop = "ALTER TABLE t DROP CONSTRAINT t_pkey";
  const std::string add = "ALTER TABLE t ADD PRIMARY KEY (id, partition_key)";
  const std::string invalid =
      "ALTER TABLE t DROP CONSTRAINT t_o_fkey; INSERT INTO t VALUES (1000, 1, 99, 0);"
      "INSERT INTO s VALUES (1000, 1, NULL); UPDATE t SET o = 99 WHERE id = 1000";
  for (const Case& each :
       {Case{"nothing", "", "", ok, "--data", 0, 0, 0},
        Case{"a changed row", later, as_was, "", "--data", 1, 1, 1},
        Case{"a changed row and a rule that cannot run", later, as_was, unknown, "--data", 4, 4, 4},
        Case{"a rule of severity warning", "", "", broken("warning"), "--data", 1, 0, 0},
        Case{"a rule of severity error", "", "", broken("error"), "--data", 1, 1, 0},
        Case{"a rule of severity error, quickly", "", "", ok + broken("error"), "--quick", 1, 1, 0},
        Case{"a rule of severity critical", "", "", broken("critical"), "--data", 1, 1, 1},
        Case{"rules are nothing of the schema", "", "", broken("critical"), "--schema", 0, 0, 0},
        Case{"a rule that cannot run", "", "", ok + unknown, "--quick", 4, 4, 4},
        Case{"skew, a warning", skew, even, "", "--data", 1, 0, 0},
        Case{"skew, quickly", skew, even, "", "--quick", 1, 0, 0},
        Case{"a key is missing", drop, add, "", "--schema", 1, 1, 0},
        Case{"a key is missing, of no concern for rows", drop, add, "", "--data", 0, 0, 0},
        Case{"an orphan and a changed row", invalid, "", "", "--data", 1, 1, 1}}) {
    if (!each.change.empty()) execute(each.change);
    // Error is the default.
    const std::pair<const char*, int> wanted[] = {{"warning", each.warning},
                                                  {"critical", each.critical}};
    for (const auto& [fail_on, exit_code] : wanted) {
      const CommandResult result = verify({each.scope, "--fail-on", fail_on}, each.job);
      EXPECT_EQ(result.exit_code, exit_code) << each.what << ", " << fail_on << result;
    }
    EXPECT_EQ(verify({each.scope}, each.job).exit_code, each.error)
        << each.what << ", no --fail-on";
    if (!each.back.empty()) execute(each.back);
  }
}

TEST_F(CriteriaTest, RulesNameRowsAndRunAsTheApplicationDoes) {
  make_pair();
  execute(
      "CREATE SCHEMA app; CREATE FUNCTION app.fine(int) RETURNS bool LANGUAGE sql AS"
      " 'SELECT $1 < 9'; CREATE TABLE seen (id int); CREATE FUNCTION app.note(int) RETURNS bool"
      " LANGUAGE sql AS 'INSERT INTO public.seen VALUES ($1) RETURNING true'");
  const std::string path = "[source]\nsearch_path = \"app, public\"\n";
  EXPECT_EQ(verify({"--quick"}, path + rule("ok", "check = \"fine(n - 1)\"", "error")).exit_code, 0)
      << json.dump(1);
  EXPECT_EQ(verify({"--quick"}, path + rule("by condition", "check = \"fine(n)\"", "error") +
                                    rule("by query",
                                         "sql = \"SELECT id, 'it''s' AS why FROM {table} x WHERE"
                                         " NOT EXISTS (SELECT FROM owner w WHERE w.id = x.n + 1)"
                                         " AND id < 6; \"",
                                         "warning"))
                .exit_code,
            1);
  EXPECT_THAT(criterion("rule: by condition")["detail"].get<std::string>(),
              HasSubstr("is violated by more than 10 rows: id=9 partition_key=1 t_p1 (0,3)"));
  EXPECT_EQ(criterion("rule: by query")["detail"],
            "rule 'by query' is violated by 2 rows: {\"id\":4,\"why\":\"it's\"}; "
            "{\"id\":5,\"why\":\"it's\"}");
  EXPECT_EQ(criterion("rule: by query")["code"], "rule-violated");
  // Nothing is written, and two statements are none.
  for (const char* form :
       {"check = \"note(id)\"", "sql = \"SELECT 1 FROM {table}; DELETE FROM s\""}) {
    EXPECT_EQ(verify({"--quick"}, path + rule("writes", form, "error")).exit_code, 4) << form;
    EXPECT_EQ(status("rule: writes"), "not checked");
  }
  EXPECT_EQ(value("SELECT (SELECT count(*) FROM seen) + (SELECT count(*) FROM s)"), "400");
}

TEST_F(CriteriaTest, RulesOfAWindowAreToldByThePlanAndHoldItsGate) {
  execute(
      "CREATE TABLE c (id int PRIMARY KEY, n int); INSERT INTO c SELECT i, i % 10 FROM"
      " generate_series(1, 300) i");
  const std::string job =
      "[source]\ntable = \"c\"\n[target]\npartitions = 4\n[key]\nexpression = \"mod(id, "
      "4)\"\n[swap]\nafter_verify = true\n" +
      rule("of the key", "check = \"partition_key BETWEEN 0 AND 3\"", "error");
  const std::string warning = rule("small", "check = \"n < 9\"", "warning");
  const auto plan = [&](const std::string& text) {
    const harness::TemporaryFile file(text);
    return window("plan", {file.path()}).exit_code;
  };
  EXPECT_EQ(plan(job + warning), 0) << json.dump(1);
  EXPECT_TRUE(has_issue("rule-violated"));
  EXPECT_TRUE(has_issue("rule-not-tried")) << "the source has no such column";
  EXPECT_EQ(plan(job + rule("small", "check = \"n < 9\"", "error")), 2);
  EXPECT_EQ(plan(job + rule("broken", "check = \"n <\"", "warning")), 2);
  EXPECT_TRUE(has_issue("rule-not-checked"));
  // The target breaks a rule that the source keeps.
  const harness::TemporaryFile strict(job + rule("many leaves",
                                                 "sql = \"SELECT count(DISTINCT tableoid) FROM"
                                                 " {table} HAVING count(DISTINCT tableoid) > 1\"",
                                                 "error"));
  const CommandResult stopped = window("run", {strict.path()});
  EXPECT_EQ(stopped.exit_code, 1) << stopped;
  EXPECT_EQ(stage_status("verify"), "failed");
  EXPECT_EQ(status("rule: many leaves"), "fail");
  EXPECT_EQ(status("rule: of the key"), "pass");
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'c_backup%'"), "0");
  const harness::TemporaryFile mild(job + warning);
  const CommandResult swapped = window("run", {mild.path()});
  for (const char* proven : {"row digests equal", "keys right", "rows in their leaf"}) {
    EXPECT_EQ(status(proven), "pass") << "by the copy: " << proven;
  }
  EXPECT_EQ(swapped.exit_code, 0) << swapped;
  EXPECT_EQ(status("rule: small"), "fail");
  EXPECT_EQ(stage_status("swap"), "ok");
  // Afterwards the function for inserts is one of the criteria.
  const std::string backup =
      value("SELECT relname FROM pg_class WHERE relname ~ '^c_backup_\\d+_\\d+$'");
  const std::vector<std::string> again = {"--table", backup,         "--into", "c",
                                          "--quick", "--partitions", "4"};
  EXPECT_EQ(window("verify", again).exit_code, 0) << json.dump(1);
  EXPECT_EQ(status("key function there"), "pass");
  execute("DROP FUNCTION c_partition_key");
  EXPECT_EQ(window("verify", again).exit_code, 0) << json.dump(1);
  EXPECT_EQ(status("key function there"), "fail");
}

TEST_F(CriteriaTest, SchemaListsAllColumnsThatAreMissingAndItsSqlMakesThem) {
  execute(
      "CREATE TABLE s (id bigint PRIMARY KEY, \"Old name\" text NOT NULL DEFAULT 'it''s', n int"
      " CHECK (n > 0), made int GENERATED ALWAYS AS (n * 2) STORED, counted bigint GENERATED BY"
      " DEFAULT AS IDENTITY, label varchar(9) COLLATE \"C\"); CREATE INDEX ON s (n) WHERE n > 5;"
      "CREATE UNIQUE INDEX ON s (id, \"Old name\"); COMMENT ON COLUMN s.n IS 'it''s n';"
      "GRANT SELECT, UPDATE (n) ON s TO pg_monitor WITH GRANT OPTION;"
      "CREATE STATISTICS s_stat ON id, n FROM s; ALTER TABLE s ALTER label SET STORAGE PLAIN;"
      "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
      "CREATE TRIGGER touch BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION touch();"
      "ALTER TABLE s ENABLE ALWAYS TRIGGER touch; ALTER TABLE s ENABLE ROW LEVEL SECURITY;"
      "CREATE POLICY mine ON s FOR SELECT USING (n > 1);"
      "CREATE TABLE t (id bigint, partition_key int NOT NULL) PARTITION BY LIST (partition_key);"
      "CREATE TABLE t_p0 PARTITION OF t FOR VALUES IN (0, 1)");
  const std::vector<std::string> arguments = {"--table", "s", "--into", "t", "--schema"};
  ASSERT_EQ(window("verify", arguments).exit_code, 1) << json.dump(1);
  std::vector<std::string> missing;
  for (const Json& each : json["schema"]) {
    if (each["kind"] == "column" && each["gap"] == "missing") missing.push_back(each["name"]);
  }
  EXPECT_THAT(missing, ::testing::ElementsAre("Old name", "n", "made", "counted", "label"));
  const auto column = std::find_if(json["schema_counts"].begin(), json["schema_counts"].end(),
                                   [](const Json& each) { return each["kind"] == "column"; });
  ASSERT_NE(column, json["schema_counts"].end());
  EXPECT_EQ(*column, Json::parse(R"({"kind": "column", "source": 6, "target": 2, "missing": 5,
                                     "extra": 1, "different": 0})"));
  std::string script;
  for (const Json& each : json["deployment_order"]) script += each.get<std::string>() + "\n";
  const harness::TemporaryFile file(script);
  const CommandResult ran = harness::run_command(
      {"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file.path(), "-d", dsn()});
  EXPECT_EQ(ran.exit_code, 0) << script << ran;
  const CommandResult again = window("verify", arguments);
  EXPECT_EQ(again.exit_code, 0) << script << again;
  for (const Json& each : json["criteria"]) EXPECT_NE(each["status"], "fail") << each;
  EXPECT_EQ(json["deployment_order"].size(), 0U) << json["deployment_order"];
  // Rows cannot be compared like that, and all that is lost is told at once.
  execute("ALTER TABLE t DROP n CASCADE, DROP label CASCADE");
  EXPECT_EQ(window("verify", {"--table", "s", "--into", "t", "--data"}).exit_code, 2);
  EXPECT_THAT(json["issues"][0]["message"].get<std::string>(),
              HasSubstr("columns have no counterpart in the target"));
}

TEST_F(CriteriaTest, SamplesAreComparedByKeysOfEveryType) {
  execute(
      "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
      "CREATE TYPE pair AS (a int, b text);"
      "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic ="
      " false)");
  struct Key {
    const char* columns;
    const char* values;
    const char* primary;
  };
  const Key keys[] = {
      {"k varchar(20) COLLATE \"C\"", "'k' || i", "k"},
      {"k text COLLATE nocase", "'K' || i", "k"},
      {"k char(12), l uuid", "'c' || i, md5(i::text)::uuid", "k, l"},
      {"k numeric, l bytea", "i / 3.0, decode(md5(i::text), 'hex')", "k, l"},
      {"k mood, l positive", "CASE WHEN i % 2 = 0 THEN 'sad' ELSE 'ok' END::mood, i", "k, l"},
      {"k macaddr, l inet", "macaddr '08:00:2b:01:02:03', '10.0.0.1'::inet + i", "k, l"},
      {"k jsonb, l timestamptz", "to_jsonb(i), timestamptz '2026-01-01 UTC' + i * interval '1 s'",
       "k, l"},
      {"k name, l text, m text, n text", "'n' || i, repeat('x', 40), repeat('y', 40), 'z'",
       "k, l, m, n"},
      {"k pair", "ROW(i, 'x')::pair", "k"},
      {"k int[]", "ARRAY[i, i]", "k"}};
  int number = 0;
  std::string all;
  for (const Key& key : keys) {
    const std::string table = "s" + std::to_string(++number);
    all += "CREATE TABLE " + table + " (" + key.columns + ", v text, PRIMARY KEY (" + key.primary +
           ")); INSERT INTO " + table + " SELECT " + key.values +
           ", 'v' || i FROM generate_series(1, 60) i; CREATE TABLE t" + table.substr(1) +
           " (LIKE " + table + " INCLUDING INDEXES); INSERT INTO t" + table.substr(1) +
           " SELECT * FROM " + table + ";";
  }
  execute(all);
  const std::string other = database + "_other";
  // In another database types of the user have other OIDs.
  server().execute("postgres", "CREATE DATABASE " + other);
  server().execute(other,
                   "CREATE TABLE shift (a int); CREATE TYPE shift2 AS ENUM ('a');"
                   "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int"
                   " CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text);"
                   "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2',"
                   " deterministic = false);" +
                       all);
  for (int at = 1; at <= number; ++at) {
    const std::string source = "s" + std::to_string(at);
    const std::string target = "t" + std::to_string(at);
    for (const std::string& place : {database, other}) {
      const std::vector<std::string> arguments = {"--table", source,     "--into",           target,
                                                  "--quick", "--target", server().dsn(place)};
      EXPECT_EQ(window("verify", arguments).exit_code, 0) << place << json.dump(1);
      // Arrays and composite types cannot be looked up: this is said.
      if (at >= number - 1) {
        EXPECT_EQ(status("sampled rows equal"), "not checked") << source << place;
        EXPECT_TRUE(has_issue("no-sample"));
        continue;
      }
      EXPECT_EQ(status("sampled rows equal"), "pass")
          << source << place << json["criteria"].dump(1);
      if (place == database) continue;
      server().execute(place, "UPDATE " + target + " SET v = 'other'");
      EXPECT_EQ(window("verify", arguments).exit_code, 1) << source << json.dump(1);
      EXPECT_EQ(status("sampled rows equal"), "fail");
    }
  }
}

TEST_F(CriteriaTest, ACheckThatMayNotReadIsNoPass) {
  make_pair();
  execute(
      "CREATE ROLE criteria_reader LOGIN; GRANT SELECT ON s, t, t_p0, t_p1, t_p2, t_p3 TO"
      " criteria_reader");
  const std::vector<std::string> as_reader = {"--source", dsn("criteria_reader"), "--data",
                                              "--assume-quiet"};
  const CommandResult usual = verify(as_reader);
  std::vector<std::string> strict = as_reader;
  strict.insert(strict.end(), {"--fail-on", "warning"});
  const CommandResult result = verify(strict);
  execute("DROP OWNED BY criteria_reader; DROP ROLE criteria_reader");
  EXPECT_EQ(usual.exit_code, 0) << usual;
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_EQ(status("no orphans"), "not checked");
  EXPECT_EQ(status("row digests equal"), "pass");
}

}  // namespace
}  // namespace pgfanout
