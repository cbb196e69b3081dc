// A plan that says go is kept: each case would end copy, run or swap, and the plan says so first.
// docs/REFUSALS.md lists the codes; a code there without a case here, or the reverse, is an error.
#include <gmock/gmock.h>

#include <unistd.h>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "copier/cli/arguments.h"
#include "copier/window/commands.h"
#include "tests/harness/command.h"
#include "tests/integration/plan_fixture.h"

namespace pgfanout {
namespace {

using harness::TestServer;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

/// Told nothing: the result has every issue.
class Deaf : public Observer {
 public:
  void job_started(const std::string& /*id*/, const JobCounters& /*counters*/) override {}
  void stage_started(std::string_view /*stage*/) override {}
  void stage_finished(const StageSummary& /*stage*/) override {}
  void issue_found(const Issue& /*issue*/) override {}
};

/// Codes of the page's tables under a heading.
std::set<std::string> codes_under(const std::string& heading) {
  std::ifstream file(std::string(PGFANOUT_SOURCE_DIR) + "/docs/REFUSALS.md");
  std::set<std::string> codes;
  bool is_inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) is_inside = line == "## " + heading;
    if (!is_inside || !line.starts_with("| `")) continue;
    const std::string cell = line.substr(1, line.find('|', 1) - 1);
    const std::regex code("`([a-z0-9-]+)`");
    for (std::sregex_iterator at(cell.begin(), cell.end(), code), end; at != end; ++at) {
      codes.insert((*at)[1]);
    }
  }
  return codes;
}

struct Case {
  std::string code;
  std::string sql;                     ///< In a schema of its own.
  std::vector<std::string> says = {};  ///< In the issue's message, place and hint.
  Words words = {};                    ///< More of the command line.
  std::string table = "t";
  std::string key = "abs(hashtext(id::text)) % 4";  ///< Empty: `words` have the layout.
};

constexpr const char* kSmallTable =
    "CREATE TABLE t (id bigint PRIMARY KEY, v text);"
    "INSERT INTO t SELECT n, 'v' FROM generate_series(1, 300) n;";

std::string table_and(const std::string& sql) {
  return kSmallTable + sql;
}

std::vector<Case> name_cases() {
  const Words rejects = {"--reject-limit", "5"};

  return {
      {"name-taken",
       table_and("CREATE TABLE t_p0 (x int)"),
       {"table c1.t_p0", R"(ALTER TABLE "c1"."t_p0" RENAME TO)"}},
      {"name-taken",
       table_and("CREATE VIEW t_p1 AS SELECT 1 AS a"),
       {"view c2.t_p1", "ALTER VIEW"}},
      {"name-taken", table_and("CREATE SEQUENCE t_p2"), {"sequence c3.t_p2"}},
      {"name-taken",
       table_and("CREATE MATERIALIZED VIEW t_p3 AS SELECT 1 AS a"),
       {"materialized view c4.t_p3"}},
      {"name-taken", table_and("CREATE TYPE t_p0 AS ENUM ('a')"), {"type c5.t_p0"}},
      {"name-taken", table_and("CREATE DOMAIN t_p0 AS int"), {"domain c6.t_p0", "ALTER DOMAIN"}},
      {"name-taken", table_and("CREATE TYPE t_p0 AS (a int)"), {"type c7.t_p0"}},
      {"name-taken",
       table_and("CREATE TYPE r AS RANGE (subtype = float8, multirange_type_name = t_p3)"),
       {"type c8.t_p3"}},
      {"name-taken",
       table_and("CREATE TABLE o (x int); CREATE INDEX t_p2 ON o (x)"),
       {"index c9.t_p2"}},
      {"name-taken",
       table_and("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
                 "CREATE FOREIGN TABLE t_p1 (a int) SERVER s"),
       {"foreign table c10.t_p1"}},
      // Names that the table's own parts take over, or keep.
      {"name-taken",
       table_and("CREATE INDEX t_p0 ON t (v)"),
       {"index c11.t_p0, which the new table takes over"}},
      {"name-taken",
       table_and("ALTER TABLE t RENAME CONSTRAINT t_pkey TO t_p2"),
       {"index c12.t_p2"}},
      {"name-taken",
       "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME t_p2) PRIMARY KEY)",
       {"sequence c13.t_p2"}},
      {"name-taken", table_and("CREATE SEQUENCE t_p1 OWNED BY t.id"), {"sequence c14.t_p1 has it"}},
      {"name-taken",
       table_and(
           "CREATE MATERIALIZED VIEW m AS SELECT id FROM t; CREATE UNIQUE INDEX t_p3 ON m (id)"),
       {"index c15.t_p3"}},
      // Names that the copy itself needs.
      {"name-taken", table_and("CREATE VIEW t_new AS SELECT 1 AS a"), {"a view"}},
      {"name-taken", table_and("CREATE DOMAIN t_new AS int"), {"domain c17.t_new"}},
      {"name-taken",
       table_and("CREATE TYPE t_new_p0 AS ENUM ('a'); CREATE VIEW t_new_p1 AS SELECT 1 AS a"),
       {"type c18.t_new_p0, view c18.t_new_p1"}},
      {"name-taken",
       table_and("CREATE VIEW t_new_rejects AS SELECT 1 AS a"),
       {"view c19.t_new_rejects"},
       rejects},
      {"name-taken",
       table_and("CREATE DOMAIN t_new_rejects AS int"),
       {"domain c20.t_new_rejects"},
       rejects},
      {"name-taken", table_and("CREATE TABLE t_rejects (a int)"), {"table c21.t_rejects"}, rejects},
      {"name-taken",
       "CREATE TABLE \"a \"\"b\" (id bigint PRIMARY KEY); CREATE VIEW \"a \"\"b_p1\" AS SELECT 1 "
       "AS a",
       {R"(view c22."a ""b_p1")", R"(ALTER VIEW "c22"."a ""b_p1" RENAME TO)"},
       {},
       "\"a \"\"b\""},
      {"name-too-long", kSmallTable, {"63"}, {"--into", std::string(64, 'x')}},
  };
}

