// Types that travel, types whose values carry OIDs of one database, and types that one side lacks.
#include "tests/integration/plan_fixture.h"

namespace pgfanout {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::succeeded;

class PlanTypesTest : public testing::PlanFixture {
 protected:
  void SetUp() override {
    PlanFixture::SetUp();
    other = server().create_database("other");
  }
  static constexpr const char* kTypes =
      "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE plain_pair AS (a int, b text);"
      "CREATE TYPE mood_pair AS (a int, b mood); CREATE DOMAIN moods AS mood[];"
      "CREATE DOMAIN short AS varchar(10)";

  std::string other;
};

TEST_F(PlanTypesTest, TypesThatNeedNothing) {
  execute(kTypes);
  // So that OIDs differ.
  server().execute(other, "CREATE TABLE filler ()");
  server().execute(other, kTypes);
  execute(
      "CREATE TABLE t (id int, m mood, p plain_pair, s short, r int4range, n numeric[], j jsonb, "
      "o oid, x xml, i inet, b bit(3), v tsvector, mr nummultirange)");
  const auto made = plan_to(job_for("t", "id % 4"), other);
  ASSERT_TRUE(succeeded(made));
  EXPECT_FALSE(made->same_database);
  EXPECT_THAT(made->stream.read_layout.oid_patches, IsEmpty());
}

TEST_F(PlanTypesTest, ArraysOfLocalTypesArePatched) {
  execute(kTypes);
  server().execute(other, "CREATE TABLE filler ()");
  server().execute(other, kTypes);
  execute(
      "CREATE TABLE t (id int, m mood[], d moods, p plain_pair[], s short[], mm mood[][], "
      "plain text[])");
  const auto made = plan_to(job_for("t", "id % 4"), other);
  ASSERT_TRUE(succeeded(made));
  ASSERT_THAT(made->stream.read_layout.oid_patches, SizeIs(5));
  EXPECT_THAT(made->stream.read_back_layout.oid_patches, IsEmpty());
  const OidPatch& first = made->stream.read_layout.oid_patches.front();
  EXPECT_EQ(first.field, 1);
  ASSERT_THAT(first.shape.parts, SizeIs(1));
  const TypeShape& element = first.shape.parts.front();
  EXPECT_EQ(std::to_string(element.from_oid), value("SELECT 'mood'::regtype::oid"));
  EXPECT_EQ(std::to_string(element.to_oid), server().value(other, "SELECT 'mood'::regtype::oid"));
  // In one database nothing differs.
  const auto near = plan(job_for("t", "id % 4"));
  ASSERT_TRUE(succeeded(near));
  EXPECT_TRUE(near->same_database);
  EXPECT_THAT(near->stream.read_layout.oid_patches, IsEmpty());
}

TEST_F(PlanTypesTest, RegTypesAreRefused) {
  execute(kTypes);
  server().execute(other, kTypes);
  execute(
      "CREATE TABLE a (id int, p mood_pair); CREATE TABLE b (id int, p mood_pair[]);"
      "CREATE TABLE c (id int, r regclass); CREATE TABLE d (id int, r regtype[]);"
      "CREATE TABLE e (id int, p pg_catalog.aclitem)");
  EXPECT_TRUE(succeeded(plan_to(job_for("a", "id % 4"), other)));
  EXPECT_TRUE(succeeded(plan_to(job_for("b", "id % 4"), other)));
  expect_refused(plan_to(job_for("c", "id % 4"), other), "local-oids", {"regclass", "--skip"});
  expect_refused(plan_to(job_for("d", "id % 4"), other), "local-oids", {"regtype"});
  for (const char* table : {"a", "b", "c", "d"}) {
    EXPECT_TRUE(succeeded(plan(job_for(table, "id % 4")))) << table;
  }
  expect_refused(plan(job_for("e", "id % 4")), "no-binary-form", {"aclitem", "::text"});
  JobDescription as_text = job_for("a", "id % 4");
  as_text.map = {{"p", "p::text"}};
  EXPECT_TRUE(succeeded(plan_to(as_text, other)));
}

TEST_F(PlanTypesTest, TypesThatTheTargetLacksAreNamed) {
  execute(kTypes);
  execute("CREATE TABLE t (id int, m mood[])");
  expect_refused(plan_to(job_for("t", "id % 4"), other), "type-missing", {"public.mood"});
  server().execute(other, "CREATE TYPE mood AS ENUM ('ok', 'glad')");
  expect_refused(plan_to(job_for("t", "id % 4"), other), "type-differs", {"'sad'", "ADD VALUE"});
  server().execute(other, "ALTER TYPE mood ADD VALUE 'sad'");
  EXPECT_TRUE(succeeded(plan_to(job_for("t", "id % 4"), other)));
}

TEST_F(PlanTypesTest, ExistingTargetsGetTheirOwnTypes) {
  execute(
      "CREATE TABLE t (id int, a text, b varchar(20), c char(5), d json, e int);"
      "CREATE TABLE n (e bigint, d jsonb, c char(8), b varchar(10), a text, id int, k int) "
      "PARTITION BY LIST (k); CREATE TABLE n0 PARTITION OF n FOR VALUES IN (0, 1, 2, 3)");
  JobDescription job = job_for("t", "id % 4");
  job.into = "n";
  job.key_column = "k";
  const auto made = plan(job);
  ASSERT_TRUE(succeeded(made));
  const std::string select = source_select(made->stream, made->source, SourceRange{}).sql();
  EXPECT_THAT(select, StartsWith("SELECT e::bigint, d::jsonb, "
                                 "pg_catalog.\"bpchar\"(c::pg_catalog.\"bpchar\", 12, false), "
                                 "pg_catalog.\"varchar\"(b::pg_catalog.\"varchar\", 14, false), a, "
                                 "id FROM ONLY public.t"));
  EXPECT_EQ(made->stream.written_columns, "(e, d, c, b, a, id, k)");
  EXPECT_NE(find_issue(*made, "type-converted"), nullptr);
  // Too long is an error, never cut.
  execute("INSERT INTO t VALUES (1, 'x', 'longer than ten', 'abcde')");
  EXPECT_THROW(execute(select), harness::ServerError);
  execute("UPDATE t SET b = 'short'");
  EXPECT_EQ(server().rows(database, select)[0][2], "abcde   ");
}

}  // namespace
}  // namespace pgfanout
