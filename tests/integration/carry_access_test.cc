// Owner, grants and row security, carried over by a role that is no superuser.
#include "tests/integration/carry_fixture.h"

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Lines;
using testing::succeeded;

class CarryAccessTest : public testing::CarryFixture {
 protected:
  void SetUp() override {
    CarryFixture::SetUp();
    execute(
        "DO $$ BEGIN CREATE ROLE carry_owner; CREATE ROLE carry_mover LOGIN IN ROLE carry_owner; "
        "CREATE ROLE carry_reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    execute("GRANT CREATE, USAGE ON SCHEMA public TO carry_owner");
  }
};

TEST_F(CarryAccessTest, AMemberOfTheOwnerCarriesItAll) {
  execute(
      "SET ROLE carry_owner; CREATE TABLE t (a int PRIMARY KEY, b text, i int GENERATED ALWAYS AS "
      "IDENTITY); GRANT USAGE ON SEQUENCE t_i_seq TO carry_mover, carry_reader; CREATE INDEX ON t "
      "(b);"
      "CREATE POLICY p ON t USING (true); ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
      "CREATE STATISTICS st ON a, b FROM t; CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t;"
      "CREATE VIEW v AS SELECT * FROM t; GRANT SELECT ON t, m TO carry_reader, carry_mover WITH "
      "GRANT "
      "OPTION; GRANT UPDATE (b) ON t TO carry_mover; INSERT INTO t (a, b) SELECT n, n FROM "
      "generate_series(1, 40) n; RESET ROLE; SET SESSION AUTHORIZATION carry_mover; "
      "ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO carry_reader");
  const Lines before = catalog_of("public.t");
  const JobDescription job = job_for("public.t", "mod(a, 4)");
  Connection source = open_as("carry_mover");
  Connection target = open_as("carry_mover");
  auto copy = make_copy_plan(job, source, target);
  ASSERT_TRUE(succeeded(copy));
  auto plan = make_carry_plan(request(job, *copy), source, target);
  ASSERT_TRUE(succeeded(plan));
  const Carried made{std::move(*copy), std::move(*plan)};
  EXPECT_THAT(left_behind(made), IsEmpty());
  make_target(made, database, "carry_mover");
  run_steps(made, database, "carry_mover");
  swap(made);
  Lines after = without(catalog_of("public.t"), ", partition_key");
  after.erase(std::remove_if(after.begin(), after.end(),
                             [](const std::string& line) {
                               return line.starts_with("constraint partition_key_check") ||
                                      line == "column partition_key" || line.starts_with("leaves ");
                             }),
              after.end());
  // Where the table was no partitioned one, it was a leaf too.
  Lines wanted = before;
  wanted.erase(std::remove_if(wanted.begin(), wanted.end(),
                              [](const std::string& line) { return line.starts_with("leaves "); }),
               wanted.end());
  expect_same(after, wanted);
  roll_back(made);
  expect_same(catalog_of("public.t"), before);
}

TEST_F(CarryAccessTest, GrantsOfLeavesAreCarriedWhereTheyAreAlike) {
  execute(
      "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE t_0 PARTITION OF t FOR VALUES IN "
      "(0); CREATE TABLE t_1 PARTITION OF t DEFAULT; GRANT SELECT ON t_0, t_1 TO carry_reader");
  auto made = carry(job_for("public.t", "mod(a, 4)"));
  ASSERT_TRUE(made);
  EXPECT_EQ(
      value("SELECT string_agg(DISTINCT relacl::text, ' or ') FROM pg_class WHERE relname LIKE "
            "'t_new_p_'"),
      server().major() >= 17 ? "{postgres=arwdDxtm/postgres,carry_reader=r/postgres}"
                             : "{postgres=arwdDxt/postgres,carry_reader=r/postgres}");
  execute("GRANT INSERT ON t_0 TO carry_reader; DROP TABLE t_new");
  made = carry(job_for("public.t", "mod(a, 4)"));
  ASSERT_TRUE(made);
  EXPECT_THAT(issue_codes(*made), ElementsAre("leaf-object"));
  EXPECT_EQ(value("SELECT count(relacl) FROM pg_class WHERE relname LIKE 't_new_p_'"), "0");
}

TEST_F(CarryAccessTest, GrantsOnColumnsCoverTheKeyThatTheyNeed) {
  execute(
      "DO $$ BEGIN CREATE ROLE carry_writer; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
      "CREATE TABLE t (a int, b text, c text, PRIMARY KEY (a)); INSERT INTO t SELECT n, 'b', 'c' "
      "FROM generate_series(1, 20) n; GRANT INSERT (a, b), SELECT (a, b), REFERENCES (a), UPDATE "
      "(a) ON t TO carry_writer; GRANT INSERT ON t TO carry_mover; GRANT INSERT (b) ON t TO "
      "carry_mover; GRANT SELECT (b), UPDATE (b) ON t TO carry_reader WITH GRANT OPTION;"
      "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC");
  const Lines before = catalog_of("public.t");
  const auto made = carry(job_for("public.t", "mod(a, 4)"));
  ASSERT_TRUE(made);
  EXPECT_EQ(
      made->carry.key_grants,
      (Lines{"EXECUTE on function public.t_partition_key(integer) to carry_mover, "
             "carry_reader, carry_writer",
             "INSERT (partition_key) to carry_writer", "REFERENCES (partition_key) to carry_writer",
             "SELECT (partition_key) to carry_writer", "UPDATE (partition_key) to carry_writer"}));
  swap(*made);
  EXPECT_EQ(value("SELECT attacl FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = "
                  "'partition_key'"),
            "{carry_writer=arwx/postgres}");
  execute(
      "SET ROLE carry_writer; INSERT INTO t (a, b, partition_key) VALUES (77, 'b', "
      "t_partition_key(77)); UPDATE t SET a = 78, partition_key = t_partition_key(78) WHERE a = 77 "
      "AND partition_key = t_partition_key(77)");
  roll_back(*made);
  expect_same(catalog_of("public.t"), before);
  EXPECT_EQ(value("SELECT to_regproc('t_partition_key') IS NULL"), "t");
}

TEST_F(CarryAccessTest, AGeneratedKeyIsReadAndNotWritten) {
  execute(
      "CREATE TABLE t (a int PRIMARY KEY, b text); GRANT INSERT (a, b), SELECT (a, b) ON t TO "
      "carry_reader");
  JobDescription job = job_for("public.t", "mod(a, 4)");
  job.key_mode = KeyMode::generated;
  const auto made = carry(job);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->carry.key_grants, Lines{"SELECT (partition_key) to carry_reader"});
}

