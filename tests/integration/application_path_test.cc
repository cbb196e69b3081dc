// Code of the application that relies on its search_path: every command runs it as the application
// would, and nothing else under that path; the plan names what fails in any case.
#include <gmock/gmock.h>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using ::testing::AllOf;
using testing::CommandResult;
using ::testing::HasSubstr;

class ApplicationPathTest : public testing::WindowFixture {
 protected:
  static constexpr int kFirstWithMaintenancePath = 17;

  /// public.t, and schema app with a function that relies on the path "app, public".
  void make_table(const std::string& more = "", const std::string& type_of_v = "text") const {
    set_path("app, public");
    execute(R"sql(
      CREATE SCHEMA app;
      CREATE FUNCTION app.fold(t text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower(t)';
      CREATE FUNCTION app.norm(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql
        AS 'BEGIN RETURN fold(t); END';
      CREATE DOMAIN app.word AS text CHECK (app.norm(VALUE) <> '');
      CREATE TABLE app.audit (what text);
      CREATE FUNCTION app.note_change() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN INSERT INTO audit VALUES (TG_OP); RETURN NULL; END';)sql");
    execute("CREATE TABLE public.t (id bigint PRIMARY KEY, v " + type_of_v +
            "); INSERT INTO public.t SELECT n, 'V' || n FROM generate_series(1, 400) n;" + more);
  }
  void set_path(const std::string& path) const {
    server().execute("postgres", "ALTER DATABASE " + database + " SET search_path = " + path);
  }
  static std::string trigger() {
    return "CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON public.t"
           " FOR EACH ROW EXECUTE FUNCTION app.note_change();";
  }

  CommandResult on_t(const std::string& command, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "--table", "public.t", "--key", "abs(hashtext(id::text)) % 4", "--partitions", "4"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return window(command, arguments);
  }
  /// "message | hint" of the issues with that code.
  [[nodiscard]] std::string issues(const std::string& code) const {
    std::string text;
    for (const testing::Json& issue : json["issues"]) {
      if (issue["code"] != code) continue;
      text += issue["message"].get<std::string>() + " | " + issue.value("hint", "") + "\n";
    }
    return text;
  }
  void expect_swapped() {
    const CommandResult result = on_t("run", {"--swap"});
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(issues("not-checked"), "");
    EXPECT_EQ(value("SELECT count(*) FROM public.t WHERE tableoid <> 'public.t'::regclass"), "400");
  }
};

TEST_F(ApplicationPathTest, TriggersRunAsTheApplicationsDo) {
  make_table(
      "CREATE SEQUENCE app.changes; ALTER TABLE public.t ADD n bigint,"
      " ADD g text GENERATED ALWAYS AS (app.norm(v)) STORED,"
      " ADD CONSTRAINT ok CHECK (app.norm(v) <> 'x');"
      "CREATE FUNCTION app.number() RETURNS trigger LANGUAGE plpgsql"
      " AS $$BEGIN NEW.n := nextval('changes'); RETURN NEW; END$$;"
      "CREATE TRIGGER number BEFORE INSERT OR UPDATE ON public.t FOR EACH ROW"
      " EXECUTE FUNCTION app.number();" +
          trigger(),
      "app.word");
  expect_swapped();
  EXPECT_THAT(issues("search-path"), HasSubstr("search_path app, public, of the database"));
  EXPECT_EQ(value("SELECT count(*) FROM app.audit"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM public.t WHERE g = 'v' || id"), "400");
  EXPECT_EQ(sqlstate_of("UPDATE public.t SET v = 'X' WHERE id = 7"), "23514");
}

TEST_F(ApplicationPathTest, WhatTheServerBuildsIsTriedByThePlan) {
  // Made while the function has a path of its own, as no index could be made later from 17 on.
  make_table(
      "ALTER FUNCTION app.norm SET search_path = app, public;"
      "CREATE INDEX t_norm ON public.t (app.norm(v));"
      "CREATE INDEX t_part ON public.t (id) WHERE app.norm(v) > 'v';"
      "CREATE MATERIALIZED VIEW public.folded AS SELECT app.norm(v) AS n FROM public.t;"
      "CREATE STATISTICS public.st ON (app.norm(v)), id FROM public.t;"
      "ALTER FUNCTION app.norm RESET search_path");
  if (server().major() >= kFirstWithMaintenancePath) {
    EXPECT_EQ(on_t("plan").exit_code, 2);
    const std::string found = issues("user-code-fails");
    for (const char* object : {"index public.t_norm", "index public.t_part",
                               "materialized view public.folded", "statistics public.st"}) {
      EXPECT_THAT(found, HasSubstr(std::string(object) +
                                   " cannot be made on the target: "
                                   "app.norm(t text) fails under search_path pg_catalog, pg_temp"));
    }
    EXPECT_THAT(found, AllOf(HasSubstr("function fold(text) does not exist"),
                             HasSubstr("ALTER FUNCTION app.norm(t text) SET search_path = 'app', "
                                       "'public'")));
    EXPECT_EQ(sqlstate_of("UPDATE public.t SET id = id WHERE false"), "00000");
    execute("ALTER FUNCTION app.norm(t text) SET search_path = 'app', 'public'");
  }
  expect_swapped();
  EXPECT_EQ(value("SELECT count(*) FROM public.folded"), "400");
  EXPECT_EQ(value("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND tablename ~"
                  " '^t_p[0-3]$' AND indexdef LIKE '%norm(v)%'"),
            "8");
}

TEST_F(ApplicationPathTest, WhatFailsForTheApplicationTooIsNamedBeforeTheFence) {
  make_table(
      "ALTER TABLE public.t ADD CONSTRAINT ok CHECK (app.norm(v) <> 'x');"
      "DROP FUNCTION app.fold");
  EXPECT_EQ(on_t("run").exit_code, 2);
  EXPECT_THAT(issues("user-code-fails"),
              AllOf(HasSubstr("constraint ok of public.t cannot be made on the target: "
                              "app.norm(t text) fails under search_path app, public: function "
                              "fold(text) does not exist (42883)"),
                    HasSubstr("ALTER FUNCTION app.norm(t text)")));
  EXPECT_EQ(sqlstate_of("DELETE FROM public.t WHERE id = 1"), "00000");
}

TEST_F(ApplicationPathTest, BuiltinsThatThePathHidesAreNotOurs) {
  make_table(
      "CREATE INDEX t_lower ON public.t (lower(v)) WHERE v <> 'V7';"
      "ALTER TABLE public.t ADD CONSTRAINT ok CHECK (lower(v) = lower(v));" +
      trigger());
  set_path("app, pg_catalog, public");
  execute(R"sql(
    CREATE FUNCTION app.lower(text) RETURNS text IMMUTABLE LANGUAGE plpgsql
      AS 'BEGIN RAISE EXCEPTION ''hidden''; END';
    CREATE FUNCTION app.hashtext(text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 0';
    CREATE FUNCTION app.no(text, text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT false';
    CREATE FUNCTION app.no(bigint, bigint) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT false';
    CREATE FUNCTION app.no(int, int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT false';
    CREATE FUNCTION app.no(tid, tid) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR app.= (LEFTARG = text, RIGHTARG = text, FUNCTION = app.no);
    CREATE OPERATOR app.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = app.no);
    CREATE OPERATOR app.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = app.no);
    CREATE OPERATOR app.= (LEFTARG = int, RIGHTARG = int, FUNCTION = app.no);
    CREATE OPERATOR app.= (LEFTARG = tid, RIGHTARG = tid, FUNCTION = app.no);
    CREATE OPERATOR app.< (LEFTARG = tid, RIGHTARG = tid, FUNCTION = app.no);
    CREATE OPERATOR app.>= (LEFTARG = tid, RIGHTARG = tid, FUNCTION = app.no))sql");
  const CommandResult result = on_t("run", {"--swap"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(issues("not-checked"), "");
  EXPECT_EQ(value("SET search_path = ''; SELECT count(*) FROM pg_indexes WHERE tablename ~"
                  " '^t_p[0-3]$' AND indexdef LIKE '%(lower(v)) WHERE (v <> ''V7''::text)'"),
            "4");
  EXPECT_EQ(value("SET search_path = ''; SELECT pg_get_constraintdef(oid) FROM pg_constraint"
                  " WHERE conrelid = 'public.t'::regclass AND conname = 'ok'"),
            "CHECK ((lower(v) = lower(v)))");
}

TEST_F(ApplicationPathTest, HostileSchemaNamesAreQuoted) {
  const std::string schema = "\"O'Brien \"\"x\"\", \xC3\xBC\\\"";
  make_table("ALTER SCHEMA app RENAME TO " + schema + ";");
  set_path(schema + ", public");
  execute(
      "ALTER TABLE public.t ADD CONSTRAINT ok CHECK (norm(v) <> 'x');"
      "CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON public.t"
      " FOR EACH ROW EXECUTE FUNCTION note_change()");
  expect_swapped();
}

TEST_F(ApplicationPathTest, PathIsThatOfTheRolesWhichUseTheTable) {
  make_table(trigger());
  set_path("elsewhere");
  const std::string role = "app_" + database;
  const std::string etl = "etl_" + database;
  execute("CREATE ROLE " + role + " LOGIN; CREATE ROLE " + etl + " LOGIN; ALTER ROLE " + role +
          " IN DATABASE " + database + " SET search_path = app; GRANT INSERT ON public.t TO " +
          role);
  EXPECT_EQ(on_t("plan").exit_code, 0);
  EXPECT_THAT(issues("search-path"),
              HasSubstr("search_path app, of role " + role + " in this database |"));
  execute("GRANT INSERT ON public.t TO " + etl);
  EXPECT_EQ(on_t("plan").exit_code, 0);
  EXPECT_THAT(issues("search-path"),
              AllOf(HasSubstr("search_path elsewhere, of the database; others that write to the "
                              "table have another one: role " +
                              role + ": app"),
                    HasSubstr("--search-path")));
  // "$user" is the role whose path it is.
  execute("ALTER SCHEMA app RENAME TO " + role + "; ALTER TABLE public.t OWNER TO " + role +
          "; ALTER ROLE " + role + " IN DATABASE " + database +
          " SET search_path = \"$user\", public; GRANT ALL ON SCHEMA " + role + ", public TO " +
          role + "; GRANT ALL ON " + role + ".audit TO " + role +
          "; REVOKE INSERT ON public.t FROM " + etl);
  EXPECT_EQ(on_t("plan", {"--search-path", "a, \"B\""}).exit_code, 0);
  EXPECT_THAT(issues("search-path"), HasSubstr("search_path a, \"B\", given by the job |"));
  const CommandResult result = on_t("run", {"--swap"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(issues("not-checked"), "");
  execute("DROP OWNED BY " + etl + "; DROP ROLE " + etl);
}

TEST_F(ApplicationPathTest, MappingsAndQueriesAreTheApplications) {
  make_table();
  const CommandResult result = on_t("run", {"--map", "v=norm(v)"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM public.t_new WHERE v = 'v' || id"), "400");
  const CommandResult verified = on_t("verify", {"--into", "public.t_new", "--map", "v=norm(v)"});
  EXPECT_EQ(verified.exit_code, 0) << verified;
}

TEST_F(ApplicationPathTest, RepairFiresTriggersAsTheApplicationDoes) {
  make_table(
      "CREATE TABLE public.other (LIKE public.t INCLUDING ALL);"
      "INSERT INTO public.other SELECT id, v FROM public.t WHERE id > 3;"
      "UPDATE public.other SET v = 'changed' WHERE id = 9;"
      "INSERT INTO public.other VALUES (999, 'extra');"
      "CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE OR DELETE ON public.other"
      " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.note_change()");
  execute("TRUNCATE app.audit");
  const CommandResult result =
      window("verify", {"--table", "public.t", "--into", "public.other", "--repair"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT string_agg(what, ' ' ORDER BY what) FROM app.audit"),
            "DELETE INSERT INSERT INSERT UPDATE");
}

TEST_F(ApplicationPathTest, WhatFailsOnTheOldTableTooIsNotTheSwaps) {
  make_table(
      "CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
      " IF current_setting('app.user', true) IS NULL THEN RAISE 'set app.user first';"
      " END IF; RETURN NEW; END$$;"
      "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON public.t FOR EACH ROW"
      " EXECUTE FUNCTION app.refuse()");
  const CommandResult result = on_t("run", {"--swap"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(issues("not-checked"),
              HasSubstr("set app.user first; the same statement on the old table ends in the same "
                        "way"));
}

TEST_F(ApplicationPathTest, SettingsOfRolesChangeNoAnswer) {
  make_table("CREATE INDEX t_lower ON public.t (lower(v)) WHERE v IS NOT NULL");
  for (const char* setting :
       {"enable_partition_pruning = off", "default_transaction_read_only = on",
        "statement_timeout = 1000", "row_security = off", "plan_cache_mode = force_generic_plan",
        "quote_all_identifiers = on", "transform_null_equals = on", "exit_on_error = on",
        "enable_seqscan = off", "enable_tidscan = off", "array_nulls = off"}) {
    server().execute("postgres", "ALTER DATABASE " + database + " SET " + setting);
  }
  const CommandResult result = on_t("run", {"--swap"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(issues("pruning-off"), HasSubstr("enable_partition_pruning is off for the database"));
}

TEST_F(ApplicationPathTest, EventTriggersFindTheirTables) {
  make_table(
      "CREATE FUNCTION app.note_ddl() RETURNS event_trigger LANGUAGE plpgsql"
      " AS $$BEGIN INSERT INTO audit VALUES (tg_tag); END$$");
  execute("CREATE EVENT TRIGGER note_ddl ON ddl_command_end EXECUTE FUNCTION app.note_ddl()");
  EXPECT_EQ(on_t("run", {"--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(on_t("rollback").exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) > 10 FROM app.audit"), "t");
}

}  // namespace
}  // namespace pgfanout
