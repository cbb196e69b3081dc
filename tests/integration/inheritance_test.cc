// Tables that others inherit from and that are not partitioned: a query on the parent reads them
// all, and so do copy and verify. Everything but the columns is each table's own.
#include <algorithm>

#include "tests/integration/held_copy.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

constexpr const char* kColumns = "id, at, v";

class InheritanceTest : public testing::HeldCopyFixture {
 protected:
  /// public.t with rows of its own and ids that are not unique; below it a second level, another
  /// schema, other orders of columns, columns of its own, dropped ones, an unlogged table, a table
  /// with two parents, and a NULL that the parent would refuse.
  void make_set() const {
    execute(
        "CREATE SCHEMA archive; CREATE TABLE t (id bigint NOT NULL, gone int, at date NOT NULL,"
        " v text, PRIMARY KEY (id)); ALTER TABLE t DROP gone;"
        "CREATE TABLE archive.t_2020 (v text, id bigint NOT NULL, lost int, at date NOT NULL,"
        " extra int); ALTER TABLE archive.t_2020 DROP lost; ALTER TABLE archive.t_2020 INHERIT t;"
        "CREATE TABLE t_2021 (CHECK (at >= '2021-01-01')) INHERITS (t);"
        "CREATE UNLOGGED TABLE t_2021_a () INHERITS (t_2021);"
        "CREATE TABLE \"t both\" () INHERITS (archive.t_2020, t_2021);"
        "INSERT INTO t SELECT i, '2019-01-01', 'parent ' || i FROM generate_series(1, 20) i;"
        "INSERT INTO archive.t_2020 (id, at, v, extra)"
        " SELECT i, '2020-01-01', repeat('v', i % 50), i FROM generate_series(11, 900) i;"
        "INSERT INTO t_2021 SELECT i, '2021-01-01', NULL FROM generate_series(1001, 1300) i;"
        "INSERT INTO t_2021_a SELECT i, '2021-06-01', 'a' || i FROM generate_series(1301, 1500) i;"
        "INSERT INTO \"t both\" (id, at, v) SELECT i, '2022-01-01', 'both'"
        " FROM generate_series(1501, 1600) i; ANALYZE");
  }
  CommandResult run(const std::string& command, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"--table",      "t", "--key", "abs(hashtext(id::text)) % 4",
                                      "--partitions", "4"};
    words.insert(words.end(), more.begin(), more.end());
    return window(command, words);
  }
  [[nodiscard]] std::string text_of(const std::string& code) const {
    std::string text;
    for (const Json& issue : json["issues"]) {
      if (issue["code"] != code) continue;
      text += issue["message"].get<std::string>() + "\n" + issue.value("hint", "") + "\n";
    }
    return text;
  }
  void expect_refused(const std::string& command, const std::string& code,
                      const std::vector<std::string>& named, std::vector<std::string> more = {}) {
    const CommandResult result = run(command, std::move(more));
    EXPECT_EQ(result.exit_code, 2) << result;
    const std::string text = text_of(code);
    EXPECT_FALSE(text.empty()) << code << result;
    for (const std::string& each : named) {
      EXPECT_NE(text.find(each), std::string::npos) << each << " is not in: " << text;
    }
  }
};

