// Routines that take or return rows of the table, and all that calls them: after the swap they work
// on rows of the new table, after a rollback they are the old ones, and what cannot follow is
// named.
#include "tests/integration/carry_fixture.h"

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Lines;
using testing::succeeded;

class CarryRoutinesTest : public testing::CarryFixture {
 protected:
  static JobDescription job_by_id() { return job_for("public.t", "mod(id, 4)"); }
  void make_table() {
    execute(
        "CREATE TABLE t (id int PRIMARY KEY, first text, last text); INSERT INTO t SELECT n, 'f' "
        "|| n, 'l' || n FROM generate_series(1, 40) n");
  }
  /// All that a routine is but for its OID; no objects of an earlier swap.
  [[nodiscard]] Lines routines() const {
    return lines(
        "SELECT concat_ws(' ', p.oid::regprocedure, pg_get_functiondef(p.oid), "
        "p.proowner::regrole, (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM "
        "unnest(COALESCE(p.proacl, acldefault('f', p.proowner))) x), obj_description(p.oid)) FROM "
        "pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind <> 'a' AND "
        "p.proname NOT LIKE '%\\_backup\\_%' AND p.proname <> 't_partition_key' ORDER BY "
        "p.oid::regprocedure::text");
  }
  [[nodiscard]] Lines routine_oids() const {
    return lines(
        "SELECT p.oid || ' ' || p.proname FROM pg_proc p WHERE p.pronamespace = "
        "'public'::regnamespace ORDER BY p.oid");
  }
};

TEST_F(CarryRoutinesTest, TheyWorkOnRowsOfTheNewTableAsTheyWere) {
  execute(
      "DO $$ BEGIN CREATE ROLE routine_owner; CREATE ROLE routine_user; EXCEPTION WHEN "
      "duplicate_object THEN NULL; END $$; GRANT CREATE ON SCHEMA public TO routine_owner");
  make_table();
  execute(
      "CREATE FUNCTION full_name(r t) RETURNS text LANGUAGE sql STABLE AS $$ SELECT r.first || ' ' "
      "|| r.last $$;"
      "CREATE FUNCTION full_name(r t[]) RETURNS text LANGUAGE sql AS $$ SELECT full_name(r[1]) $$;"
      "CREATE FUNCTION found(q text) RETURNS SETOF t LANGUAGE sql STABLE ROWS 7 AS $$ SELECT * "
      "FROM "
      "t WHERE first = q $$;"
      "CREATE FUNCTION listed(n int DEFAULT 2, OUT r t) LANGUAGE plpgsql SECURITY DEFINER COST 55 "
      "PARALLEL RESTRICTED SET work_mem = '5MB' AS $$ BEGIN SELECT * INTO r FROM public.t WHERE id "
      "= n; END $$;"
      "CREATE FUNCTION parsed(q int) RETURNS t STABLE BEGIN ATOMIC SELECT t FROM t WHERE id = q; "
      "END;"
      "CREATE PROCEDURE \"Keep It\"(r t) LANGUAGE plpgsql AS $$ BEGIN PERFORM r.id; END $$;"
      "CREATE FUNCTION names() RETURNS bigint BEGIN ATOMIC SELECT count(full_name(t)) FROM t; END;"
      "ALTER FUNCTION full_name(t) OWNER TO routine_owner; REVOKE ALL ON FUNCTION full_name(t) "
      "FROM "
      "PUBLIC; GRANT EXECUTE ON FUNCTION full_name(t) TO routine_user WITH GRANT OPTION;"
      "COMMENT ON FUNCTION full_name(t) IS 'first and last'; CREATE VIEW by_row AS SELECT id, "
      "full_name(t) FROM t; CREATE VIEW by_result AS SELECT * FROM found('f1');"
      "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO routine_user; ALTER DEFAULT "
      "PRIVILEGES "
      "REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC");
  const Lines before = routines();
  const Lines oids = routine_oids();
  const auto made = carry(job_by_id());
  ASSERT_TRUE(made);
  EXPECT_THAT(left_behind(*made), IsEmpty());
  swap(*made);
  expect_same(routines(), before);
  EXPECT_EQ(value("SELECT string_agg(full_name(t), ',' ORDER BY id) FROM t WHERE id < 3"),
            "f1 l1,f2 l2");
  EXPECT_EQ(value("SELECT full_name(array_agg(t)) FROM t WHERE id = 3"), "f3 l3");
  EXPECT_EQ(value("SELECT partition_key FROM found('f5')"), "1");
  EXPECT_EQ(value("SELECT listed()::text || parsed(9)::text"), "(2,f2,l2,2)(9,f9,l9,1)");
  EXPECT_EQ(value("SELECT names() || full_name FROM by_row WHERE id = 6"), "40f6 l6");
  EXPECT_EQ(value("SELECT last FROM by_result"), "l1");
  execute("DO $$ DECLARE r t; BEGIN SELECT * INTO r FROM t LIMIT 1; CALL \"Keep It\"(r); END $$");
  roll_back(*made);
  expect_same(routines(), before);
  EXPECT_EQ(value("SELECT names() || full_name FROM by_row WHERE id = 6"), "40f6 l6");
  EXPECT_EQ(value("SELECT last FROM by_result"), "l1");
  EXPECT_EQ(routine_oids(), oids) << "the old ones, and no other";
}

