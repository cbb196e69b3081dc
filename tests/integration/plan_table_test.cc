// describe_table(): names as psql finds them, what is no table, and what the catalog says of the
// rest.
#include "copier/catalog/table.h"

#include "tests/integration/plan_fixture.h"

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::succeeded;

class PlanTableTest : public testing::PlanFixture {
 protected:
  [[nodiscard]] Result<Table> describe(const std::string& name) const {
    Connection connection = open();
    return describe_table(connection, name);
  }
  void expect_no_table(const std::string& name, const std::string& code,
                       const std::string& word) const {
    const auto table = describe(name);
    ASSERT_FALSE(table) << name;
    EXPECT_EQ(table.error().code, code) << name;
    EXPECT_THAT(table.error().message + " | " + table.error().hint, HasSubstr(word)) << name;
  }
};

TEST_F(PlanTableTest, FindsNamesAsPsqlWould) {
  execute(
      "CREATE SCHEMA app; CREATE SCHEMA other; CREATE TABLE app.t (in_app int);"
      "CREATE TABLE public.t (in_public int); CREATE TABLE public.\"T\" (in_capital int);"
      "CREATE TABLE other.t (in_other int)");
  EXPECT_EQ(describe("t")->columns[0].name, "in_public");
  EXPECT_EQ(describe("T")->columns[0].name, "in_public");
  EXPECT_EQ(describe("\"T\"")->columns[0].name, "in_capital");
  EXPECT_EQ(describe("other.t")->qualified, "other.t");
  execute("ALTER DATABASE " + database + " SET search_path = app, public");
  EXPECT_EQ(describe("t")->columns[0].name, "in_app");
  // A role's own setting wins over the database's, and the connection string's over both.
  const std::string role = "finder_" + database;
  execute("CREATE ROLE " + role + " LOGIN; GRANT USAGE ON SCHEMA other TO " + role +
          "; ALTER ROLE " + role + " SET search_path = other");
  Connection as_role = open_as(role);
  EXPECT_EQ(describe_table(as_role, "t")->columns[0].name, "in_other");
  Connection with_options = open(server().dsn(database) + " options='-c search_path=other'");
  EXPECT_EQ(describe_table(with_options, "t")->columns[0].name, "in_other");
  // "$user" is the role's own schema.
  execute("CREATE SCHEMA " + role + " AUTHORIZATION " + role + "; CREATE TABLE " + role +
          ".t (in_own int); ALTER ROLE " + role +
          " SET search_path = '$user', public; GRANT ALL ON "
          "SCHEMA " +
          role + " TO " + role);
  Connection with_own = open_as(role);
  EXPECT_EQ(describe_table(with_own, "t")->columns[0].name, "in_own");
}