std::vector<Case> definition_cases() {
  const auto with = [](const std::string& option, const std::string& value) {
    return Words{option, value};
  };
  const std::string on_list = "CREATE TABLE x (id bigint, v text, partition_key int) PARTITION BY ";
  const Words into_x = {"--into", "x"};
  std::string wide = "CREATE TABLE t (id bigint PRIMARY KEY";
  for (int at = 1; at < 1600; ++at) wide += ", c" + std::to_string(at) + " bool";
  return {
      {"no-such-table", kSmallTable, {"nothing"}, {}, "nothing"},
      {"bad-name", kSmallTable, {"double quotes"}, {}, "t-1"},
      {"not-a-table", "CREATE VIEW t AS SELECT 1 AS id", {"a view"}},
      {"system-table", "SELECT 1", {"system"}, {}, "pg_catalog.pg_class"},
      {"has-heirs", table_and("CREATE TABLE heir () INHERITS (t)"), {"inherits"}},
      {"foreign-leaf",
       "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE TABLE t (id "
       "bigint) PARTITION BY LIST (id);"
       "CREATE FOREIGN TABLE f PARTITION OF t DEFAULT SERVER s",
       {"c6.f"}},
      {"not-heap", "CREATE TABLE t (id bigint PRIMARY KEY) USING pile", {"pile"}},
      {"same-table", kSmallTable, {"--into"}, with("--into", "t")},
      {"schema-missing", kSmallTable, {"nowhere"}, with("--into", "nowhere.x")},
      {"target-exists",
       table_and(on_list + "LIST (partition_key);"
                           "CREATE TABLE x0 PARTITION OF x FOR VALUES IN (0, 1, 2, 3)"),
       {"c10.x"},
       into_x},
      {"target-not-empty",
       table_and(on_list + "LIST (partition_key);"
                           "CREATE TABLE x0 PARTITION OF x FOR VALUES IN (0, 1, 2, 3); INSERT INTO "
                           "x VALUES (1, 'v', 1)"),
       {"c11.x0"},
       into_x},
      {"leaf-missing", table_and(on_list + "LIST (partition_key)"), {"4 of 4"}, into_x},
      {"not-partitioned", table_and("CREATE TABLE x (id int)"), {"c13.x"}, into_x},
      {"key-and-layout", table_and(on_list + "HASH (id)"), {"HASH"}, into_x},
      {"key-column-type",
       table_and("CREATE TABLE x (id bigint, v text, partition_key text) PARTITION BY LIST "
                 "((id % 4))"),
       {"text"},
       into_x},
      {"key-column-differs",
       table_and("CREATE TABLE x (k int) PARTITION BY LIST (k)"),
       {"--key-column"},
       into_x},
      {"list-expression",
       table_and("CREATE TABLE x (id bigint, v text) PARTITION BY LIST ((id % 4)); CREATE TABLE x0 "
                 "PARTITION OF x FOR VALUES IN (0, 1, 2, 3)"),
       {},
       into_x},
      {"subpartitioned",
       table_and(on_list + "LIST (partition_key); CREATE TABLE deep PARTITION OF x FOR VALUES IN "
                           "(0) PARTITION BY LIST (id)"),
       {"deep"},
       into_x},
      {"column-lost",
       table_and("CREATE TABLE x (id bigint, partition_key int) PARTITION BY LIST (partition_key);"
                 "CREATE TABLE x0 PARTITION OF x FOR VALUES IN (0, 1, 2, 3)"),
       {"v"},
       into_x},
      {"column-unmapped",
       table_and("CREATE TABLE x (id bigint, v text, w int NOT NULL, partition_key int) PARTITION "
                 "BY LIST (partition_key);"
                 "CREATE TABLE x0 PARTITION OF x FOR VALUES IN (0, 1, 2, 3)"),
       {"w"},
       into_x},
      {"no-such-column", kSmallTable, {"nothing"}, with("--skip", "nothing")},
      {"bad-mapping", kSmallTable, {"nothing"}, with("--map", "v=lower(nothing)")},
      {"too-many-columns", wide + ")", {"1600"}},
      {"nondeterministic-collation",
       "CREATE TABLE t (id text COLLATE public.loose PRIMARY KEY)",
       {}},
      {"key-expression", kSmallTable, {}, {}, "t", "id %"},
      {"key-column-taken", table_and("ALTER TABLE t ADD partition_key text"), {"partition_key"}},
      {"key-column-changed", kSmallTable, {}, with("--map", "id=id + 1")},
      {"key-mode",
       table_and("ALTER TABLE t ADD g bigint GENERATED ALWAYS AS (id * 2) STORED"),
       {},
       with("--key-mode", "generated"),
       "t",
       "abs(hashtext(g::text)) % 4"},
      {"not-carried",
       table_and("CREATE TABLE other (id bigint REFERENCES t)"),
       {"foreign key c29.other.other_id_fkey"}},
      {"two-schemas",
       table_and("CREATE SCHEMA IF NOT EXISTS away"),
       {"away.t_new"},
       {"--into", "away.t_new", "--swap"}},
      {"no-binary-form", "CREATE TABLE t (id bigint PRIMARY KEY, a aclitem)", {"a"}},
  };
}

