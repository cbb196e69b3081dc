// Details that a catalog holds here and there: tablespaces, options, what newer versions added, and
// what is named because nothing else takes care of it.
#include "tests/integration/carry_fixture.h"

namespace pgfanout {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Lines;
using testing::succeeded;

class CarryDetailsTest : public testing::CarryFixture {
 protected:
  static JobDescription job_by_a() { return job_for("public.t", "mod(a, 4)"); }

  /// Without the key, and without what the table was as its own leaf.
  static Lines comparable(Lines all) {
    all = without(std::move(all), ", partition_key");
    all.erase(std::remove_if(all.begin(), all.end(),
                             [](const std::string& line) {
                               return line.starts_with("constraint partition_key_check") ||
                                      line == "column partition_key" || line.starts_with("leaves ");
                             }),
              all.end());
    return all;
  }
};

TEST_F(CarryDetailsTest, OptionsOfViewsAndColumns) {
  execute(
      "CREATE TABLE t (a int PRIMARY KEY, b int); ALTER TABLE t ALTER b SET (n_distinct = "
      "7);CREATE VIEW checked AS SELECT a, b FROM t WHERE b > 0 WITH LOCAL CHECK OPTION;CREATE "
      "VIEW inserts AS SELECT a FROM t; ALTER VIEW inserts ALTER a SET DEFAULT 3; COMMENT ON VIEW "
      "inserts IS 'kept'; INSERT INTO t SELECT n, n FROM generate_series(1, 40) n;CREATE "
      "MATERIALIZED VIEW m WITH (fillfactor = 50) AS SELECT b FROM t; ALTER MATERIALIZED VIEW m "
      "ALTER b SET STATISTICS 33; CREATE INDEX m_b ON m (b) WITH (fillfactor = 60) WHERE b > 3; "
      "CREATE INDEX m_c ON m (b); ALTER MATERIALIZED VIEW m CLUSTER ON m_c; COMMENT ON COLUMN m.b "
      "IS 'of b'; COMMENT ON INDEX m_b IS 'of m_b'");
  const Lines before = catalog_of("public.t");
  const auto made = carry(job_by_a());
  ASSERT_TRUE(made);
  swap(*made);
  expect_same(comparable(catalog_of("public.t")), comparable(before));
  // 15.20 keeps a number of its own among the options.
  EXPECT_EQ(
      value("SELECT string_agg((SELECT string_agg(o, ',') FROM unnest(attoptions) o WHERE o LIKE "
            "'n_%'), ' ' ORDER BY attrelid::regclass::text) FROM pg_attribute WHERE attname = 'b' "
            "AND attrelid IN ('t'::regclass, 't_p0'::regclass)"),
      "n_distinct=7,n_distinct_inherited=7 n_distinct=7");
  EXPECT_EQ(
      value(
          "SELECT concat_ws(' ', attstattarget, col_description(attrelid, attnum), "
          "obj_description('m_b'::regclass), (SELECT indisclustered FROM pg_index WHERE indexrelid "
          "= 'm_c'::regclass)) FROM pg_attribute WHERE attrelid = 'm'::regclass AND attname = 'b'"),
      "33 of b of m_b t");
  EXPECT_THROW(execute("UPDATE checked SET b = -1 WHERE a = 3"), harness::ServerError);
  execute("REFRESH MATERIALIZED VIEW m");
  roll_back(*made);
  expect_same(catalog_of("public.t"), before);
}

TEST_F(CarryDetailsTest, WhatVersion15Added) {
  if (server().major() < 15) return;
  auto session = server().connect(database);
  session.execute("SET allow_in_place_tablespaces = on");
  if (session.value("SELECT count(*) FROM pg_tablespace WHERE spcname = 'Carry space'") == "0") {
    session.execute("CREATE TABLESPACE \"Carry space\" LOCATION ''");
  }
  execute(
      "CREATE TABLE t (a int, b int, c text, CONSTRAINT t_key UNIQUE NULLS NOT DISTINCT (a, b) "
      "WITH (fillfactor = 77) USING INDEX TABLESPACE \"Carry space\") TABLESPACE \"Carry "
      "space\";CREATE UNIQUE INDEX nulls ON t (a, c) NULLS NOT DISTINCT WITH (fillfactor = 66) "
      "TABLESPACE \"Carry space\" WHERE c <> 'x'; CREATE TABLE p (a int, b int, PRIMARY KEY (a, "
      "b)); ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES p ON DELETE SET NULL "
      "(b);CREATE VIEW invoked WITH (security_invoker, security_barrier) AS SELECT a FROM t;INSERT "
      "INTO p SELECT n, n FROM generate_series(1, 9) n; INSERT INTO t SELECT a, b FROM p");
  const Lines before = catalog_of("public.t");
  for (const bool renamed : {false, true}) {
    JobDescription job = job_by_a();
    if (renamed) {
      job.map = {{"b2", "b"}};
      job.skip = {"b"};
    }
    const auto made = carry(job);
    ASSERT_TRUE(made);
    EXPECT_THAT(left_behind(*made), IsEmpty());
    EXPECT_EQ(
        value("SELECT string_agg(concat_ws(' ', c.relname, s.spcname, c.reloptions), ', ' ORDER BY "
              "c.relname) FROM pg_class c JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE "
              "c.relname IN ('t_new', 't_new_p1', 't_p1_key', 't_p1_nulls')"),
        "t_new Carry space, t_new_p1 Carry space, t_p1_key Carry space {fillfactor=77}, t_p1_nulls "
        "Carry space {fillfactor=66}");
    swap(*made);
    if (renamed) {
      EXPECT_EQ(value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = "
                      "'t'::regclass AND conname = 'fk'"),
                "FOREIGN KEY (a, b2) REFERENCES p(a, b) ON DELETE SET NULL (b2)");
    } else {
      expect_same(comparable(catalog_of("public.t")), comparable(before));
    }
    roll_back(*made);
    expect_same(catalog_of("public.t"), before);
  }
}

