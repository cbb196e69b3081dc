// Sources that cannot be read whole, and keys and mappings over them.
#include "copier/catalog/server_facts.h"
#include "copier/plan/source_fitness.h"
#include "tests/integration/plan_fixture.h"

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::succeeded;

class PlanSourceTest : public testing::PlanFixture {
 protected:
  std::string make_role() const {
    const std::string role = "reader_" + database;
    execute("CREATE ROLE " + role + " LOGIN; GRANT CREATE ON SCHEMA public TO " + role);
    return role;
  }
  [[nodiscard]] Result<CopyPlan> plan_as(const std::string& role, const JobDescription& job) const {
    return plan_between(job, server().dsn(database, role), server().dsn(database, role));
  }
};

TEST_F(PlanSourceTest, PrivilegesAreNeededOnEveryLeaf) {
  execute(
      "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE t1 PARTITION OF t FOR VALUES IN "
      "(1); CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2)");
  const std::string role = make_role();
  const JobDescription job = job_for("t", "a % 4");
  expect_refused(plan_as(role, job), "no-privilege", {"public.t1", "GRANT SELECT", role});
  execute("GRANT SELECT ON t, t1 TO " + role);
  expect_refused(plan_as(role, job), "no-privilege", {"public.t2"});
  execute("GRANT SELECT ON t2 TO " + role);
  EXPECT_TRUE(succeeded(plan_as(role, job)));
  execute("REVOKE CREATE ON SCHEMA public FROM " + role + ", PUBLIC");
  expect_refused(plan_as(role, job), "no-privilege", {"GRANT CREATE ON SCHEMA public"});
}

TEST_F(PlanSourceTest, RowSecurityOfParentOrLeafIsRefused) {
  execute(
      "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE t1 PARTITION OF t FOR VALUES IN "
      "(1)");
  const std::string role = make_role();
  execute("GRANT SELECT ON t, t1 TO " + role + "; ALTER TABLE t ENABLE ROW LEVEL SECURITY");
  expect_refused(plan_as(role, job_for("t", "a % 4")), "row-security", {"public.t", "BYPASSRLS"});
  execute("ALTER TABLE t DISABLE ROW LEVEL SECURITY; ALTER TABLE t1 ENABLE ROW LEVEL SECURITY");
  expect_refused(plan_as(role, job_for("t", "a % 4")), "row-security", {"public.t"});
  // The owner and superusers see everything, unless it is forced on the owner.
  EXPECT_TRUE(succeeded(plan(job_for("t", "a % 4"))));
  execute("ALTER TABLE t1 DISABLE ROW LEVEL SECURITY; ALTER TABLE t OWNER TO " + role +
          "; ALTER TABLE t1 OWNER TO " + role + "; ALTER TABLE t ENABLE ROW LEVEL SECURITY");
  EXPECT_TRUE(succeeded(plan_as(role, job_for("t", "a % 4"))));
  execute("ALTER TABLE t FORCE ROW LEVEL SECURITY");
  expect_refused(plan_as(role, job_for("t", "a % 4")), "row-security");
}

TEST_F(PlanSourceTest, ForeignLeavesAreRefused) {
  execute(
      "CREATE TABLE parent (a int); CREATE EXTENSION file_fdw;"
      "CREATE TABLE t (a int) PARTITION BY LIST (a);"
      "CREATE SERVER f FOREIGN DATA WRAPPER file_fdw;"
      "CREATE FOREIGN TABLE ft PARTITION OF t FOR VALUES IN (1) SERVER f OPTIONS (filename "
      "'/dev/null'); CREATE FOREIGN TABLE fc () INHERITS (parent) SERVER f OPTIONS (filename "
      "'/dev/null')");
  expect_refused(plan(job_for("t", "a % 4")), "foreign-leaf",
                 {"public.ft", "ALTER TABLE public.t DETACH PARTITION public.ft"});
  expect_refused(plan(job_for("parent", "a % 4")), "foreign-leaf",
                 {"public.fc", "ALTER FOREIGN TABLE public.fc NO INHERIT public.parent"});
}

TEST_F(PlanSourceTest, SettingsThatDropDamagedRowsAreRefused) {
  execute("CREATE TABLE t (a int)");
  for (const char* setting : {"zero_damaged_pages", "ignore_checksum_failure"}) {
    execute("ALTER DATABASE " + database + " SET " + setting + " = on");
    expect_refused(plan(job_for("t", "a % 4")), "damaged-pages-hidden", {setting});
    execute("ALTER DATABASE " + database + " RESET " + setting);
  }
  EXPECT_TRUE(succeeded(plan(job_for("t", "a % 4"))));
}