TEST_F(CarryRoutinesTest, WhatCannotFollowIsNamedWithWhatTheApplicationMeets) {
  make_table();
  execute(
      "CREATE FUNCTION seen(r t) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT r.id > 0 $$;"
      "CREATE FUNCTION less(a t, b t) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT a.id < "
      "b.id $$; CREATE FUNCTION to_number(r t) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT "
      "r.id "
      "$$; CREATE POLICY by_row ON t USING (seen(t)); ALTER TABLE t ADD CONSTRAINT by_row CHECK "
      "(seen(t)); CREATE INDEX by_row ON t (seen(t)); CREATE TRIGGER by_row BEFORE UPDATE ON t FOR "
      "EACH ROW WHEN (seen(NEW)) EXECUTE FUNCTION suppress_redundant_updates_trigger();"
      "CREATE MATERIALIZED VIEW m AS SELECT seen(t) FROM t; CREATE AGGREGATE rows_of(t) (SFUNC = "
      "array_append, STYPE = t[], INITCOND = '{}'); CREATE TYPE pair AS (one t, two t);"
      "CREATE DOMAIN some_row AS t CHECK ((VALUE).id > 0); CREATE OPERATOR <<< (LEFTARG = t, "
      "RIGHTARG "
      "= "
      "t, FUNCTION = less); CREATE CAST (t AS int) WITH FUNCTION to_number(t);"
      "CREATE TABLE history (n int DEFAULT to_number(NULL), old t, CHECK (seen(old)))");
  const auto made = carry_plan(job_by_id());
  ASSERT_TRUE(succeeded(made));
  EXPECT_THAT(
      left_behind(*made),
      ElementsAre("index by_row", "constraint by_row", "trigger by_row", "policy by_row",
                  "materialized view public.m", "aggregate public.rows_of(public.t)",
                  "cast (public.t AS integer)", "composite type column public.pair.one",
                  "composite type column public.pair.two", "default value for public.history.n",
                  "operator public.<<<(public.t,"
                  "public.t)",
                  "table column public.history.old",
                  "table constraint history_old_check on public.history", "type public.some_row"));
  for (const NotCarried& left : made->carry.not_carried) {
    EXPECT_FALSE(left.choices.empty()) << left.name;
    EXPECT_THAT(left.reason, ::testing::AnyOf(HasSubstr("after the swap"), HasSubstr("it calls"),
                                              HasSubstr("whole rows")));
  }
}

TEST_F(CarryRoutinesTest, WholeRowsInChecksAndIndexesAreNamedAndElsewhereCarried) {
  make_table();
  execute(
      "ALTER TABLE t ADD CONSTRAINT whole CHECK (t IS NOT NULL); CREATE INDEX whole ON t ((t IS "
      "NULL)); CREATE POLICY whole ON t USING (t IS NOT NULL); CREATE TRIGGER whole BEFORE UPDATE "
      "ON t FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "
      "suppress_redundant_updates_trigger()");
  JobDescription job = job_by_id();
  job.window.accept = {"constraint whole", "index whole"};
  const auto made = carry(job);
  ASSERT_TRUE(made);
  EXPECT_THAT(left_behind(*made),
              ElementsAre("index whole (accepted)", "constraint whole (accepted)"));
  swap(*made);
  EXPECT_EQ(value("SELECT count(*) FROM pg_policy WHERE polrelid = 't'::regclass"), "1");
  roll_back(*made);
}

TEST_F(CarryRoutinesTest, AParsedBodyThatListsTheColumnsOfToday) {
  make_table();
  execute(
      "CREATE FUNCTION listed() RETURNS SETOF t BEGIN ATOMIC SELECT * FROM t; END; CREATE FUNCTION "
      "whole() RETURNS SETOF t BEGIN ATOMIC SELECT t FROM t; END");
  const auto made = carry_plan(job_by_id());
  ASSERT_TRUE(succeeded(made));
  EXPECT_THAT(left_behind(*made), ElementsAre("function public.listed()"));
  JobDescription job = job_by_id();
  job.key_mode = KeyMode::expression;
  const auto same = carry_plan(job);
  ASSERT_TRUE(succeeded(same));
  EXPECT_THAT(left_behind(*same), IsEmpty()) << "no column is added";
}

TEST_F(CarryRoutinesTest, WhereColumnsChangeOrTheRoleMayNotTheyAreNamed) {
  make_table();
  execute(
      "DO $$ BEGIN CREATE ROLE routine_mover LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END "
      "$$; GRANT CREATE, USAGE ON SCHEMA public TO routine_mover; ALTER TABLE t OWNER TO "
      "routine_mover; CREATE FUNCTION seen(r t) RETURNS boolean LANGUAGE sql LEAKPROOF AS $$ "
      "SELECT "
      "r.id > 0 $$");
  JobDescription job = job_by_id();
  job.skip = {"last"};
  const auto skipped = carry_plan(job);
  ASSERT_TRUE(succeeded(skipped));
  EXPECT_THAT(left_behind(*skipped), ElementsAre("function public.seen(public.t)"));
  EXPECT_THAT(skipped->carry.not_carried.front().reason, HasSubstr("columns of the table change"));
  Connection source = open_as("routine_mover");
  Connection target = open_as("routine_mover");
  auto copy = make_copy_plan(job_by_id(), source, target);
  ASSERT_TRUE(succeeded(copy));
  const JobDescription plain = job_by_id();
  auto plan = make_carry_plan(request(plain, *copy), source, target);
  ASSERT_TRUE(succeeded(plan));
  ASSERT_EQ(plan->not_carried.size(), 1U);
  EXPECT_THAT(plan->not_carried.front().reason, HasSubstr("only a superuser may create it"));
}

}  // namespace
}  // namespace pgfanout
