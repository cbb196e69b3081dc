// Tables that pgfanout converted, and others that are partitioned by LIST, as source and as target,
// without being told the key: it is known from the table, or it is neither recomputed nor repaired.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

constexpr const char* kKey = "abs(hashtext(id::text)) % 4";

class KnownKeyTest : public testing::WindowFixture {
 protected:
  /// As window(), which would add the tests' number of leaves: here nobody states it.
  CommandResult ask(const std::string& command, std::vector<std::string> arguments) {
    if (std::find(arguments.begin(), arguments.end(), "--source") == arguments.end()) {
      arguments.insert(arguments.begin(), {"--source", dsn()});
    }
    arguments.insert(arguments.begin(),
                     {harness::pgfanout_binary(), command, "--json", "--progress", "none"});
    CommandResult result = harness::run_command(arguments);
    json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    return result;
  }

  /// t: 200 rows, converted to four leaves by `key`.
  void convert(const std::vector<std::string>& more = {}, const std::string& key = kKey) {
    execute(
        "CREATE TABLE t (id bigint, v text, u uuid, n int, PRIMARY KEY (id, v, u, n));"
        "INSERT INTO t SELECT i, 'v' || i, md5(i::text)::uuid, i % 11 FROM generate_series(1, 200) "
        "i; ANALYZE t");
    std::vector<std::string> arguments = {"--table",      "t", "--key", key,
                                          "--partitions", "4", "--swap"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult result = ask("run", arguments);
    ASSERT_EQ(result.exit_code, 0) << result;
  }

  /// A database with the same tables and no journal, as after dump and restore.
  [[nodiscard]] std::string restore() const {
    const std::string restored = database + "_r" + std::to_string(++restored_);
    server().execute("postgres", "CREATE DATABASE " + restored + " TEMPLATE " + database);
    server().execute(restored, "DROP SCHEMA IF EXISTS pgfanout CASCADE");
    return restored;
  }

  /// Every row with its place and its stored keys: what a repair must leave as it is.
  [[nodiscard]] static std::string rows_of(const std::string& in, const std::string& table) {
    return server().value(in,
                          "SELECT md5(string_agg(tableoid::regclass || to_jsonb(x)::text, ','"
                          " ORDER BY to_jsonb(x)::text)) FROM " +
                              table + " x");
  }

  /// Compares t of this database with `into` of the other, then the other way round, each time with
  /// --repair: all is equal, and nothing is written.
  void expect_match(const std::string& other, const std::string& into = "public.t",
                    const std::vector<std::string>& more = {}) {
    const std::string here = rows_of(database, "t");
    const std::string there = rows_of(other, into);
    for (const bool turned : {false, true}) {
      std::vector<std::string> arguments = {"--source", server().dsn(turned ? other : database),
                                            "--target", server().dsn(turned ? database : other),
                                            "--table",  turned ? into : "public.t",
                                            "--into",   turned ? "public.t" : into,
                                            "--data",   "--repair"};
      if (!turned) arguments.insert(arguments.end(), more.begin(), more.end());
      if (turned && !more.empty()) continue;
      const CommandResult result = ask("verify", arguments);
      EXPECT_EQ(result.exit_code, 0) << (turned ? "turned " : "") << result;
      EXPECT_EQ(json["differences"]["misplaced"], 0);
      EXPECT_EQ(json["source"]["digest"], json["target"]["digest"]);
    }
    EXPECT_EQ(rows_of(database, "t"), here);
    EXPECT_EQ(rows_of(other, into), there);
  }

  [[nodiscard]] std::string message_of(const std::string& code) const {
    for (const Json& issue : json["issues"]) {
      if (issue["code"] == code) return issue["message"];
    }
    return "";
  }

 private:
  mutable int restored_ = 0;
};

TEST_F(KnownKeyTest, ConvertedTableMatchesItsRestoredCopyInEveryMode) {
  for (const char* mode : {"generated", "expression", "none"}) {  // check: in the other tests.
    SCOPED_TRACE(mode);
    database = server().create_database("known");
    convert({"--key-mode", mode});
    const std::string other = restore();
    expect_match(other);
    // Turned, the journal is the target's.
    EXPECT_NE(message_of("key-known").find(mode == std::string("none") ? "journal" : "partition"),
              std::string::npos);
    if (mode == std::string("none")) {
      execute("DROP SCHEMA pgfanout CASCADE");
      expect_match(other);
      EXPECT_NE(message_of("key-known").find("function public.t_partition_key"), std::string::npos);
      execute("DROP FUNCTION t_partition_key");
      expect_match(other);
      EXPECT_TRUE(has_issue("no-key"));
      EXPECT_FALSE(has_issue("key-known"));
    }
  }
}

TEST_F(KnownKeyTest, PlainCopiesOfAConvertedTableMatchBothWays) {
  convert();
  execute(
      "CREATE TABLE plain AS SELECT id, v, u, n FROM t; CREATE TABLE flat AS SELECT * FROM t;"
      "CREATE TABLE hashed (id bigint, v text, u uuid, n int) PARTITION BY HASH (n);"
      "CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
      "INSERT INTO hashed SELECT * FROM plain");
  for (const char* table : {"plain", "flat", "hashed"}) {
    SCOPED_TRACE(table);
    expect_match(database, "public." + std::string(table));
  }
  // Rows that are missing get the known key; a stored key that differs is a person's decision.
  execute("DELETE FROM t WHERE id <= 3; UPDATE t SET v = 'x' WHERE id = 4");
  EXPECT_EQ(ask("verify", {"--table", "plain", "--into", "t", "--data", "--repair"}).exit_code, 0)
      << json.dump(1);
  EXPECT_EQ(value(std::string("SELECT count(*) FROM t WHERE partition_key = ") + kKey), "200");
  execute("UPDATE flat SET partition_key = (partition_key + 1) % 4 WHERE id = 9");
  const std::string before = rows_of(database, "flat");
  EXPECT_EQ(ask("verify", {"--table", "t", "--into", "flat", "--data"}).exit_code, 1);
  EXPECT_EQ(ask("verify", {"--table", "t", "--into", "flat", "--data", "--repair"}).exit_code, 2);
  EXPECT_TRUE(has_issue("key-not-stated"));
  EXPECT_EQ(rows_of(database, "flat"), before);
}

TEST_F(KnownKeyTest, SurvivesRenamesHostileNamesAndOtherTypes) {
  convert({"--key-column", "Kü \"x\"' =)"}, "abs(hashtext(u::text || '-' || v || n)) % 4");
  expect_match(restore());
  const std::string renamed = restore();
  server().execute(renamed,
                   "CREATE SCHEMA \"S .\"; ALTER TABLE t SET SCHEMA \"S .\";"
                   "ALTER TABLE \"S .\".t RENAME \"Kü \"\"x\"\"' =)\" TO \"a'b;\";"
                   "ALTER TABLE \"S .\".t RENAME TO \"T 2\"");
  expect_match(renamed, "\"S .\".\"T 2\"");
  EXPECT_TRUE(has_issue("key-known"));
  server().execute(renamed, "ALTER TABLE \"S .\".\"T 2\" RENAME v TO \"V\"");
  expect_match(renamed, "\"S .\".\"T 2\"", {"--map", "\"V\"=v"});
  EXPECT_NE(message_of("key-known").find("CHECK"), std::string::npos) << json.dump(1);
}

TEST_F(KnownKeyTest, IsFoundInWhatIsLeftOfTheConversion) {
  convert();
  const std::string other = restore();
  execute("ALTER TABLE t DROP CONSTRAINT partition_key_check");
  server().execute(other, "ALTER TABLE t DROP CONSTRAINT partition_key_check");
  const std::vector<std::string> there = {"--table",  "public.t",          "--into",
                                          "public.t", "--target",          server().dsn(other),
                                          "--data",   "--max-differences", "100"};
  EXPECT_EQ(ask("verify", there).exit_code, 0) << json.dump(1);
  EXPECT_NE(message_of("key-known").find("function"), std::string::npos);
  expect_match(other);  // Turned, by the journal.
  EXPECT_NE(message_of("key-known").find("journal"), std::string::npos);
  server().execute(other, "DROP FUNCTION t_partition_key");
  EXPECT_EQ(ask("verify", there).exit_code, 0) << json.dump(1);
  EXPECT_TRUE(has_issue("no-key"));
  // A function that is left from another table of that name.
  server().execute(other,
                   "CREATE FUNCTION t_partition_key(n int) RETURNS int LANGUAGE sql IMMUTABLE AS"
                   " 'SELECT abs(hashtext(n::text)) % 4'; COMMENT ON FUNCTION t_partition_key IS"
                   " 'Computes partition_key of public.t for statements that insert'");
  expect_match(other);
  EXPECT_EQ(ask("verify", there).exit_code, 0) << json.dump(1);
  EXPECT_TRUE(has_issue("key-contradiction"));
}

TEST_F(KnownKeyTest, SourcesThatContradictEachOtherAreNotTrusted) {
  convert();
  const std::string other = restore();
  execute("UPDATE pgfanout.job SET key_sql_on_target = 'abs(hashtext(v)) % 4'");
  expect_match(other);
  EXPECT_TRUE(has_issue("key-contradiction"));
  const CommandResult again = ask("run", {"--table", "t", "--partitions", "8"});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_TRUE(has_issue("no-key")) << again;
}

TEST_F(KnownKeyTest, StoredKeyIsCorrectedOnlyIfSomebodyStatesTheKey) {
  convert({"--key-mode", "none"});
  execute("CREATE TABLE plain AS SELECT id, v, u, n FROM t");
  execute("UPDATE t SET partition_key = (partition_key + 1) % 4 WHERE id IN (5, 6)");
  const std::string before = rows_of(database, "t");
  std::vector<std::string> arguments = {"--table", "plain", "--into", "t", "--data", "--repair"};
  EXPECT_EQ(ask("verify", arguments).exit_code, 2);
  EXPECT_EQ(json["differences"]["misplaced"], 2);
  EXPECT_TRUE(has_issue("key-not-stated"));
  EXPECT_EQ(rows_of(database, "t"), before);
  arguments.insert(arguments.end(), {"--key", kKey});
  EXPECT_EQ(ask("verify", arguments).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value(std::string("SELECT count(*) FROM t WHERE partition_key = ") + kKey), "200");
}

TEST_F(KnownKeyTest, MovesToAnotherNumberOfLeavesAgainAndAgain) {
  convert();
  const auto expect_leaves = [&](int leaves) {
    EXPECT_EQ(value("SELECT count(*) FROM t WHERE partition_key = abs(hashtext(id::text)) % " +
                    std::to_string(leaves)),
              "200");
    EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 't'::regclass"),
              std::to_string(leaves));
  };
  // The old key's CHECK cannot hold for the new one, whatever its name is.
  execute("ALTER TABLE t RENAME CONSTRAINT partition_key_check TO renamed");
  for (const auto& [leaves, mode] : {std::pair(12, "check"), std::pair(3, "none")}) {
    SCOPED_TRACE(leaves);
    const std::vector<std::string> arguments = {
        "--table", "t", "--partitions", std::to_string(leaves), "--key-mode", mode, "--swap"};
    const CommandResult result = ask("run", arguments);
    ASSERT_EQ(result.exit_code, 0) << result;
    expect_leaves(leaves);
    EXPECT_EQ(ask("run", arguments).exit_code, 0);
    EXPECT_TRUE(has_issue("already-swapped")) << json.dump(1);
  }
  EXPECT_EQ(ask("rollback", {"--table", "t", "--yes"}).exit_code, 0) << json.dump(1);
  expect_leaves(12);
  // The backup of the first move and the table compare, though each has another key.
  const std::string backup = value(
      "SELECT min(oid::regclass::text) FROM pg_class WHERE relname ~ '^t_backup_\\d+_\\d+$'"
      " AND relkind = 'p'");
  const CommandResult compared = ask("verify", {"--table", backup, "--into", "public.t", "--data"});
  EXPECT_EQ(compared.exit_code, 0) << compared;
  // The same from a restored copy, and for the questions of a DBA.
  const std::string other = restore();
  const std::string dsn = server().dsn(other);
  EXPECT_EQ(ask("plan", {"--source", dsn, "--table", "t", "--partitions", "5"}).exit_code, 0)
      << json.dump(1);
  EXPECT_EQ(ask("key", {"--source", dsn, "--table", "t", "--value", "17"}).exit_code, 0)
      << json.dump(1);
  EXPECT_EQ(json["key"]["answers"][0]["key"].dump(),
            value("SELECT partition_key FROM t WHERE id = 17"));
  EXPECT_EQ(json["key"]["answers"][0]["leaf"],
            value("SELECT 'public.' || tableoid::regclass FROM t WHERE id"
                  " = 17"));
}