TEST_F(PlanSourceTest, DefaultKeyComesFromTheFirstPartitionColumn) {
  execute(
      "CREATE TABLE t (id int, \"Coll Id\" varchar(20)) PARTITION BY HASH (\"Coll Id\", id);"
      "CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
      "CREATE TABLE plain (id int); CREATE TABLE e (a text) PARTITION BY HASH (lower(a))");
  const auto made = plan(job_for("t", "", 100));
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->key.expression.sql(), "abs(hashtext(\"Coll Id\"::text)) % 100");
  EXPECT_EQ(made->target.leaves.size(), 100U);
  EXPECT_THAT(made->stream.read_layout.key_fields, ElementsAre(1));
  expect_refused(plan(job_for("plain")), "no-key", {"--key"});
  expect_refused(plan(job_for("e")), "no-key", {"--key"});
}

TEST_F(PlanSourceTest, NondeterministicCollationsAndMissingFunctions) {
  execute(
      "CREATE COLLATION loose (provider = icu, locale = 'und', deterministic = false);"
      "CREATE TABLE t (a text COLLATE loose, b bytea)");
  expect_refused(plan(job_for("t", "abs(hashtext(a)) % 4")), "nondeterministic-collation", {"a"});
  // hashbytea came with 18.
  const auto bytes = plan(job_for("t", "abs(hashbytea(b)) % 4"));
  if (server().major() >= 18) {
    EXPECT_TRUE(succeeded(bytes));
  } else {
    ASSERT_FALSE(bytes);
    EXPECT_THAT(bytes.error().message, HasSubstr("hashbytea"));
  }
}

TEST_F(PlanSourceTest, MappingsAreUnderstoodByTheServer) {
  execute(
      "CREATE TABLE t (id uuid PRIMARY KEY, a int, b text); CREATE SEQUENCE s;"
      "CREATE FUNCTION seven() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 7';"
      "CREATE SCHEMA away; CREATE SEQUENCE away.z;"
      "CREATE FUNCTION away.eight() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 8'");
  const auto with = [&](const std::vector<ColumnMapping>& map) {
    JobDescription job = job_for("t", "a % 4");
    job.map = map;
    return plan(job);
  };
  expect_refused(with({{"b", "nothing + 1"}}), "bad-mapping", {"b", "nothing"});
  expect_refused(with({{"b", "count(*)"}}), "bad-mapping", {"aggregate"});
  expect_refused(with({{"b", "generate_series(1, 2)"}}), "bad-mapping", {"b"});
  expect_refused(with({{"b", "row_number() OVER ()"}}), "bad-mapping", {"b"});
  expect_refused(with({{"b", "a, b"}}), "bad-mapping", {"b"});
  expect_refused(with({{"b", ""}}), "bad-mapping", {"b"});
  expect_refused(with({{"b", "a)::text, (b"}}), "bad-mapping", {"b"});
  expect_refused(with({{"b", "eight()"}}), "bad-mapping", {"search_path", "schema."});
  expect_refused(with({{"b", "nextval('z')"}}), "bad-mapping", {"'schema.sequence'"});
  expect_refused(with({{"b", "ROW(1, 2)"}}), "bad-mapping", {"cast"});
  expect_refused(with({{"b", "a"}, {"B", "b"}}), "bad-mapping", {"twice"});
  expect_refused(with({{"partition_key", "a"}}), "bad-mapping", {"partition_key"});

  const auto made = with({{"b", "upper(b) -- louder"},
                          {"n", "public.seven()"},
                          {"id", "nextval('public.s')"},
                          {"legacy_id", "id"},
                          {"at", "now()"}});
  ASSERT_TRUE(succeeded(made));
  std::vector<std::string> names;
  std::vector<std::string> taken_once;
  for (const StreamColumn& column : made->stream.columns) {
    names.push_back(column.target_column);
    if (column.is_volatile) taken_once.push_back(column.target_column);
  }
  EXPECT_THAT(names, ElementsAre("id", "a", "b", "n", "legacy_id", "at", "partition_key"));
  EXPECT_THAT(taken_once, ElementsAre("id", "at"));
  const Issue* warning = find_issue(*made, "volatile-mapping");
  ASSERT_NE(warning, nullptr);
  EXPECT_EQ(warning->severity, Severity::info) << "legacy_id has the old identity";
  const auto lost = with({{"id", "nextval('public.s')"}});
  ASSERT_TRUE(succeeded(lost));
  EXPECT_EQ(find_issue(*lost, "volatile-mapping")->severity, Severity::warning);
  build(*made, database);
  EXPECT_EQ(
      value("SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER "
            "BY attnum) FROM pg_attribute WHERE attrelid = 't_new'::regclass AND attnum > 0"),
      "id bigint, a integer, b text, n integer, legacy_id uuid, at timestamp with time zone, "
      "partition_key integer");
  const auto session =
      server().rows(database, source_select(made->stream, made->source, SourceRange{}).sql());
  EXPECT_TRUE(session.empty());
}

