// Statements of the application right after a swap: it calls functions over the row type, inserts
// as a role with grants on some columns, and changes rows that are published. The check after the
// swap tries the same, and a rollback leaves all of it as it was.
#include <gmock/gmock.h>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Json;

class WindowApplicationTest : public testing::WindowFixture {
 protected:
  CommandResult run(const std::string& command, std::vector<std::string> more = {}) {
    more.insert(more.begin(),
                {"--table", "t", "--key", "abs(hashtext(id::text)) % 4", "--partitions", "4"});
    return window(command, std::move(more));
  }
  void make_table() {
    execute(
        "DO $$ BEGIN CREATE ROLE window_writer; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "CREATE TABLE t (id bigint NOT NULL, v text, secret text); CREATE UNIQUE INDEX t_id ON t "
        "(id); ALTER TABLE t REPLICA IDENTITY USING INDEX t_id; INSERT INTO t SELECT n, 'v' || n, "
        "'s' FROM generate_series(1, 300) n; GRANT SELECT (id, v), INSERT (id, v) ON t TO "
        "window_writer; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC");
    const std::string list = server().major() >= 15 ? " (id, v)" : "";
    execute("CREATE PUBLICATION p FOR TABLE t" + list +
            " WITH (publish_via_partition_root = true)");
  }
  /// After-swap issues, as "severity: message".
  [[nodiscard]] std::vector<std::string> tried() const {
    std::vector<std::string> found;
    for (const Json& issue : json["issues"]) {
      if (issue["code"] != "after-swap" && issue["code"] != "not-checked") continue;
      found.push_back(issue["severity"].get<std::string>() + ": " +
                      issue["message"].get<std::string>());
    }
    return found;
  }
};