TEST_F(KnownKeyTest, OrdinaryListColumnIsDataLikeAnyOther) {
  execute(
      "CREATE TABLE t (id int, region int, v text, PRIMARY KEY (id, region)) PARTITION BY LIST "
      "(region); CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1, 2, 3); CREATE TABLE t_rest"
      " PARTITION OF t DEFAULT; INSERT INTO t SELECT i, i % 7, 'x' FROM generate_series(1, 300) i;"
      "CREATE TABLE flat (LIKE t); INSERT INTO flat SELECT * FROM t");
  expect_match(database, "public.flat");
  execute("UPDATE flat SET region = 5 WHERE id = 15; DELETE FROM t WHERE id = 16");
  EXPECT_EQ(ask("verify", {"--table", "flat", "--into", "t", "--data", "--repair"}).exit_code, 0);
  EXPECT_EQ(difference("t", "flat", "id, region, v"), "0");
  EXPECT_EQ(ask("plan", {"--table", "t", "--partitions", "4"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(ask("plan", {"--table", "t", "--partitions", "4", "--key-column", "region"}).exit_code,
            2);
  EXPECT_TRUE(has_issue("no-key"));
  execute("ALTER TABLE t RENAME region TO partition_key");
  EXPECT_EQ(ask("plan", {"--table", "t", "--partitions", "4"}).exit_code, 2);
  EXPECT_TRUE(has_issue("no-key"));
}

TEST_F(KnownKeyTest, UnknownKeyOfATargetIsNeitherCheckedNorRepaired) {
  execute(
      "CREATE TABLE s (id int PRIMARY KEY, v text) PARTITION BY HASH (id); CREATE TABLE s_0"
      " PARTITION OF s FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO s SELECT i, 'x' FROM"
      " generate_series(1, 100) i; CREATE TABLE t (id int, v text, partition_key int NOT NULL)"
      " PARTITION BY LIST (partition_key); CREATE TABLE t_0 PARTITION OF t FOR VALUES IN (0, 1, 2);"
      "CREATE TABLE t_r PARTITION OF t DEFAULT; INSERT INTO t SELECT id, v, id / 10 FROM s");
  const std::string before = rows_of(database, "t");
  const std::vector<std::string> repair = {"--table", "s", "--into", "t", "--data", "--repair"};
  EXPECT_EQ(ask("verify", repair).exit_code, 0) << json.dump(1);
  EXPECT_TRUE(has_issue("no-key"));
  EXPECT_EQ(rows_of(database, "t"), before);
  execute("UPDATE s SET v = 'y' WHERE id = 5");
  EXPECT_EQ(ask("verify", repair).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM t WHERE partition_key <> id / 10"), "0");
  execute("DELETE FROM t WHERE id = 7");
  EXPECT_EQ(ask("verify", repair).exit_code, 2);
  EXPECT_TRUE(has_issue("key-not-stated"));
}

TEST_F(KnownKeyTest, TargetSaysHowManyLeavesThereAre) {
  execute(
      "CREATE TABLE s (id bigint, v text) PARTITION BY HASH (id); CREATE TABLE s_0 PARTITION OF s"
      " FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO s SELECT i, 'v' FROM"
      " generate_series(1, 100) i; CREATE TABLE four (id bigint, v text, partition_key int)"
      " PARTITION BY LIST (partition_key); CREATE TABLE four_a PARTITION OF four FOR VALUES IN"
      " (0, 2); CREATE TABLE four_b PARTITION OF four FOR VALUES IN (1, 3); CREATE TABLE four_d"
      " PARTITION OF four DEFAULT");
  // The key is said by nobody, and so are the leaves.
  EXPECT_EQ(ask("key", {"--table", "s", "--into", "four", "--value", "17"}).exit_code, 0);
  EXPECT_EQ(json["key"]["expression"], "abs(hashtext(id::text)) % 4");
  EXPECT_EQ(ask("copy", {"--table", "s", "--into", "four"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value(std::string("SELECT count(*) FROM four WHERE partition_key = ") + kKey), "100");
  for (const char* scope : {"--data", "--quick"}) {
    for (const bool has_key : {true, false}) {
      std::vector<std::string> arguments = {"--table", "s", "--into", "four", scope};
      if (has_key) arguments.insert(arguments.end(), {"--key", kKey});
      const CommandResult result = ask("verify", arguments);
      EXPECT_EQ(result.exit_code, 0) << scope << result;
      EXPECT_FALSE(has_issue("leaf-missing"));
    }
  }
  EXPECT_EQ(ask("verify",
                {"--table", "s", "--into", "four", "--data", "--key", kKey, "--partitions", "5"})
                .exit_code,
            1);
  EXPECT_TRUE(has_issue("leaf-missing"));
  // No new key is made from a column that stores the old one.
  EXPECT_EQ(ask("copy", {"--table", "four", "--into", "five", "--partitions", "5"}).exit_code, 0)
      << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM five WHERE partition_key = abs(hashtext(id::text)) % 5"),
            "100");
}

TEST_F(KnownKeyTest, PlanSeesStoredKeysThatDiffer) {
  const auto refused = [&](const std::string& set_up) {
    SCOPED_TRACE(set_up);
    execute("DROP TABLE IF EXISTS t CASCADE; CREATE TABLE t (id bigint PRIMARY KEY, v text," +
            set_up);
    const std::vector<std::string> arguments = {"--table", "t", "--key", kKey, "--partitions", "4"};
    EXPECT_EQ(ask("plan", arguments).exit_code, 2);
    EXPECT_TRUE(has_issue("key-mismatch")) << json.dump(1);
    std::vector<std::string> fix = arguments;
    fix.insert(fix.end(), {"--on-key-mismatch", "fix"});
    EXPECT_EQ(ask("plan", fix).exit_code, 0) << json.dump(1);
    fix.push_back("--restart");
    EXPECT_EQ(ask("copy", fix).exit_code, 0) << json.dump(1);
    EXPECT_EQ(value(std::string("SELECT count(*) FROM t_new WHERE partition_key = ") + kKey),
              value("SELECT count(*) FROM t"));
    execute("DROP TABLE t_new");
  };
  const std::string right = std::string("SELECT i, 'v', abs(hashtext(i::text)) % 4 FROM ");
  refused(
      " partition_key int); INSERT INTO t SELECT i, 'v', i % 100 FROM generate_series(1, 500) i");
  refused(" partition_key int); INSERT INTO t " + right +
          "generate_series(1, 500) i; UPDATE t SET partition_key = NULL WHERE id = 77");
  refused(" partition_key smallint); INSERT INTO t " + right +
          "generate_series(1, 500) i; UPDATE t SET partition_key = -1 WHERE id % 100 = 7");
  refused(" partition_key bigint); INSERT INTO t " + right +
          "generate_series(1, 500) i; UPDATE t SET partition_key = 1::bigint << 40 WHERE id = 3");
  execute("DROP TABLE t; CREATE TABLE t (id bigint PRIMARY KEY, v text, partition_key text)");
  EXPECT_EQ(ask("plan", {"--table", "t", "--key", kKey, "--partitions", "4"}).exit_code, 2);
  EXPECT_TRUE(has_issue("key-column-taken"));
}

TEST_F(KnownKeyTest, MismatchBehindTheSampleIsLeftWithAWayOn) {
  // One row of a page that a sample of 400 of 2,000 pages may miss.
  execute(
      "CREATE TABLE t (id bigint PRIMARY KEY, v text, partition_key int);"
      "ALTER TABLE t ALTER v SET STORAGE PLAIN; INSERT INTO t SELECT i, repeat('x', 4100),"
      " abs(hashtext(i::text)) % 4 FROM generate_series(1, 2000) i");
  // A gate holds the run when its sample is behind it.
  const harness::TemporaryFile job("[gates]\npreflight = \"confirm\"\n");
  std::vector<std::string> run = {job.path(), "--table", "t", "--key", kKey, "--partitions", "4"};
  EXPECT_EQ(ask("run", run).exit_code, 3) << json.dump(1);
  execute("UPDATE t SET partition_key = 99 WHERE id = 1234");
  std::vector<std::string> on = run;
  on.insert(on.end(), {"--confirm", "preflight"});
  const CommandResult stopped = ask("run", on);
  EXPECT_EQ(stopped.exit_code, 2) << stopped;
  EXPECT_TRUE(has_issue("key-mismatch"));
  // The sample of the repeated preflight may have seen it: then the gate is still there.
  run.insert(run.end(), {"--on-key-mismatch", "fix"});
  if (ask("run", run).exit_code == 3) {
    run.insert(run.end(), {"--confirm", "preflight"});
    ask("run", run);
  }
  EXPECT_EQ(json["exit_code"], 0) << json.dump(1);
  EXPECT_EQ(value(std::string("SELECT count(*) FROM t_new WHERE partition_key = ") + kKey), "2000");
}

/// The application fills the key already: there is no wrong one, and its inserts stay as they are.
TEST_F(KnownKeyTest, AColumnOfTheTableIsItsOwnKey) {
  execute(
      "CREATE TABLE t (id int, \"Re gion\" int NOT NULL DEFAULT 2, v text, PRIMARY KEY (id, \"Re "
      "gion\")); INSERT INTO t SELECT i, i % 4, 'v' || i FROM generate_series(1, 200) i; ANALYZE "
      "t");
  std::vector<std::string> job = {"--table",      "t",       "--key",        "\"Re gion\"",
                                  "--key-column", "Re gion", "--partitions", "4"};
  const CommandResult plan = ask("plan", job);
  EXPECT_EQ(plan.exit_code, 0) << plan;
  EXPECT_NE(plan.err.find("models of an ORM need no change"), std::string::npos) << plan;
  EXPECT_NE(plan.err.find("inserts must name their columns"), std::string::npos) << plan;
  EXPECT_EQ(plan.err.find("inserts must supply"), std::string::npos) << plan;
  job.emplace_back("--swap");
  const CommandResult run = ask("run", job);
  ASSERT_EQ(run.exit_code, 0) << run;
  EXPECT_FALSE(has_issue("after-swap")) << run;
  EXPECT_EQ(
      value("SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'"),
      "0");
  execute("INSERT INTO t (id, v) VALUES (1000, 'by default')");
  EXPECT_EQ(value("SELECT concat_ws(' ', tableoid::regclass, \"Re gion\") FROM t WHERE id = 1000"),
            "t_p2 2");
  const CommandResult back = ask("rollback", {"--table", "t", "--keep-new-rows"});
  ASSERT_EQ(back.exit_code, 0) << back;
  EXPECT_EQ(value("SELECT count(*) FROM t"), "201");
}

/// The next value is as right as the row's own: nothing is tried with it.
TEST_F(KnownKeyTest, AKeyThatIsComputedFromItsOwnColumn) {
  execute(
      "CREATE TABLE t (id int, region int NOT NULL, PRIMARY KEY (id, region));"
      "INSERT INTO t SELECT i, i % 4 FROM generate_series(1, 200) i; ANALYZE t");
  const CommandResult run = ask("run", {"--table", "t", "--key", "region % 4", "--key-column",
                                        "region", "--partitions", "4", "--swap"});
  ASSERT_EQ(run.exit_code, 0) << run;
  EXPECT_FALSE(has_issue("after-swap")) << run;
  EXPECT_EQ(sqlstate_of("INSERT INTO t VALUES (1000, 5)"), "23514");

  execute("CREATE TABLE s (id int, region smallint NOT NULL); INSERT INTO s VALUES (1, 3)");
  const auto plan_with = [&](const std::string& key) {
    return ask("plan",
               {"--table", "s", "--key", key, "--key-column", "region", "--partitions", "4"});
  };
  const CommandResult other = plan_with("region % 4");
  EXPECT_EQ(other.exit_code, 2) << "the key is an integer";
  EXPECT_TRUE(has_issue("key-column-changed")) << other;
  EXPECT_NE(other.err.find("--key '(region % 4)::smallint'"), std::string::npos) << other;
  const CommandResult same = plan_with("(region % 4)::smallint");
  EXPECT_EQ(same.exit_code, 0) << same;
}

}  // namespace
}  // namespace pgfanout
