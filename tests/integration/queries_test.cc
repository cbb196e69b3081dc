// The application's queries on a real server: the command before, between and after, comparisons,
// limits, and what the plan says about queries that cannot run.
#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Json;

class QueriesTest : public testing::WindowFixture {
 protected:
  /// By its name in the last document; null if it is not there.
  [[nodiscard]] Json query(const std::string& name) const {
    for (const Json& each : json["queries"]) {
      if (each["name"] == name) return each;
    }
    ADD_FAILURE() << "no query " << name;
    return Json::object();
  }
  [[nodiscard]] std::string issue_about(const std::string& code, const std::string& text) const {
    for (const Json& issue : json["issues"]) {
      const std::string message = issue["message"];
      if (issue["code"] == code && message.find(text) != std::string::npos) {
        return issue["severity"].get<std::string>() + " " + message;
      }
    }
    return "";
  }
  static std::string entry(const std::string& name, const std::string& sql,
                           const std::string& more = "") {
    return "[[queries]]\nname = '" + name + "'\nsql = '''" + sql + "'''\nruns = 2\n" + more + "\n";
  }
  /// t and t_new: the same rows in another order, but for one note, and a column less.
  void make_pair() const {
    execute(
        "CREATE TABLE t (id int PRIMARY KEY, grp int, note text, extra int);"
        "INSERT INTO t SELECT n, n % 3, 'note ' || n, n FROM generate_series(1, 30) n;"
        "CREATE TABLE t_new (id int PRIMARY KEY, grp int, note text);"
        "INSERT INTO t_new SELECT n, n % 3, 'note ' || CASE n WHEN 3 THEN -3 ELSE n END"
        " FROM generate_series(30, 1, -1) n; CREATE SEQUENCE s; ANALYZE t, t_new");
  }
};