TEST_F(PlanTableTest, SearchPathIsEmptyAgainAfterwards) {
  execute("CREATE TABLE t (a int)");
  Connection connection = open();
  const auto path = [&] { return connection.query("SHOW search_path")->str(0, 0); };
  const std::string before = path();
  ASSERT_TRUE(succeeded(describe_table(connection, "t")));
  EXPECT_EQ(path(), before);
  EXPECT_FALSE(describe_table(connection, "nothing"));
  EXPECT_EQ(path(), before);
  ASSERT_TRUE(connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ"));
  ASSERT_TRUE(succeeded(describe_table(connection, "t")));
  EXPECT_EQ(path(), before);
  ASSERT_TRUE(connection.run("ROLLBACK"));
  EXPECT_EQ(path(), before);
}

TEST_F(PlanTableTest, HostileNames) {
  const std::string long_name(63, 'n');
  execute(
      "CREATE SCHEMA \"My \"\"S\"; CREATE TABLE \"My \"\"S\".\"it's a \"\"table\"\"; --\" (\"Id "
      "1\" "
      "int, \"select\" text, \"gr\xc3\xb6\xc3\x9f"
      "e\" text); CREATE TABLE " +
      long_name + " (a int)");
  const auto table = describe("\"My \"\"S\".\"it's a \"\"table\"\"; --\"");
  ASSERT_TRUE(succeeded(table));
  EXPECT_EQ(table->name, "it's a \"table\"; --");
  EXPECT_EQ(table->columns[0].quoted, "\"Id 1\"");
  EXPECT_EQ(table->columns[1].quoted, "\"select\"");
  EXPECT_EQ(table->columns[2].name,
            "gr\xc3\xb6\xc3\x9f"
            "e");
  EXPECT_EQ(describe(long_name)->name, long_name);
  // As psql does, with a longer one.
  EXPECT_EQ(describe(long_name + "xyz")->name, long_name);
}

TEST_F(PlanTableTest, WhatIsNoTableIsNamed) {
  execute(
      "CREATE TABLE chunks (a int PRIMARY KEY); CREATE VIEW v AS SELECT 1 AS a;"
      "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE SEQUENCE s; CREATE TYPE c AS (a int);"
      "CREATE EXTENSION file_fdw; CREATE SERVER f FOREIGN DATA WRAPPER file_fdw;"
      "CREATE FOREIGN TABLE ft (a int) SERVER f OPTIONS (filename '/dev/null');"
      "CREATE SCHEMA attic; CREATE TABLE attic.hidden (a int)");
  expect_no_table("v", "not-a-table", "a view");
  expect_no_table("m", "not-a-table", "a materialized view");
  expect_no_table("s", "not-a-table", "a sequence");
  expect_no_table("c", "not-a-table", "a composite type");
  expect_no_table("ft", "not-a-table", "a foreign table");
  expect_no_table("chunks_pkey", "not-a-table", "an index");
  expect_no_table("pg_class", "system-table", "pg_class");
  expect_no_table("information_schema.sql_features", "system-table", "sql_features");
  expect_no_table("chunk", "no-such-table", "did you mean chunks?");
  expect_no_table("hidden", "no-such-table", "attic.hidden");
  expect_no_table("attic.hiden", "no-such-table", "did you mean hidden?");
  expect_no_table("a-b", "bad-name", "double quotes");
  expect_no_table("db.schema.name", "bad-name", "db.schema.name");
}

TEST_F(PlanTableTest, TemporaryTablesAreRefused) {
  Connection connection = open();
  ASSERT_TRUE(connection.run("CREATE TEMP TABLE t (a int)"));
  const auto table = describe_table(connection, "t");
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, "temporary-table");
}

TEST_F(PlanTableTest, ColumnsAsTheCatalogHasThem) {
  execute(
      "CREATE TYPE mood AS ENUM ('ok'); CREATE DOMAIN positive AS int CHECK (value > 0);"
      "CREATE DOMAIN more AS positive; CREATE COLLATION loose (provider = icu, locale = 'und', "
      "deterministic = false);"
      "CREATE TABLE t (gone int, id bigint GENERATED ALWAYS AS IDENTITY, v varchar(20) NOT NULL "
      "DEFAULT 'x', m mood[], d more, c text COLLATE \"C\", l text COLLATE loose, "
      "g int GENERATED ALWAYS AS (length(v) + d) STORED, b bytea, PRIMARY KEY (id, v));"
      "ALTER TABLE t DROP COLUMN gone; ALTER TABLE t ALTER b SET STORAGE EXTERNAL, ALTER b SET "
      "COMPRESSION pglz, ALTER v SET STATISTICS 500");
  const auto table = describe("t");
  ASSERT_TRUE(succeeded(table));
  ASSERT_THAT(table->columns, SizeIs(8));
  EXPECT_EQ(table->columns[0].identity, 'a');
  EXPECT_EQ(table->columns[0].number, 2);
  const Column& text = *table->find("v");
  EXPECT_EQ(text.type_sql, "character varying(20)");
  EXPECT_EQ(text.type_modifier, 24);
  EXPECT_EQ(text.default_sql, "'x'::character varying");
  EXPECT_EQ(text.statistics, 500);
  EXPECT_TRUE(text.is_not_null);
  const Column& moods = *table->find("m");
  EXPECT_EQ(moods.type_sql, "public.mood[]");
  EXPECT_EQ(moods.element_type_type, 'e');
  EXPECT_NE(moods.element_type_oid, 0U);
  const Column& domain = *table->find("d");
  EXPECT_EQ(domain.type_sql, "public.more");
  EXPECT_EQ(domain.type_type, 'd');
  EXPECT_EQ(domain.base_type_oid, 23U);
  EXPECT_EQ(table->find("c")->collation, "pg_catalog.\"C\"");
  EXPECT_TRUE(table->find("c")->is_deterministic);
  EXPECT_FALSE(table->find("l")->is_deterministic);
  const Column& generated = *table->find("g");
  EXPECT_EQ(generated.generated, 's');
  EXPECT_THAT(generated.generated_from, ElementsAre(3, 5));
  const Column& bytes = *table->find("b");
  EXPECT_EQ(bytes.storage, 'e');
  EXPECT_EQ(bytes.type_storage, 'x');
  EXPECT_EQ(bytes.compression, 'p');
  EXPECT_THAT(table->primary_key, ElementsAre("id", "v"));
  EXPECT_EQ(table->find("gone"), nullptr);
}