TEST_F(CarryDetailsTest, TheToolsOwnTriggersAreNotTheTables) {
  execute(
      "CREATE TABLE t (a int); CREATE SCHEMA pgfanout; CREATE FUNCTION pgfanout.refuse() RETURNS "
      "trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'; CREATE TRIGGER some_name BEFORE "
      "INSERT ON t FOR EACH ROW EXECUTE FUNCTION pgfanout.refuse(); CREATE FUNCTION f() RETURNS "
      "trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER pgfanout_fence BEFORE "
      "INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); CREATE TRIGGER mine BEFORE INSERT ON t FOR "
      "EACH ROW EXECUTE FUNCTION f()");
  const auto made = carry_plan(job_by_a());
  ASSERT_TRUE(succeeded(made));
  Lines triggers;
  for (const CarryStep& step : made->carry.attributes) {
    if (step.id.starts_with("trigger")) triggers.push_back(step.id);
  }
  EXPECT_THAT(triggers, ElementsAre("trigger mine"));
}

TEST_F(CarryDetailsTest, TheRestIsNamed) {
  execute(
      "CREATE EXTENSION btree_gist; CREATE TYPE base AS (a int, b int); CREATE TABLE typed OF "
      "base; CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (a int, b int) PARTITION BY HASH "
      "(a);CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE "
      "t_1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);ALTER TABLE t_0 ADD CONSTRAINT "
      "alike CHECK (b > 0); ALTER TABLE t_1 ADD CONSTRAINT alike CHECK (b > 0); ALTER TABLE t_0 "
      "ADD CONSTRAINT leaf_fk FOREIGN KEY (b) REFERENCES p;COMMENT ON TABLE t_0 IS 'x'; GRANT "
      "SELECT (a) ON t_1 TO PUBLIC; CREATE STATISTICS leaf_stats ON a, b FROM t_0; CREATE VIEW "
      "of_leaf AS SELECT * FROM t_1; CREATE TABLE by_default (x regclass DEFAULT 't'::regclass); "
      "ALTER EXTENSION btree_gist ADD TABLE t; ALTER EXTENSION btree_gist ADD TABLE typed");
  const auto typed = carry_plan(job_for("public.typed", "mod(a, 4)"));
  ASSERT_TRUE(succeeded(typed));
  EXPECT_THAT(left_behind(*typed), ElementsAre("extension btree_gist", "type public.base"));
  const auto made = carry_plan(job_by_a());
  ASSERT_TRUE(succeeded(made));
  EXPECT_THAT(left_behind(*made),
              ElementsAre("view public.of_leaf", "default value for public.by_default.x",
                          "extension btree_gist", "constraint alike of the leaves"));
  Lines named;
  for (const Issue& issue : made->carry.issues) {
    if (issue.code == "leaf-object") named.push_back(issue.message);
  }
  EXPECT_THAT(named, ElementsAre(HasSubstr("comment on the leaf on 1 of 2 leaves"),
                                 HasSubstr("foreign key leaf_fk on 1 of 2 leaves"),
                                 HasSubstr("grant on columns on 1 of 2 leaves"),
                                 HasSubstr("statistics leaf_stats on 1 of 2 leaves")));
  // Whatever is lost or not, the old leaf's foreign key does not outlive the swap.
  execute("ALTER EXTENSION btree_gist DROP TABLE t; INSERT INTO p VALUES (1)");
  const auto carried = carry(job_by_a());
  ASSERT_TRUE(carried);
  swap(*carried);
  EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE conname = 'leaf_fk'"), "0");
  roll_back(*carried);
  EXPECT_EQ(value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'leaf_fk' "
                  "AND conrelid = 't_0'::regclass"),
            "FOREIGN KEY (b) REFERENCES p(id)");
}

}  // namespace
}  // namespace pgfanout