std::vector<Case> layout_cases() {
  const auto by = [](const std::string& layout, const Words& more = {}) {
    Words words{"--partition-by", layout};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const std::string columns =
      "CREATE TABLE t (id bigint PRIMARY KEY, j json, p point, c text COLLATE public.loose,"
      " g bigint GENERATED ALWAYS AS (id + 1) STORED); INSERT INTO t VALUES (1, '{}')";
  return {
      {"no-such-column", kSmallTable, {"nix", "--partition-by"}, by("HASH (nix)"), "t", ""},
      {"partition-column", columns, {"json", "no hash function"}, by("HASH (id, j)"), "t", ""},
      {"partition-column",
       columns,
       {"json", "no order"},
       by("RANGE (j)", {"--interval", "1"}),
       "t",
       ""},
      {"partition-column", columns, {"point", "LIST"}, by("LIST (p)"), "t", ""},
      {"partition-column", columns, {"nondeterministic", "loose"}, by("HASH (c)"), "t", ""},
      {"bad-interval", kSmallTable, {"--interval 10000000"}, by("RANGE (id)"), "t", ""},
      {"bad-interval",
       kSmallTable,
       {"'0' is no width"},
       by("RANGE (id)", {"--interval", "0"}),
       "t",
       ""},
      {"bad-from",
       kSmallTable,
       {"'x'", "use a number"},
       by("RANGE (id)", {"--interval", "9", "--from", "x"}),
       "t",
       ""},
      {"layout-type", kSmallTable, {"text"}, by("RANGE (v)", {"--interval", "9"}), "t", ""},
      {"layout-type", kSmallTable, {"one column"}, by("RANGE (id, v)"), "t", ""},
      {"layout-no-rows",
       "CREATE TABLE t (id bigint)",
       {"--from"},
       by("RANGE (id)", {"--interval", "9"}),
       "t",
       ""},
      {"too-many-leaves",
       "CREATE TABLE t (id bigint); INSERT INTO t VALUES (1), (5000)",
       {"--interval"},
       by("RANGE (id)", {"--interval", "1"}),
       "t",
       ""},
      {"too-many-leaves",
       "CREATE TABLE t (id bigint); INSERT INTO t SELECT generate_series(1, 1001)",
       {"id has 1001 values", "HASH (id)"},
       by("LIST (id)"),
       "t",
       ""},
      {"layout-no-rows",
       "CREATE TABLE t (id bigint)",
       {"--default-partition"},
       by("LIST (id)"),
       "t",
       ""},
      {"partition-expression",
       table_and("CREATE TABLE x (id bigint, v text) PARTITION BY HASH ((id + 1))"),
       {"expression"},
       {"--into", "x"},
       "t",
       ""},
      {"partition-operators",
       table_and("CREATE TABLE x (id bigint, v text) PARTITION BY RANGE (v COLLATE \"POSIX\")"),
       {"collation"},
       {"--into", "x"},
       "t",
       ""},
      {"partition-column-generated", columns, {"generated"}, by("HASH (g)"), "t", ""},
      {"layout-differs",
       table_and("CREATE TABLE x (id bigint, v text) PARTITION BY RANGE (id)"),
       {"RANGE (id)", "not by HASH (id)", "--into"},
       by("HASH (id)", {"--into", "x"}),
       "t",
       ""},
      {"not-partitioned",
       table_and("CREATE TABLE x (id bigint, v text)"),
       {"--partition-by none"},
       by("HASH (id)", {"--into", "x"}),
       "t",
       ""},
  };
}

std::vector<Case> sample_cases() {
  const std::string keys = "CREATE TABLE x (id bigint, v text, partition_key int";
  const std::string leaves =
      ") PARTITION BY LIST (partition_key); CREATE TABLE x0 PARTITION OF x FOR VALUES IN (0, 1, 2, "
      "3)";
  const Words into_x = {"--into", "x"};

  return {
      {"key-missing", "CREATE TABLE t (id bigint); INSERT INTO t VALUES (1), (NULL)", {"1 of 2"}},
      {"row-fails",
       table_and("UPDATE t SET v = '{' WHERE id = 7"),
       {"row"},
       {"--map", "v=v::json::text"}},
      // A check that was valid when it was made: its function is another one now.
      {"constraint",
       "CREATE FUNCTION f(bigint) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN true; "
       "END';" +
           table_and("ALTER TABLE t ADD CONSTRAINT small CHECK (c3.f(id)); CREATE OR REPLACE "
                     "FUNCTION f(bigint) RETURNS bool IMMUTABLE "
                     "LANGUAGE plpgsql AS 'BEGIN RETURN $1 < 300; END'"),
       {"constraint small", "1 of 300", "c3.t ctid ("}},
      {"constraint",
       "CREATE DOMAIN d AS text; CREATE TABLE t (id bigint PRIMARY KEY, v d); INSERT INTO t VALUES "
       "(1, 'v'), (2, 'zz'), (3, 'v');"
       "ALTER DOMAIN d ADD CONSTRAINT x CHECK (VALUE <> 'zz') NOT VALID",
       {"domain c4.d of column v", "c4.t ctid (0,2)"}},
      // Loaded while triggers did not fire.
      {"orphans",
       "CREATE TABLE r (id bigint PRIMARY KEY); INSERT INTO r VALUES (1), (2);" +
           std::string("CREATE TABLE t (id bigint PRIMARY KEY, r bigint REFERENCES r); SET "
                       "session_replication_role = replica;"
                       "INSERT INTO t VALUES (1, 1), (2, NULL), (3, 9)"),
       {"foreign key t_r_fkey", "1 of 3", "(0,3)", "orphans of foreign key t_r_fkey"}},
      {"not-unique",
       "CREATE TABLE t (id bigint, n int, PRIMARY KEY (id, n)); INSERT INTO t VALUES (1, 0), (1, "
       "1)",
       {"unique index t_pkey", "2 of 2"},
       {"--map", "n=n / 2"}},
      {"constraint",
       table_and("UPDATE t SET v = NULL WHERE id = 7;" + keys + ", CHECK (id < 300)" + leaves +
                 "; ALTER TABLE x ALTER v SET NOT NULL"),
       {"NOT NULL of column v"},
       into_x},
      {"constraint",
       table_and(keys + ", CONSTRAINT odd CHECK (id + partition_key < 300)" + leaves),
       {"constraint odd"},
       into_x},
      {"constraint",
       "CREATE DOMAIN d AS text CHECK (VALUE <> 'v');" +
           table_and("CREATE TABLE x (id bigint, v c9.d, partition_key int" + leaves),
       {"domain c9.d"},
       into_x},
      {"not-unique",
       "CREATE TABLE t (id bigint, v text); INSERT INTO t VALUES (1, 'a'), (1, 'b'), (2, 'c');" +
           keys + ", PRIMARY KEY (id, partition_key)" + leaves,
       {"unique index x_pkey", "2 of 3"},
       into_x},
      {"constraint",
       "CREATE TABLE r (id bigint PRIMARY KEY);" +
           table_and(keys + ", FOREIGN KEY (id) REFERENCES c11.r" + leaves),
       {"foreign key x_id_fkey", "300 of 300"},
       into_x},
  };
}

std::vector<Case> lacking_cases() {
  const std::string function =
      "CREATE FUNCTION f(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1';";
  const std::string test =
      "CREATE FUNCTION f(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';";
  const auto t = [](const std::string& column, const std::string& after = "") {
    return "CREATE TABLE t (id bigint PRIMARY KEY, v text " + column + ");" + after;
  };

  return {
      {"object-missing",
       function + t("DEFAULT c1.f('a')"),
       {"the default of column v needs function c1.f("}},
      {"object-missing",
       "CREATE COLLATION cc (provider = icu, locale = 'de');" + t("COLLATE c2.cc"),
       {"column v needs collation c2.cc"}},
      {"object-missing",
       function + t(", g text GENERATED ALWAYS AS (c3.f(v)) STORED"),
       {"the expression of column g needs function c3.f("}},
      {"object-missing",
       t("", "CREATE INDEX i ON t USING gin (v public.gin_trgm_ops)"),
       {"index c4.i needs operator class", "CREATE EXTENSION pg_trgm"}},
      {"object-missing",
       t(", r int4range, EXCLUDE USING gist (id WITH =, r WITH &&)"),
       {"CREATE EXTENSION btree_gist"}},
      {"object-missing",
       test + t("CHECK (c6.f(v))"),
       {"constraint t_v_check needs function c6.f("}},
      {"object-missing",
       function + t("", "CREATE INDEX i ON t (c7.f(v))"),
       {"index c7.i needs function"}},
      {"object-missing",
       test + t("", "CREATE POLICY p ON t USING (c8.f(v))"),
       {"policy p needs function"}},
      {"object-missing",
       function + t("", "CREATE STATISTICS s ON c9.f(v), id FROM t"),
       {"statistics s needs function"}},
      {"object-missing",
       "CREATE TABLE lg (a text);" +
           t("", "CREATE RULE r AS ON DELETE TO t DO ALSO INSERT INTO c10.lg VALUES (old.v)"),
       {"rule r needs table c10.lg"}},
      {"type-missing", "CREATE TYPE e AS ENUM ('a');" + t(", e c11.e"), {"c11.e"}},
      {"two-databases", kSmallTable, {"swap"}, {"--swap"}},
  };
}

class PlanRefusalsTest : public testing::PlanFixture {
 protected:
  static JobResult plan_of(const Words& words) {
    Words all = {"plan"};
    all.insert(all.end(), words.begin(), words.end());
    const auto parsed = parse_arguments(all);
    JobResult result("plan");
    if (!parsed) {
      result.error = parsed.error();
      return result;
    }
    Deaf nobody;
    const Cancellation never;
    return run_plan(std::get<Invocation>(*parsed).job, nobody, never);
  }

  [[nodiscard]] static std::vector<Issue> reasons_of(const JobResult& result) {
    std::vector<Issue> reasons;
    for (const Issue& issue : result.issues) {
      if (issue.severity <= Severity::error) reasons.push_back(issue);
    }
    if (result.error) {
      const Error& error = *result.error;
      reasons.push_back({Severity::error, error.code, error.message, error.where, error.hint});
    }
    return reasons;
  }

  static void expect_reason(const JobResult& result, const std::string& code,
                            const std::vector<std::string>& says) {
    ASSERT_TRUE(result.error) << "the plan says go, not " << code;
    EXPECT_EQ(result.error->consequence, Consequence::refuse);
    std::string all;
    for (const Issue& issue : reasons_of(result)) {
      const std::string text = issue.message + " | " + issue.where + " | " + issue.hint;
      all += issue.code + ": " + text + "\n";
      if (issue.code != code) continue;
      const bool fits = std::all_of(says.begin(), says.end(), [&](const std::string& word) {
        return text.find(word) != std::string::npos;
      });
      if (!fits) continue;
      EXPECT_FALSE((issue.where + issue.hint).empty()) << text;
      return;
    }
    ADD_FAILURE() << "no " << code << " that says " << ::testing::PrintToString(says) << " in\n"
                  << all;
  }

  /// Every case has a schema, on each side if there are two databases.
  void expect_reasons(const std::vector<Case>& cases,
                      const std::string& target_database = "") const {
    int number = 0;
    for (const Case& each : cases) {
      const std::string schema = "c" + std::to_string(++number);
      SCOPED_TRACE(schema + " " + each.code + ": " + each.sql);
      const std::string in_schema =
          "CREATE SCHEMA " + schema + "; SET search_path = " + schema + "; ";
      execute(in_schema + each.sql);
      const bool is_qualified = each.table.find('.') != std::string::npos;
      Words words = {"--source", server().dsn(database), "--table",
                     is_qualified ? each.table : schema + "." + each.table};
      if (!each.key.empty()) words.insert(words.end(), {"--partitions", "4", "--key", each.key});
      if (!target_database.empty()) {
        server().execute(target_database, in_schema);
        words.insert(words.end(), {"--target", server().dsn(target_database)});
      }
      words.insert(words.end(), each.words.begin(), each.words.end());
      expect_reason(plan_of(words), each.code, each.says);
    }
  }

  void expect_go(const std::string& table = "t") const {
    const JobResult result = plan_of({"--source", server().dsn(database), "--table", table,
                                      "--partitions", "4", "--key", "abs(hashtext(id::text)) % 4"});
    for (const Issue& reason : reasons_of(result)) {
      ADD_FAILURE() << reason.code << ": " << reason.message << " | " << reason.hint;
    }
  }
};

TEST_F(PlanRefusalsTest, NamesThatTheTargetNeeds) {
  expect_reasons(name_cases());
}

TEST_F(PlanRefusalsTest, NamesThatAreInNobodysWay) {
  // A long name of two-byte letters, whose leaves, indexes and backups must stay apart.
  execute(
      table_and("CREATE TYPE _t_new AS (a int); CREATE TYPE _t_p1 AS ENUM ('x'); CREATE TABLE o (a "
                "int, b int);"
                "CREATE STATISTICS t_p0 ON a, b FROM o; CREATE DOMAIN t_new_pkey AS int; CREATE "
                "TABLE t_p1_pkey (a int);"
                "CREATE FUNCTION t_p0(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA "
                "far; CREATE TABLE far.t_p0 (a int);"
                "CREATE TABLE t_rejects (a int)"));
  expect_go();
  std::string name;
  for (int letter = 0; letter < 31; ++letter) name += "ü";
  execute("CREATE TABLE \"" + name + "\" (id bigint PRIMARY KEY, v text); CREATE INDEX ON \"" +
          name +
          "\" (v);"
          "CREATE INDEX ON \"" +
          name + "\" (v, id); INSERT INTO \"" + name + "\" VALUES (1, 'a')");
  expect_go("\"" + name + "\"");
}

TEST_F(PlanRefusalsTest, TablesKeysColumnsAndLayouts) {
  execute(
      "CREATE ACCESS METHOD pile TYPE TABLE HANDLER heap_tableam_handler;"
      "CREATE COLLATION public.loose (provider = icu, locale = 'und', deterministic = false);");

  expect_reasons(definition_cases());
  const JobResult keyless = plan_of({"--source", server().dsn(database), "--table", "c1.t"});
  expect_reason(keyless, "no-key", {"--key"});
}

TEST_F(PlanRefusalsTest, LayoutsByColumns) {
  execute("CREATE COLLATION public.loose (provider = icu, locale = 'und', deterministic = false);");
  expect_reasons(layout_cases());
}

TEST_F(PlanRefusalsTest, RowsThatTheSampleShows) {
  expect_reasons(sample_cases());
}

TEST_F(PlanRefusalsTest, WhatTheTargetsDatabaseLacks) {
  const std::string other = server().create_database("lacks");
  execute("CREATE EXTENSION pg_trgm SCHEMA public; CREATE EXTENSION btree_gist SCHEMA public");
  expect_reasons(lacking_cases(), other);
}

TEST_F(PlanRefusalsTest, RunSaysTheSameBeforeItsFence) {
  execute(table_and("CREATE TABLE t_p1 (x int); CREATE SEQUENCE t_p2"));
  const Words words = {
      "--source", server().dsn(database),       "--table", "t", "--partitions", "4",
      "--key",    "abs(hashtext(id::text)) % 4"};
  const auto run = [&](Words more) {
    more.insert(more.begin(), {"run", "--json"});
    more.insert(more.end(), words.begin(), words.end());
    return harness::pgfanout(more);
  };
  const auto refused = run({"--swap"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.out, AllOf(HasSubstr("name-taken"), HasSubstr("table public.t_p1 has it"),
                                 HasSubstr("sequence public.t_p2 has it")));
  EXPECT_EQ(value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"), "0");
  EXPECT_EQ(value("SELECT to_regclass('t_new') IS NULL AND to_regnamespace('pgfanout') IS NULL"),
            "t");

  execute("DROP TABLE t_p1; DROP SEQUENCE t_p2");
  const auto made = run({});
  ASSERT_EQ(made.exit_code, 0) << made;
  expect_reason(plan_of(words), "unfinished-job", {"rollback"});
  Words elsewhere = words;
  elsewhere.insert(elsewhere.end(), {"--into", "t_other"});
  expect_reason(plan_of(elsewhere), "fenced-already", {"one job at a time"});
}

TEST_F(PlanRefusalsTest, AShareOfTheRowsIsANumberOfRows) {
  execute(table_and("ALTER TABLE t SET (autovacuum_enabled = off)"));
  const auto limit_of = [&](const std::string& share) {
    const JobResult result =
        plan_of({"--source", server().dsn(database), "--table", "t", "--partitions", "4", "--key",
                 "abs(hashtext(id::text)) % 4", "--reject-limit", share});
    for (const Issue& issue : result.issues) {
      if (issue.code == "reject-limit") return issue;
    }
    return Issue{};
  };
  // Never analyzed.
  EXPECT_EQ(value("SELECT reltuples FROM pg_class WHERE relname = 't'"), "-1");
  EXPECT_EQ(limit_of("5%").message,
            "--reject-limit 5% of about 300 rows lets 15 rows be set aside");
  EXPECT_EQ(limit_of("0.1%").severity, Severity::warning);
  EXPECT_THAT(limit_of("0.1%").message, HasSubstr("no row"));
  // Analyzed when it was smaller.
  execute("ANALYZE t; INSERT INTO t SELECT n, 'v' FROM generate_series(301, 1000) n");
  EXPECT_THAT(limit_of("5%").message, HasSubstr("of about 1,000 rows lets 50 rows"));
  EXPECT_EQ(limit_of("5").message, "");
}

/// A streaming replica of `primary`, which is restarted.
void make_standby(TestServer& primary, TestServer& standby) {
  primary.stop();
  standby.stop();
  const std::string data = standby.data_directory();
  const std::string copy = "rm -rf '" + data + "' && cp -a '" + primary.data_directory() + "' '" +
                           data + "' && touch '" + data + "/standby.signal'";
  ASSERT_EQ(std::system(copy.c_str()), 0);
  primary.start();
  standby.restart({"primary_conninfo = 'host=" + primary.socket_directory() +
                   " port=" + std::to_string(primary.port()) + " user=postgres'"});
}

TEST_F(PlanRefusalsTest, AStandbyIsReadWithTheOptionsThatTheMessageNames) {
  harness::ServerOptions options;
  options.settings = {"wal_level = replica", "max_wal_senders = 3", "hot_standby = on"};
  TestServer primary(options);
  TestServer standby(options);
  primary.execute("postgres", "CREATE ROLE only_here");
  primary.execute("postgres", table_and("ALTER TABLE t OWNER TO only_here"));
  make_standby(primary, standby);
  primary.execute("postgres", "INSERT INTO t VALUES (301, 'streamed')");
  while (standby.value("postgres", "SELECT count(*) FROM t") != "301") usleep(20'000);

  const auto words = [&](const TestServer& source, const std::string& target) {
    return Words{"--source",     source.dsn(), "--target", target,
                 "--table",      "t",          "--key",    "abs(hashtext(id::text)) % 4",
                 "--partitions", "4"};
  };
  const std::string here = server().dsn(database);
  const std::vector<std::string> ways = {"in recovery", "name its primary", "--assume-quiet",
                                         "--target", "pg_wal_replay_pause()"};
  expect_reason(plan_of(words(standby, here)), "source-read-only", ways);
  expect_reason(plan_of(words(primary, standby.dsn())), "target-read-only", {"--target"});
  expect_reason(plan_of(words(primary, here)), "owner-missing", {"only_here"});

  const auto copy = [&](Words more) {
    Words all = {"copy", "--json"};
    for (const Words& part : {words(standby, here), more}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return harness::pgfanout(all);
  };
  const auto refused = copy({});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.out, HasSubstr("source-read-only"));
  EXPECT_THAT(refused.out, ::testing::Not(HasSubstr("25006")));
  standby.execute("postgres", "SELECT pg_wal_replay_pause()");
  const auto copied = copy({"--assume-quiet"});
  EXPECT_EQ(copied.exit_code, 0) << copied;
  EXPECT_EQ(value("SELECT count(*) FROM t_new"), "301");
}

/// Cases that need another server, role or state are in other files.
const std::map<std::string, std::string> kTriedElsewhere = {
    {"no-go", "tests/preflight/preflight_test.cc"},
    {"usage", "tests/integration/rejects_test.cc"},
    {"job-file", "tests/cli/job_file_test.cc"},
    {"bad-dsn", "tests/pg/connection_test.cc"},
    {"password-in-dsn", "tests/pg/connection_test.cc"},
    {"password-in-job-file", "tests/cli/job_file_test.cc"},
    {"cannot-connect", "tests/pg/connection_test.cc"},
    {"temporary-table", "tests/integration/plan_table_test.cc"},
    {"user-code-fails", "tests/integration/application_path_test.cc"},
    {"row-security", "tests/integration/plan_source_test.cc"},
    {"damaged-pages-hidden", "tests/integration/preflight_test.cc"},
    {"replica-role", "tests/integration/preflight_test.cc"},
    {"encoding-differs", "tests/integration/plan_source_test.cc"},
    {"not-in-encoding", "tests/integration/encodings_test.cc"},
    {"not-owner", "tests/integration/preflight_test.cc"},
    {"no-privilege", "tests/integration/preflight_test.cc"},
    {"type-differs", "tests/integration/plan_types_test.cc"},
    {"local-oids", "tests/integration/plan_types_test.cc"},
    {"key-disagrees", "tests/integration/plan_key_proof_test.cc"},
    {"key-mismatch", "tests/verify/verify_findings_test.cc"},
    {"rule-violated", "tests/integration/criteria_test.cc"},
    {"rule-not-checked", "tests/integration/criteria_test.cc"},
    {"bad-column", "tests/integration/target_settings_test.cc"},
    {"bad-index", "tests/integration/target_settings_test.cc"},
    {"bad-sequence", "tests/integration/target_settings_test.cc"},
    {"bad-leaf-name", "tests/integration/target_settings_test.cc"},
    {"query-invalid", "tests/integration/queries_test.cc"},
    {"not-integer", "tests/layout/list_by_key_test.cc"},
    {"bad-bound", "tests/catalog/partition_bound_test.cc"},
    {"not-range", "tests/layout/range_test.cc"},
    {"hash-key", "tests/integration/hash_layout_test.cc"},
    {"not-list", "tests/layout/list_by_key_test.cc"},
    {"no-connections", "tests/integration/plan_budget_test.cc"},
    {"reference-not-checked", "tests/integration/references_test.cc"},
    {"standby-missing", "tests/integration/standbys_test.cc"},
    {"migration-unfinished", "tests/integration/migration_tools_test.cc"},
    {"swap-locks", "tests/integration/preflight_server_test.cc"},
    {"prepared-transaction", "tests/integration/preflight_server_test.cc"},
    {"disk-full", "tests/integration/preflight_server_test.cc"},
    {"pooler", "tests/integration/pooler_test.cc"},
    {"pooler-room", "tests/integration/pooler_test.cc"},
};
/// No test can make these servers, or roles that go away meanwhile; the options refuse so many
/// partitions first.
const std::set<std::string> kNotTried = {"bad-partitions",   "bound-differs", "check-not-run",
                                         "no-such-function", "no-such-role",  "server-too-old"};

TEST(PlanRefusals, EachCodeOfThePageIsTried) {
  std::set<std::string> told = codes_under("The plan says it");
  told.merge(codes_under("The sample says it"));
  ASSERT_GT(told.size(), 60U);
  std::set<std::string> tried = kNotTried;
  tried.insert({"no-key", "source-read-only", "target-read-only", "owner-missing", "unfinished-job",
                "fenced-already"});
  for (const auto& cases :
       {name_cases(), definition_cases(), layout_cases(), sample_cases(), lacking_cases()}) {
    for (const Case& each : cases) tried.insert(each.code);
  }
  for (const auto& [code, file] : kTriedElsewhere) {
    std::ifstream test(std::string(PGFANOUT_SOURCE_DIR) + "/" + file);
    std::stringstream text;
    text << test.rdbuf();
    EXPECT_THAT(text.str(), HasSubstr(code)) << file;
    tried.insert(code);
  }
  EXPECT_EQ(told, tried);
}

}  // namespace
}  // namespace pgfanout
