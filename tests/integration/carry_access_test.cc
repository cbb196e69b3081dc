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

TEST_F(CarryAccessTest, TenThousandLeavesNeedNoMoreQueries) {
  execute(
      "CREATE TABLE t (a int PRIMARY KEY, b int, c text); CREATE INDEX ON t (b); CREATE INDEX ON t "
      "(c); ALTER TABLE t REPLICA IDENTITY FULL; ALTER TABLE t ADD CHECK (b > 0)");
  const JobDescription job = job_for("public.t", "mod(a, 10000)", 10000);
  const auto made = carry_plan(job);
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->carry.leaf_indexes.size(), 30000U);
  EXPECT_EQ(made->carry.leaf_constraints.size(), 10000U);
  EXPECT_EQ(made->carry.leaf_indexes[19999].sql,
            "CREATE INDEX \"t_p9999_b_idx\" ON public.t_new_p9999 USING btree (b)");
}

}  // namespace
}  // namespace pgfanout