TEST_F(PlanTableTest, LeavesOfEveryDepth) {
  execute(
      "CREATE TABLE t (a int, b text) PARTITION BY HASH (lower(b), a);"
      "CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
      "CREATE TABLE t2 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY LIST "
      "(a);"
      "CREATE TABLE t2x PARTITION OF t2 FOR VALUES IN (1, NULL); CREATE TABLE t2d PARTITION OF t2 "
      "DEFAULT; INSERT INTO t SELECT i, 'x' FROM generate_series(1, 1000) i; ANALYZE;"
      "CREATE TABLE plain (a int); CREATE TABLE empty (a int) PARTITION BY LIST (a);"
      "CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent)");
  const auto table = describe("t");
  ASSERT_TRUE(succeeded(table));
  EXPECT_EQ(table->kind, 'p');
  EXPECT_EQ(table->strategy, 'h');
  EXPECT_THAT(table->partition_columns, ElementsAre("", "a"));
  ASSERT_THAT(table->leaves, SizeIs(3));
  EXPECT_EQ(table->leaves[0].qualified, "public.t1");
  EXPECT_EQ(table->leaves[1].bound, "DEFAULT");
  EXPECT_EQ(table->leaves[2].bound, "FOR VALUES IN (1, NULL)");
  EXPECT_THAT(table->subpartitioned, ElementsAre("public.t2"));
  EXPECT_EQ(table->estimated_rows, 1000U);
  std::uint64_t blocks = 0;
  for (const Leaf& leaf : table->leaves) blocks += leaf.blocks;
  EXPECT_GT(blocks, 0U);

  const auto plain = describe("plain");
  ASSERT_THAT(plain->leaves, SizeIs(1));
  EXPECT_EQ(plain->leaves[0].oid, plain->oid);
  EXPECT_EQ(plain->leaves[0].access_method, "heap");
  EXPECT_EQ(plain->strategy, 0);
  EXPECT_THAT(describe("empty")->leaves, IsEmpty());
  const auto parent = describe("parent");
  ASSERT_THAT(parent->leaves, SizeIs(2));
  EXPECT_EQ(parent->leaves[0].qualified, "public.child");
  EXPECT_TRUE(parent->has_heirs());
  EXPECT_FALSE(describe("child")->has_heirs());
  EXPECT_FALSE(table->has_heirs());
  // A partition is described as itself.
  EXPECT_THAT(describe("t2")->leaves, SizeIs(2));
  EXPECT_THAT(describe("t2x")->leaves, SizeIs(1));
}

TEST_F(PlanTableTest, ToastCountsInSizes) {
  execute(
      "CREATE TABLE t (a text); ALTER TABLE t ALTER a SET STORAGE EXTERNAL;"
      "INSERT INTO t SELECT repeat('x', 500000) FROM generate_series(1, 10)");
  const auto table = describe("t");
  ASSERT_TRUE(succeeded(table));
  EXPECT_EQ(table->leaves[0].blocks, 1U);
  EXPECT_GT(table->leaves[0].total_bytes, 5000000U);
}

TEST_F(PlanTableTest, SixteenHundredColumns) {
  execute(
      "DO $$ BEGIN EXECUTE (SELECT 'CREATE TABLE wide (' || string_agg('c' || i || ' int', ', ') "
      "|| "
      "')' FROM generate_series(1, 1600) i); END $$");
  const auto table = describe("wide");
  ASSERT_TRUE(succeeded(table));
  EXPECT_THAT(table->columns, SizeIs(1600));
}

}  // namespace
}  // namespace pgfanout