TEST_F(PlanSourceTest, KeyColumnsMustArriveUnchanged) {
  execute("CREATE TABLE t (id int, c text, v varchar(5))");
  const auto with = [&](const std::vector<ColumnMapping>& map, const std::vector<std::string>& skip,
                        const std::string& key = "abs(hashtext(c)) % 4") {
    JobDescription job = job_for("t", key);
    job.map = map;
    job.skip = skip;
    return plan(job);
  };
  expect_refused(with({{"c", "upper(c)"}}, {}), "key-column-changed", {"c"});
  expect_refused(with({}, {"c"}), "key-column-changed", {"c"});
  expect_refused(with({}, {"nothing"}), "no-such-column", {"nothing"});
  const auto renamed = with({{"other", "c"}}, {"c"});
  ASSERT_TRUE(succeeded(renamed));
  EXPECT_THAT(renamed->key.sql_on_target, HasSubstr("\"other\""));
  EXPECT_EQ(renamed->stream.columns[1].target_column, "other")
      << "renamed columns keep their place";
  const auto both = with({{"c", "upper(c)"}, {"kept", "c"}}, {});
  ASSERT_TRUE(succeeded(both));
  EXPECT_THAT(both->key.sql_on_target, HasSubstr("\"kept\""));
  EXPECT_THAT(both->stream.read_layout.key_fields, ElementsAre(3));
}

TEST_F(PlanSourceTest, StoredKeysAreCheckedAndNotCopied) {
  execute(
      "CREATE TABLE t (partition_key smallint, id int, c text); CREATE TABLE bad (partition_key "
      "text, c text)");
  const auto made = plan(job_for("t", "abs(hashtext(c)) % 4"));
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->stream.read_layout.fields, 3);
  EXPECT_EQ(made->stream.read_layout.copied, 2);
  EXPECT_EQ(made->stream.read_layout.stored_key, 2);
  EXPECT_EQ(made->stream.read_layout.stored_key_type, KeyType::int2);
  EXPECT_EQ(made->stream.read_back_layout.stored_key_type, KeyType::int4);
  EXPECT_THAT(source_select(made->stream, made->source, SourceRange{}).sql(),
              HasSubstr("SELECT id, c, partition_key FROM"));
  expect_refused(plan(job_for("bad", "abs(hashtext(c)) % 4")), "key-column-taken",
                 {"--key-column"});
  JobDescription expression = job_for("t", "abs(hashtext(c)) % 4");
  expression.key_mode = KeyMode::expression;
  const auto listed = plan(expression);
  ASSERT_TRUE(succeeded(listed));
  EXPECT_EQ(listed->stream.read_layout.stored_key, 2);
  EXPECT_EQ(listed->stream.read_back_layout.stored_key, std::nullopt);
  EXPECT_EQ(listed->stream.read_back_layout.fields, 2);
  EXPECT_EQ(listed->stream.read_layout.written_key, KeyField::none);
  EXPECT_THAT(target_select(listed->stream, listed->target, SourceRange{}).sql(),
              HasSubstr("SELECT id, c FROM"));
}

TEST_F(PlanSourceTest, EncodingsMustBeEqual) {
  execute("CREATE TABLE t (a int)");
  for (const char* encoding : {"LATIN1", "SQL_ASCII"}) {
    const std::string other = server().create_database("enc", encoding);
    expect_refused(plan_to(job_for("t", "a % 4"), other), "encoding-differs", {encoding, "UTF8"});
    server().execute(other, "CREATE TABLE t (a int)");
    EXPECT_TRUE(
        succeeded(plan_between(job_for("t", "a % 4"), server().dsn(other), server().dsn(other))));
  }
}

TEST_F(PlanSourceTest, WideTables) {
  execute(
      "DO $$ BEGIN EXECUTE (SELECT 'CREATE TABLE wide (' || string_agg('c' || i || ' int', ', ') "
      "|| "
      "')' FROM generate_series(1, 1600) i); END $$");
  JobDescription job = job_for("wide", "c1 % 4");
  expect_refused(plan(job), "too-many-columns", {"1601", "--skip"});
  job.skip = {"c1600"};
  EXPECT_TRUE(succeeded(plan(job)));
  job.skip.clear();
  job.key_mode = KeyMode::expression;
  const auto made = plan(job);
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->stream.read_layout.fields, 1600);
}

TEST_F(PlanSourceTest, StandbysAndClonesAreOtherServers) {
  ServerFacts one;
  one.system_identifier = "7";
  one.started_at = "2024-01-01";
  one.database_oid = 5;
  ServerFacts other = one;
  EXPECT_TRUE(is_same_database(one, other));
  other.started_at = "2024-01-02";
  EXPECT_FALSE(is_same_server(one, other));
  EXPECT_FALSE(is_same_database(one, other));
  other = one;
  other.database_oid = 6;
  EXPECT_TRUE(is_same_server(one, other));
  EXPECT_FALSE(is_same_database(one, other));
}

}  // namespace
}  // namespace pgfanout