TEST_F(InheritanceTest, RowsOfAllTablesAreCopiedOnceAndCompared) {
  make_set();
  const CommandResult copied = run("copy");
  ASSERT_EQ(copied.exit_code, 0) << copied;
  EXPECT_EQ(json["source"]["rows"], 1510);
  EXPECT_EQ(difference("t", "t_new", kColumns), "0");
  EXPECT_EQ(value("SELECT count(*) FROM t_new WHERE partition_key <> abs(hashtext(id::text)) % 4"),
            "0");
  EXPECT_EQ(value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgfanout%'"), "0");
  EXPECT_NE(text_of("heir-columns").find("archive.t_2020"), std::string::npos) << copied;
  EXPECT_NE(text_of("heir-columns").find("extra"), std::string::npos) << copied;
  const CommandResult equal = run("verify", {"--data"});
  EXPECT_EQ(equal.exit_code, 0) << equal;
  EXPECT_EQ(json["source"]["rows"], 1510);
  const CommandResult quick = run("verify", {"--quick"});
  EXPECT_EQ(quick.exit_code, 0) << quick;
}

TEST_F(InheritanceTest, ADifferenceNamesTheTableOfTheRow) {
  make_set();
  ASSERT_EQ(run("copy").exit_code, 0);
  execute(
      "UPDATE archive.t_2020 SET v = 'changed' WHERE id = 500; DELETE FROM t_new WHERE id = 1550;"
      "UPDATE ONLY t SET v = 'changed' WHERE id = 15");
  ASSERT_EQ(run("verify", {"--data"}).exit_code, 1);
  std::vector<std::string> sources;
  for (const Json& row : json["differences"]["rows"]) {
    const std::string place = row.value("source", "");
    sources.push_back(row["kind"].get<std::string>() + " " + place.substr(0, place.find(" (")));
  }
  std::sort(sources.begin(), sources.end());
  EXPECT_EQ(sources, (std::vector<std::string>{"changed archive.t_2020", "changed public.t",
                                               "missing public.\"t both\""}))
      << json["differences"];
}

TEST_F(InheritanceTest, TheSetMayBeTheTargetAndOneTableOfItASide) {
  make_set();
  execute("CREATE TABLE flat AS TABLE t");
  const CommandResult set = window("verify", {"--table", "flat", "--into", "t", "--data"});
  EXPECT_EQ(set.exit_code, 0) << set;
  execute("DELETE FROM t_2021_a WHERE id = 1400");
  ASSERT_EQ(window("verify", {"--table", "flat", "--into", "t", "--data"}).exit_code, 1);
  EXPECT_EQ(json["differences"]["missing"], 1);
  EXPECT_EQ(json["differences"]["extra"], 0);
  // A heir with heirs of its own is read with them.
  execute("CREATE TABLE flat_2021 AS TABLE t_2021");
  const CommandResult heir =
      window("verify", {"--table", "t_2021", "--into", "flat_2021", "--data"});
  EXPECT_EQ(heir.exit_code, 0) << heir;
}

TEST_F(InheritanceTest, ARowThatIsSetAsideNamesItsTable) {
  make_set();
  execute("ALTER TABLE t ADD k bigint; UPDATE t SET k = id WHERE id <> 1250");
  const CommandResult copied =
      window("copy", {"--table", "t", "--key", "abs(hashtext(k::text)) % 4", "--partitions", "4",
                      "--reject-limit", "1"});
  ASSERT_EQ(copied.exit_code, 0) << copied;
  EXPECT_EQ(value("SELECT source_leaf || source_ctid FROM t_new_rejects"),
            value("SELECT 'public.t_2021' || ctid FROM t_2021 WHERE id = 1250"));
  const CommandResult equal = window(
      "verify",
      {"--table", "t", "--key", "abs(hashtext(k::text)) % 4", "--partitions", "4", "--data"});
  EXPECT_EQ(equal.exit_code, 0) << equal;
}

TEST_F(InheritanceTest, TheFenceIsOnEveryTableAndASecondJobMeetsIt) {
  make_set();
  hold("$1 = 'both'");
  std::vector<std::string> words = {"--source",     dsn(),
                                    "--table",      "t",
                                    "--key",        "abs(hashtext(id::text)) % 4",
                                    "--partitions", "4",
                                    "--map",        "v=public.hold(v)"};
  words.insert(words.begin(), "copy");
  harness::BackgroundCommand command(harness::pgfanout_argv(words));
  wait_until_held();
  execute("SET lock_timeout = '100ms'");
  for (const std::string table : {"t", "archive.t_2020", "t_2021", "t_2021_a", "\"t both\""}) {
    EXPECT_EQ(value("SELECT count(*) FROM pg_trigger WHERE tgrelid = '" + table +
                    "'::regclass AND tgname LIKE 'pgfanout%' AND tgenabled = 'A'"),
              "2")
        << table;
  }
  // Neither may a table come to inherit from it, nor leave it.
  const std::string soon = "SET lock_timeout = '100ms'; ";
  EXPECT_EQ(sqlstate_of(soon + "CREATE TABLE late () INHERITS (t)"), "55P03");
  EXPECT_EQ(sqlstate_of(soon + "ALTER TABLE t_2021_a NO INHERIT t_2021"), "55P03");
  EXPECT_EQ(sqlstate_of(soon + "DROP TABLE \"t both\""), "55P03");
  command.send_signal(SIGKILL);
  command.wait();
  let_go();
  expect_sessions_end();
  for (const std::string table : {"t", "archive.t_2020", "t_2021", "t_2021_a", "\"t both\""}) {
    EXPECT_EQ(sqlstate_of("DELETE FROM ONLY " + table), "55000") << table;
    EXPECT_EQ(sqlstate_of("TRUNCATE ONLY " + table), "55000") << table;
  }
  // Another job, over one of the tables alone.
  const CommandResult other = window(
      "copy", {"--table", "t_2021_a", "--key", "abs(hashtext(id::text)) % 4", "--partitions", "4"});
  EXPECT_EQ(other.exit_code, 2) << other;
  EXPECT_TRUE(has_issue("fenced-already")) << other;
  // A table that came to inherit meanwhile is not fenced: the copy cannot be resumed.
  execute("CREATE TABLE late () INHERITS (t)");
  const CommandResult late = harness::pgfanout(words);
  EXPECT_EQ(late.exit_code, 2) << late;
  execute("DROP TABLE late");
  const CommandResult resumed = harness::pgfanout(words);
  EXPECT_EQ(resumed.exit_code, 0) << resumed;
  EXPECT_EQ(difference("t", "t_new", kColumns), "0");
  EXPECT_EQ(value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgfanout%'"), "0");
}

TEST_F(InheritanceTest, TwoJobsOverOneTableAreRefusedFromAboveToo) {
  make_set();
  execute(
      "CREATE FUNCTION pgfanout_stub() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; "
      "END';"
      "CREATE SCHEMA pgfanout; CREATE FUNCTION pgfanout.fence_source_earlier() RETURNS trigger"
      " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
      "CREATE TRIGGER pgfanout_fence BEFORE DELETE ON t_2021_a FOR EACH ROW"
      " EXECUTE FUNCTION pgfanout.fence_source_earlier()");
  expect_refused("copy", "fenced-already", {"earlier"});
}

TEST_F(InheritanceTest, AWindowIsRefusedWithAWayThatWorks) {
  make_set();
  expect_refused("plan", "has-heirs", {"4 tables", "public.t", "pgfanout copy"});
  expect_refused("run", "has-heirs", {"4 tables", "public.t", "pgfanout copy"});
  EXPECT_EQ(value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgfanout%'"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 't_new%'"), "0");
  ASSERT_EQ(run("copy").exit_code, 0);
  EXPECT_EQ(run("swap").exit_code, 2);
}

TEST_F(InheritanceTest, ATableThatCannotBeReadIsNamedWithItsCure) {
  make_set();
  execute(
      "CREATE EXTENSION IF NOT EXISTS postgres_fdw;"
      "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;"
      "CREATE FOREIGN TABLE far () INHERITS (t_2021) SERVER elsewhere");
  expect_refused("copy", "foreign-leaf",
                 {"public.far", "ALTER FOREIGN TABLE public.far NO INHERIT"});
  execute("ALTER FOREIGN TABLE far NO INHERIT t_2021");
  const std::string role = "reader_" + database;
  execute("CREATE ROLE " + role + " LOGIN; GRANT SELECT ON t, t_2021, t_2021_a, \"t both\" TO " +
          role + "; GRANT CREATE ON SCHEMA public TO " + role);
  const std::vector<std::string> as_reader = {"--source", dsn(role), "--assume-quiet"};
  expect_refused("copy", "no-privilege", {"GRANT USAGE ON SCHEMA archive TO " + role}, as_reader);
  execute("GRANT USAGE ON SCHEMA archive TO " + role);
  expect_refused("copy", "no-privilege", {"GRANT SELECT ON archive.t_2020 TO " + role}, as_reader);
  execute("GRANT SELECT ON archive.t_2020 TO " + role +
          "; ALTER TABLE t_2021_a ENABLE ROW LEVEL SECURITY");
  expect_refused("copy", "row-security", {"public.t_2021_a"}, as_reader);
  server().execute("postgres", "DROP OWNED BY " + role);
  execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_F(InheritanceTest, ANullThatAnHeirAllowsIsNoDifference) {
  // From version 18 on, an heir cannot drop the parent's NOT NULL.
  execute("CREATE TABLE t (id bigint, at date NOT NULL, v text)");
  execute(server().major() < 18 ? "CREATE TABLE t_a () INHERITS (t);"
                                  "ALTER TABLE t_a ALTER at DROP NOT NULL"
                                : "ALTER TABLE t ALTER at DROP NOT NULL;"
                                  "ALTER TABLE t ADD CONSTRAINT own NOT NULL at NO INHERIT;"
                                  "CREATE TABLE t_a () INHERITS (t)");
  execute("INSERT INTO t VALUES (1, '2020-01-01', 'a'); INSERT INTO t_a VALUES (2, NULL, 'b')");
  const CommandResult copied = run("copy");
  EXPECT_EQ(copied.exit_code, 0) << copied;
  EXPECT_EQ(value("SELECT count(*) FROM t_new WHERE at IS NULL"), "1");
  const CommandResult equal = run("verify", {"--data"});
  EXPECT_EQ(equal.exit_code, 0) << equal;
}

TEST_F(InheritanceTest, ForeignKeysOfTheParentDoNotBindItsHeirs) {
  execute(
      "CREATE TABLE kinds (kind int PRIMARY KEY); INSERT INTO kinds VALUES (1);"
      "CREATE TABLE t (id bigint, at date, v text, kind int REFERENCES kinds);"
      "CREATE TABLE t_a () INHERITS (t);"
      "INSERT INTO t VALUES (1, NULL, 'a', 1); INSERT INTO t_a VALUES (2, NULL, 'b', 99)");
  ASSERT_EQ(run("copy").exit_code, 0);
  const CommandResult equal = run("verify", {"--data"});
  EXPECT_EQ(equal.exit_code, 0) << equal;
}

TEST_F(InheritanceTest, ATemporaryHeirOfAnotherSessionIsNotReadByAnyQuery) {
  make_set();
  harness::Session session(dsn());
  session.execute(
      "CREATE TEMP TABLE mine () INHERITS (t); INSERT INTO mine VALUES (9999, now(), '')");
  const CommandResult copied = run("copy");
  EXPECT_EQ(copied.exit_code, 0) << copied;
  EXPECT_EQ(difference("t", "t_new", kColumns), "0");
}

TEST_F(InheritanceTest, AMappingMaySayWhichTableARowWasIn) {
  make_set();
  const CommandResult copied = run("copy", {"--map", "origin=tableoid::regclass::text"});
  ASSERT_EQ(copied.exit_code, 0) << copied;
  EXPECT_EQ(value("SELECT count(*) FROM t_new WHERE origin = 'archive.t_2020'"), "890");
  const CommandResult equal = run("verify", {"--data", "--map", "origin=tableoid::regclass::text"});
  EXPECT_EQ(equal.exit_code, 0) << equal;
}

TEST_F(InheritanceTest, BetweenDatabasesTheSetIsReadUnderLocksOnAllOfIt) {
  make_set();
  const std::string other = server().create_database("heirs_target");
  const CommandResult copied = run("copy", {"--target", server().dsn(other)});
  ASSERT_EQ(copied.exit_code, 0) << copied;
  EXPECT_EQ(server().value(other, "SELECT count(*) FROM t_new"), "1510");
  const CommandResult equal = run("verify", {"--data", "--target", server().dsn(other)});
  EXPECT_EQ(equal.exit_code, 0) << equal;
}

}  // namespace
}  // namespace pgfanout