TEST_F(CarryAccessTest, EachGrantIsMadeByItsGrantor) {
  execute(
      "DO $$ BEGIN CREATE ROLE carry_writer; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
      "SET ROLE carry_owner; CREATE TABLE t (a int PRIMARY KEY, b text); CREATE TABLE bare (a int "
      "PRIMARY KEY); REVOKE ALL ON bare FROM carry_owner; GRANT SELECT, UPDATE ON t TO carry_mover "
      "WITH GRANT OPTION; REVOKE DELETE ON t FROM carry_owner; SET ROLE carry_mover; GRANT SELECT "
      "ON t TO carry_writer WITH GRANT OPTION; GRANT UPDATE (b) ON t TO carry_reader; SET ROLE "
      "carry_writer; GRANT SELECT ON t TO carry_reader; RESET ROLE; ALTER DEFAULT PRIVILEGES GRANT "
      "DELETE ON TABLES TO carry_reader; ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO "
      "PUBLIC");
  const std::string acl =
      "SELECT string_agg(x, ' ' ORDER BY x) FROM (SELECT x::text FROM pg_class c, unnest(c.relacl) "
      "x WHERE c.oid = 't'::regclass UNION ALL SELECT a.attname || ' ' || x::text FROM "
      "pg_attribute "
      "a, unnest(a.attacl) x WHERE a.attrelid = 't'::regclass) all_of_it(x)";
  const std::string before = value(acl);
  EXPECT_THAT(before, HasSubstr("carry_reader=r/carry_writer"));
  const auto bare = carry(job_for("public.bare", "mod(a, 4)"));
  ASSERT_TRUE(bare);
  EXPECT_EQ(value("SELECT relacl FROM pg_class WHERE relname = 'bare_new'"),
            value("SELECT relacl FROM pg_class WHERE relname = 'bare'"));
  auto made = carry(job_for("public.t", "mod(a, 4)"));
  ASSERT_TRUE(made);
  swap(*made);
  EXPECT_EQ(value(acl), before);
  roll_back(*made);
  // A role that cannot become the grantors lets the owner grant.
  Connection source = open_as("carry_mover");
  Connection target = open_as("carry_mover");
  const JobDescription job = job_for("public.t", "mod(a, 4)");
  auto copy = make_copy_plan(job, source, target);
  ASSERT_TRUE(succeeded(copy));
  auto plan = make_carry_plan(request(job, *copy), source, target);
  ASSERT_TRUE(succeeded(plan));
  const Carried weaker{std::move(*copy), std::move(*plan)};
  EXPECT_THAT(issue_codes(weaker), ElementsAre("key-extended", "grantor-changes"));
  make_target(weaker, database, "carry_mover");
  run_steps(weaker, database, "carry_mover");
  EXPECT_THAT(value("SELECT relacl::text FROM pg_class WHERE relname = 't_new'"),
              HasSubstr("carry_reader=r/carry_owner"));
}

TEST_F(CarryAccessTest, TenThousandLeavesNeedNoMoreQueries) {
  execute(
      "CREATE TABLE t (a int PRIMARY KEY, b int, c text); CREATE INDEX ON t (b); CREATE INDEX ON t "
      "(c); ALTER TABLE t REPLICA IDENTITY FULL; ALTER TABLE t ADD CHECK (b > 0)");
  const JobDescription job = job_for("public.t", "mod(a, 10000)", 10000);
  const auto made = carry_plan(job);
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->carry.leaf_indexes.size(), 30000U);
  EXPECT_EQ(made->carry.leaf_constraints.size(), 20000U) << "checks, then the replica identity";
  EXPECT_EQ(made->carry.leaf_indexes[19999].sql,
            "CREATE INDEX \"t_p9999_b_idx\" ON public.t_new_p9999 USING btree (b)");
}

}  // namespace
}  // namespace pgfanout