TEST_F(QueriesTest, RunBeforeAWindowAfterTheSwapAndWhenTheBackupIsGone) {
  make_chunks(800);
  const std::string queries =
      entry("by collection", "SELECT id, content FROM {table} WHERE collection_id = $1 AND id = $2",
            "params = [\"8f14e45f-ceea-467f-a0e6-4d1b2f0c7d53\", 0]") +
      entry("all", "SELECT count(*), max(id) FROM {table};  ", "max_ratio = 100000.0");
  const harness::TemporaryFile job("[source]\ntable = \"chunks\"\n[target]\npartitions = 4\n" +
                                   queries);
  const CommandResult before = window("queries", {job.path()});
  ASSERT_EQ(before.exit_code, 0) << before;
  EXPECT_EQ(json["status"], "ok");
  EXPECT_EQ(query("all")["status"], "passed");
  EXPECT_EQ(query("all")["result"], "not compared");
  EXPECT_EQ(query("all")["leaves_read"], 8);
  EXPECT_EQ(query("by collection")["leaves_read"], 1);
  EXPECT_FALSE(query("all").contains("target"));
  EXPECT_GT(query("all")["source"]["p95_ms"].get<double>(), 0);
  EXPECT_GE(query("all")["source"]["p99_ms"].get<double>(),
            query("all")["source"]["p50_ms"].get<double>());
  EXPECT_TRUE(json["query_load"]["source"].contains("cpu_percent")) << json["query_load"];
  EXPECT_TRUE(json["query_load"]["source"].contains("memory_percent"));
  const harness::TemporaryFile baseline(before.out);
  EXPECT_EQ(value("SELECT to_regclass('pgfanout.job') IS NULL"), "t") << "it changes nothing";

  ASSERT_EQ(window("run", {job.path(), "--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(query("all")["result"], "same") << "the window has the figures, too";
  const CommandResult after = window("queries", {job.path()});
  ASSERT_EQ(after.exit_code, 0) << after;
  EXPECT_THAT(json["source"]["table"], HasSubstr("chunks_backup_"));
  EXPECT_EQ(json["target"]["table"], "public.chunks");
  EXPECT_EQ(query("all")["result"], "same");
  EXPECT_EQ(query("all")["leaves_read"], 4);
  EXPECT_EQ(query("by collection")["leaves_read"], 4) << "it does not name the key";
  EXPECT_THAT(query("by collection")["indexes_used"].dump(), HasSubstr("chunks_pkey"));
  EXPECT_TRUE(query("all").contains("ratio"));
  EXPECT_TRUE(json["query_load"].contains("target"));
  execute("DELETE FROM chunks WHERE id = 1");
  EXPECT_EQ(window("queries", {job.path()}).exit_code, 0) << "the application may have written";
  EXPECT_EQ(query("all")["result"], "not compared");
  EXPECT_THAT(query("all")["note"], HasSubstr("written to the table since the swap"));

  ASSERT_EQ(window("cleanup", {"--table", "chunks", "--force"}).exit_code, 0);
  const CommandResult alone = window("queries", {job.path()});
  EXPECT_EQ(alone.exit_code, 0) << alone;
  EXPECT_FALSE(query("all").contains("target")) << "there is one table again";
  ASSERT_EQ(window("queries", {job.path(), "--baseline", baseline.path()}).exit_code, 0);
  EXPECT_TRUE(query("all").contains("ratio"));
  EXPECT_EQ(query("all")["source"]["p95_ms"],
            Json::parse(before.out)["queries"][1]["source"]["p95_ms"]);
  const harness::TemporaryFile strict(
      "[source]\ntable = \"chunks\"\n" +
      entry("all", "SELECT count(*) FROM {table}", "max_p50_ms = 0.0001\nmax_ratio = 0.0001"));
  EXPECT_EQ(window("queries", {strict.path(), "--baseline", baseline.path()}).exit_code, 1);
  EXPECT_THAT(issue_about("query-failed", "its p50 is"), HasSubstr("0.0001 ms are allowed"));
  EXPECT_THAT(issue_about("query-failed", "its p95 is"), HasSubstr("times that on the source"));
}

TEST_F(QueriesTest, AreComparedAsTheJobFileSays) {
  make_pair();
  const harness::TemporaryFile job(
      "[source]\ntable = \"t\"\n" + entry("set", "SELECT id, grp FROM {table}") +
      entry("rows", "SELECT id FROM {table} ORDER BY id", "compare = \"rows\"") +
      entry("ties", "SELECT id FROM {table} ORDER BY grp", "compare = \"rows\"") +
      entry("count", "SELECT note FROM {table}", "compare = \"count\"") +
      entry("none", "SELECT note FROM {table}", "compare = \"none\"") +
      entry("note", "SELECT id, note FROM {table}") +
      entry("named q", "SELECT grp AS q, note FROM {table}; -- the end;") +
      entry("limit", "SELECT id FROM {table} LIMIT 3") +
      entry("ordered limit", "SELECT id FROM {table} ORDER BY id LIMIT 3") +
      entry("warned", "SELECT note FROM {table}", "severity = \"warning\"") +
      entry("extra", "SELECT extra FROM {table}") +
      entry("star", "SELECT * FROM {table} WHERE id = 1") +
      entry("change", "DELETE FROM {table} WHERE id = $1", "params = [7]") +
      entry("lock", "SELECT id FROM {table} FOR UPDATE") +
      entry("no value", "SELECT id FROM {table} WHERE id = $1"));
  const CommandResult result = window("queries", {job.path()});
  EXPECT_EQ(result.exit_code, 1) << result;
  const auto outcome = [&](const std::string& name) {
    return query(name)["result"].get<std::string>() + ", " +
           query(name)["status"].get<std::string>();
  };
  EXPECT_EQ(outcome("set"), "same, passed");
  EXPECT_EQ(outcome("rows"), "same, passed");
  EXPECT_EQ(outcome("ties"), "differs, failed");
  EXPECT_THAT(issue_about("query-failed", "query ties"), HasSubstr("its ORDER BY leaves open"));
  EXPECT_EQ(outcome("count"), "same, passed");
  EXPECT_EQ(outcome("none"), "not compared, passed");
  EXPECT_EQ(outcome("note"), "differs, failed");
  EXPECT_EQ(outcome("named q"), "differs, failed") << "the whole row is compared";
  EXPECT_EQ(outcome("limit"), "not compared, passed");
  EXPECT_THAT(issue_about("query-not-compared", "query limit"), HasSubstr("may rightly differ"));
  EXPECT_EQ(outcome("ordered limit"), "same, passed");
  EXPECT_EQ(outcome("warned"), "differs, warned");
  EXPECT_THAT(issue_about("query-failed", "query warned"), HasSubstr("WARNING"));
  EXPECT_EQ(outcome("extra"), "not compared, failed");
  EXPECT_THAT(issue_about("query-failed", "query extra"), HasSubstr("it fails on the target"));
  EXPECT_EQ(outcome("star"), "differs, failed");
  EXPECT_THAT(issue_about("query-failed", "query star"),
              HasSubstr("its columns are id, grp, note, not id, grp, note, extra"));
  for (const char* name : {"change", "lock", "no value"}) {
    EXPECT_EQ(outcome(name), "not compared, not run");
    EXPECT_THAT(issue_about("query-not-run", name), HasSubstr("planned, not executed")) << name;
  }
  EXPECT_EQ(value("SELECT count(*) FROM t JOIN t_new USING (id)"), "30");
  EXPECT_EQ(json["unused_indexes"], Json::array()) << "t_new_pkey found id 1";
}

TEST_F(QueriesTest, ThatCannotRunProveNothing) {
  make_pair();
  const auto exit_code = [&](const std::string& more) {
    const harness::TemporaryFile job("[source]\ntable = \"t\"\n" + more);
    return window("queries", {job.path()}).exit_code;
  };
  EXPECT_EQ(exit_code(entry("zero", "SELECT 1 / (id - id) FROM {table}")), 4);
  EXPECT_EQ(query("zero")["status"], "not run");
  EXPECT_THAT(issue_about("query-failed", "query zero"), HasSubstr("division by zero"));
  EXPECT_EQ(exit_code(entry("two", "SELECT 1 FROM {table}; DROP TABLE t")), 4);
  EXPECT_EQ(exit_code(entry("next", "SELECT nextval('s') FROM {table}")), 4) << "it would write";
  EXPECT_EQ(value("SELECT is_called FROM s"), "f");
  EXPECT_EQ(exit_code(entry("many", "SELECT 1 FROM {table} WHERE id = $1", "params = [1, 2]")), 4);
  EXPECT_EQ(exit_code(entry("zero", "SELECT 1 / (id - id) FROM {table}", "severity = \"warning\"")),
            0);
  EXPECT_EQ(exit_code(""), 2);
  EXPECT_TRUE(has_issue("no-queries"));
  execute(
      "DROP ROLE IF EXISTS half_reader; CREATE ROLE half_reader LOGIN; GRANT SELECT ON t TO "
      "half_reader");
  const harness::TemporaryFile job("[source]\ntable = \"t\"\n" +
                                   entry("one", "SELECT id FROM {table} WHERE id = $1") +
                                   entry("other", "SELECT id FROM {table} WHERE id > $1"));
  const CommandResult half = window("queries", {job.path(), "--source", dsn("half_reader")});
  EXPECT_EQ(half.exit_code, 4) << "a missing right is no difference: " << half;
  for (const char* name : {"query one", "query other"}) {
    EXPECT_THAT(issue_about("query-failed", name), HasSubstr("permission denied")) << name;
  }
  execute("DROP OWNED BY half_reader; DROP ROLE half_reader");
}

TEST_F(QueriesTest, ThePlanPreparesThemWithTheApplicationsPath) {
  make_chunks(200);
  execute(
      "CREATE SCHEMA ext; CREATE OPERATOR ext.=== (LEFTARG = bigint, RIGHTARG = bigint,"
      " FUNCTION = int8eq)");
  const std::string head = "[source]\ntable = \"chunks\"\n[target]\npartitions = 4\n";
  const harness::TemporaryFile job(
      head + entry("ext", "SELECT id FROM {table} WHERE id === 7") +
      entry("typo", "SELEC id FROM {table}") + entry("gone", "SELECT missing FROM {table}") +
      entry("mild", "SELECT missing FROM {table}", "severity = \"warning\"") +
      entry("many", "SELECT id FROM {table} WHERE id = $1", "params = [7, 8]") +
      entry("open", "SELECT id FROM {table} WHERE id = $1"));
  EXPECT_EQ(window("plan", {job.path()}).exit_code, 2);
  EXPECT_THAT(issue_about("query-invalid", "query ext"), HasSubstr("operator does not exist"));
  EXPECT_THAT(issue_about("query-invalid", "query typo"), HasSubstr("ERROR query typo"));
  EXPECT_THAT(issue_about("query-invalid", "query gone"), HasSubstr("missing"));
  EXPECT_THAT(issue_about("query-invalid", "query mild"), HasSubstr("WARNING"));
  EXPECT_THAT(issue_about("query-invalid", "query many"), HasSubstr("params has 2 values"));
  EXPECT_THAT(issue_about("query-not-run", "query open"), HasSubstr("without values"));
  EXPECT_EQ(window("run", {job.path()}).exit_code, 2) << "before anything is fenced or copied";
  EXPECT_EQ(value("SELECT to_regclass('chunks_new') IS NULL"), "t");
  execute("ALTER DATABASE \"" + database + "\" SET search_path = public, ext");
  const harness::TemporaryFile right(head + entry("ext", "SELECT id FROM {table} WHERE id === 7"));
  const CommandResult planned = window("plan", {right.path()});
  EXPECT_EQ(planned.exit_code, 0) << planned;
  const harness::TemporaryFile report("");
  const harness::TemporaryFile gated(
      head + entry("ext", "SELECT id FROM {table} WHERE id === 7") +
      entry("slow", "SELECT count(*) FROM {table}", "max_p99_ms = 0.0001\nseverity = \"warning\""));
  const CommandResult run = window("run", {gated.path(), "--report", report.path()});
  EXPECT_EQ(run.exit_code, 0) << run;
  EXPECT_EQ(query("ext")["result"], "same");
  EXPECT_EQ(query("slow")["status"], "warned");
  std::ifstream file(report.path());
  std::stringstream html;
  html << file.rdbuf();
  EXPECT_THAT(html.str(), HasSubstr(">Queries</h2>"));
  EXPECT_THAT(html.str(), HasSubstr("0.0001 ms are allowed"));
}

}  // namespace
}  // namespace pgfanout