TEST_F(WindowApplicationTest, GoesOnAfterTheSwapAndAfterARollback) {
  make_table();
  execute(
      "CREATE FUNCTION label(r t) RETURNS text LANGUAGE sql STABLE AS $$ SELECT r.id || r.v $$; "
      "COMMENT ON FUNCTION label(t) IS 'of a row'; CREATE FUNCTION found(q text) RETURNS SETOF t "
      "LANGUAGE sql AS $$ SELECT * FROM public.t WHERE v = q $$; CREATE VIEW labels AS SELECT "
      "label(t) FROM t");
  const std::string before = catalog();
  ASSERT_EQ(run("run", {"--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(tried(), std::vector<std::string>());
  const std::string impact = json["impact"].dump();
  EXPECT_THAT(impact, HasSubstr("INSERT (partition_key) to window_writer"));
  EXPECT_THAT(impact, HasSubstr("EXECUTE on function public.t_partition_key(bigint)"));
  EXPECT_THAT(impact, HasSubstr("function public.label(public.t) (row type)"));
  execute(
      "BEGIN; UPDATE t SET v = 'w' WHERE id = 5; DELETE FROM t WHERE id = 6; SET ROLE "
      "window_writer; INSERT INTO t (id, v, partition_key) VALUES (400, 'x', "
      "t_partition_key(400)); ROLLBACK");
  EXPECT_EQ(value("SELECT label(t) || ' ' || (SELECT count(*) FROM labels) FROM found('v7') t"),
            "7v7 300");
  ASSERT_EQ(run("rollback").exit_code, 0) << json.dump(1);
  EXPECT_EQ(catalog(), before);
  // Once more, for good: the functions of the backup go with it.
  ASSERT_EQ(run("run", {"--swap"}).exit_code, 0) << json.dump(1);
  ASSERT_EQ(run("cleanup", {"--force"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND "
                  "proname LIKE '%\\_backup\\_%'"),
            "0");
  EXPECT_EQ(value("SELECT label(t) FROM found('v7') t"), "7v7");
}

TEST_F(WindowApplicationTest, WhatItCannotDoAnyMoreIsFound) {
  make_table();
  // Somebody's event trigger takes back what the swap has granted and listed.
  const std::string list = server().major() >= 15 ? " (id, v)" : "";
  execute(
      "CREATE FUNCTION meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF "
      "pg_catalog.pg_trigger_depth() = 0 AND EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname "
      "= 't' AND relkind = 'p') AND EXISTS (SELECT FROM pg_catalog.pg_publication_rel WHERE "
      "prrelid "
      "= 'public.t'::regclass) AND current_setting('meddle.done', true) IS DISTINCT FROM 'on' THEN "
      "PERFORM set_config('meddle.done', 'on', true); ALTER PUBLICATION p SET TABLE public.t" +
      list +
      "; REVOKE INSERT (partition_key) ON public.t FROM window_writer; END IF; END $$;"
      "CREATE EVENT TRIGGER meddler ON ddl_command_end WHEN TAG IN ('ALTER PUBLICATION') EXECUTE "
      "FUNCTION meddle()");
  const CommandResult swapped = run("run", {"--swap"});
  EXPECT_EQ(swapped.exit_code, 1) << swapped;
  const std::string all = Json(tried()).dump();
  EXPECT_THAT(
      all,
      HasSubstr(
          "CRITICAL: insert as role window_writer: could not run a statement: permission denied"));
  if (server().major() >= 15) {
    EXPECT_THAT(all, HasSubstr("cannot update table"));
    EXPECT_THAT(all, HasSubstr("cannot delete from table"));
  }
}

TEST_F(WindowApplicationTest, OfAnEmptyTableWhatIsRefusedWithoutARowIsFound) {
  make_table();
  execute(
      "TRUNCATE t; CREATE FUNCTION listed() RETURNS SETOF t LANGUAGE sql AS $$ SELECT id, v, "
      "secret "
      "FROM public.t $$; CREATE FUNCTION meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$ "
      "BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname = 't' AND relkind = 'p') "
      "THEN "
      "REVOKE INSERT (partition_key) ON public.t FROM window_writer; ALTER TABLE public.t_p1 "
      "REPLICA IDENTITY NOTHING; END IF; END $$; CREATE EVENT TRIGGER meddler ON ddl_command_end "
      "WHEN TAG IN ('ALTER PUBLICATION') EXECUTE FUNCTION meddle()");
  const CommandResult swapped = run("run", {"--swap"});
  EXPECT_EQ(swapped.exit_code, 1) << swapped;
  const std::string all = Json(tried()).dump();
  EXPECT_THAT(all, HasSubstr("insert as role window_writer: it lacks INSERT"));
  EXPECT_THAT(all, HasSubstr("EXPLAIN UPDATE public.t"));
  EXPECT_THAT(all, HasSubstr("EXPLAIN DELETE FROM public.t"));
  EXPECT_THAT(all, HasSubstr("function public.listed()"));
}

TEST_F(WindowApplicationTest, RightsOfARoleThatTheSessionMayNotBecome) {
  make_table();
  execute(
      "DO $$ BEGIN CREATE ROLE window_mover LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END "
      "$$; DROP PUBLICATION p; GRANT CREATE ON SCHEMA public TO window_mover; ALTER TABLE t OWNER "
      "TO window_mover; CREATE FUNCTION meddle() RETURNS event_trigger LANGUAGE plpgsql SECURITY "
      "DEFINER AS $$ BEGIN IF pg_catalog.to_regproc('public.t_partition_key') IS NOT NULL THEN "
      "REVOKE EXECUTE ON FUNCTION public.t_partition_key(bigint) FROM "
      "window_writer; END IF; END $$; ALTER DEFAULT PRIVILEGES FOR ROLE window_mover REVOKE "
      "EXECUTE ON "
      "FUNCTIONS FROM PUBLIC");
  execute("GRANT CREATE ON DATABASE " + database + " TO window_mover");
  const std::string mover = dsn("window_mover");
  ASSERT_EQ(run("run", {"--swap", "--source", mover}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(tried(), std::vector<std::string>());
  ASSERT_EQ(run("rollback", {"--source", mover}).exit_code, 0) << json.dump(1);
  execute(
      "CREATE EVENT TRIGGER meddler ON ddl_command_end WHEN TAG IN ('GRANT') EXECUTE FUNCTION "
      "meddle()");
  const CommandResult swapped = run("run", {"--swap", "--source", mover});
  EXPECT_EQ(swapped.exit_code, 1) << swapped;
  EXPECT_THAT(Json(tried()).dump(),
              HasSubstr("CRITICAL: insert as role window_writer: it may not execute"));
}

TEST_F(WindowApplicationTest, FunctionThatListsTheColumnsOfTheOldRowIsFound) {
  execute(
      "CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t SELECT n, 'v' FROM "
      "generate_series(1, 50) n; SET check_function_bodies = off; CREATE FUNCTION listed() RETURNS "
      "SETOF t LANGUAGE sql AS $$ SELECT id, v FROM public.t $$; CREATE FUNCTION starred() RETURNS "
      "SETOF t LANGUAGE sql AS $$ SELECT * FROM public.t $$; CREATE FUNCTION broken() RETURNS "
      "SETOF "
      "t LANGUAGE sql AS $$ SELECT * FROM public.none $$");
  const CommandResult swapped = run("run", {"--swap"});
  EXPECT_EQ(swapped.exit_code, 1) << swapped;
  const std::string all = Json(tried()).dump();
  EXPECT_THAT(all,
              HasSubstr("CRITICAL: function public.listed(): could not run a statement: return "
                        "type mismatch"));
  EXPECT_THAT(all, ::testing::Not(HasSubstr("starred")));
  EXPECT_THAT(all, HasSubstr("INFO: function public.broken(): its body was wrong before"));
}

TEST_F(WindowApplicationTest, WhatItNeverCouldDoIsNoFailure) {
  execute(
      "DO $$ BEGIN CREATE ROLE window_stranger; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
      "CREATE SCHEMA hidden; CREATE TABLE hidden.t (id bigint, v text); INSERT INTO hidden.t "
      "SELECT "
      "n, 'v' FROM generate_series(1, 50) n; GRANT INSERT ON hidden.t TO window_stranger; CREATE "
      "PUBLICATION p FOR TABLE hidden.t WITH (publish_via_partition_root = true)");
  const CommandResult swapped =
      window("run", {"--table", "hidden.t", "--key", "abs(hashtext(id::text)) % 4", "--partitions",
                     "4", "--swap"});
  EXPECT_EQ(swapped.exit_code, 0) << swapped;
  const std::string all = Json(tried()).dump();
  EXPECT_THAT(all, HasSubstr("INFO: update of that row: it was refused before the swap as well"));
  EXPECT_THAT(all, HasSubstr("INFO: delete of that row: it was refused before the swap as well"));
  EXPECT_THAT(
      all,
      HasSubstr(
          "INFO: insert as role window_stranger: could not run a statement: permission denied"));
}

}  // namespace
}  // namespace pgfanout
