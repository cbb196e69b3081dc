// Targets that exist: what is accepted whatever it looks like, and what is refused and why.
#include "tests/integration/plan_fixture.h"

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::succeeded;

class PlanTargetTest : public testing::PlanFixture {
 protected:
  void SetUp() override {
    PlanFixture::SetUp();
    execute("CREATE TABLE t (id int NOT NULL, c text, n int)");
  }
  [[nodiscard]] static JobDescription job() {
    JobDescription made = job_for("t", "abs(hashtext(c)) % 4");
    made.into = "x";
    return made;
  }
  void make_target(const std::string& columns, const std::string& key = "partition_key") const {
    execute("CREATE TABLE x (" + columns + ") PARTITION BY LIST (" + key + ")");
  }
  void make_leaves() const {
    execute(
        "CREATE TABLE x0 PARTITION OF x FOR VALUES IN (0); CREATE TABLE x1 PARTITION OF x FOR "
        "VALUES "
        "IN (1); CREATE TABLE x2 PARTITION OF x FOR VALUES IN (2); CREATE TABLE x3 PARTITION OF x "
        "FOR VALUES IN (3)");
  }
  /// The leaf that takes a key, or "".
  static std::string leaf_of(const CopyPlan& made, std::int64_t key) {
    const KeyOutcome outcome{KeyState::ok, key};
    const std::uint32_t leaf = leaves_of(*made.target.layout, {&outcome, 1}).front();
    return leaf == Layout::kNoLeaf ? "" : made.target.leaves[leaf].qualified;
  }
  static constexpr const char* kColumns = "id int, c text, n int, partition_key int";
};

TEST_F(PlanTargetTest, BoundsCountNotNames) {
  make_target("n int, partition_key bigint NOT NULL, c text, id int");
  execute(
      "CREATE SCHEMA s; CREATE TABLE s.\"Odd One\" PARTITION OF x FOR VALUES IN (3, 0, NULL, 77);"
      "CREATE TABLE x_p00 PARTITION OF x FOR VALUES IN (2);"
      "CREATE TABLE a PARTITION OF x FOR VALUES IN (1); CREATE TABLE rest PARTITION OF x DEFAULT;"
      "CREATE TABLE beyond PARTITION OF x FOR VALUES IN (-5)");
  const auto made = plan(job());
  ASSERT_TRUE(succeeded(made));
  EXPECT_FALSE(made->target.is_new);
  ASSERT_EQ(made->target.leaves.size(), 4U);
  EXPECT_EQ(leaf_of(*made, 0), "s.\"Odd One\"");
  EXPECT_EQ(leaf_of(*made, 3), "s.\"Odd One\"");
  EXPECT_EQ(leaf_of(*made, 1), "public.a");
  EXPECT_EQ(leaf_of(*made, 2), "public.x_p00");
  EXPECT_EQ(leaf_of(*made, 4), "") << "never the default partition";
  EXPECT_EQ(made->stream.read_layout.written_key, KeyField::int8);
  EXPECT_EQ(made->stream.written_columns, "(n, c, id, partition_key)");
  EXPECT_TRUE(made->ddl.create.empty());
  EXPECT_NE(made->target.leaves[0].oid, 0U);
}

TEST_F(PlanTargetTest, MissingLeavesAreNamed) {
  make_target(kColumns);
  execute("CREATE TABLE x1 PARTITION OF x FOR VALUES IN (1)");
  expect_refused(plan(job()), "leaf-missing", {"3 of 4", "0, 2, 3", "--partitions"});
  execute("CREATE TABLE rest PARTITION OF x DEFAULT");
  expect_refused(plan(job()), "leaf-missing", {"public.rest", "default"});
  JobDescription many = job();
  many.partitions = 100;
  expect_refused(plan(many), "leaf-missing", {"and 89 more"});
}

TEST_F(PlanTargetTest, OtherShapesAreRefusedByName) {
  const auto refused_as = [&](const std::string& sql, const std::string& code,
                              const std::vector<std::string>& words) {
    execute(sql);
    expect_refused(plan(job()), code, words);
    execute("DROP TABLE IF EXISTS x CASCADE");
  };
  refused_as("CREATE TABLE x (id int)", "not-partitioned", {"public.x"});
  refused_as("CREATE TABLE x (partition_key int) PARTITION BY HASH (partition_key)",
             "key-and-layout", {"HASH"});
  refused_as("CREATE TABLE x (partition_key text) PARTITION BY LIST (partition_key)",
             "key-and-layout", {"LIST (partition_key)"});
  refused_as("CREATE TABLE x (id int, partition_key text) PARTITION BY LIST ((id % 4))",
             "key-column-type", {"text"});
  refused_as("CREATE TABLE x (\"K\" int) PARTITION BY LIST (\"K\")", "key-column-differs",
             {"--key-column '\"K\"'"});
  refused_as(
      "CREATE TABLE x (id int, c text, n int, partition_key int) PARTITION BY LIST (partition_key);"
      "CREATE TABLE deep PARTITION OF x FOR VALUES IN (0) PARTITION BY LIST (n)",
      "subpartitioned", {"public.deep"});
  refused_as(
      "CREATE EXTENSION file_fdw; CREATE SERVER f FOREIGN DATA WRAPPER file_fdw;"
      "CREATE TABLE x (id int, c text, n int, partition_key int) PARTITION BY LIST (partition_key);"
      "CREATE FOREIGN TABLE ft PARTITION OF x FOR VALUES IN (0) SERVER f OPTIONS (filename "
      "'/dev/null')",
      "foreign-leaf", {"public.ft"});
  execute("CREATE VIEW x AS SELECT 1 AS a");
  expect_refused(plan(job()), "name-taken", {"a view"});
  execute("DROP VIEW x");
  JobDescription same = job();
  same.into = "t";
  expect_refused(plan(same), "same-table", {"--into"});
  same.into = "nowhere.x";
  expect_refused(plan(same), "schema-missing", {"nowhere"});
  same.into = std::string(64, 'n');
  expect_refused(plan(same), "name-too-long", {"63"});
}

TEST_F(PlanTargetTest, RowsInTheTargetAreRefusedUnlessAppending) {
  make_target(kColumns);
  make_leaves();
  execute("INSERT INTO x VALUES (1, 'a', 1, 2)");
  expect_refused(plan(job()), "target-not-empty", {"public.x2", "--append"});
  JobDescription appending = job();
  appending.append = true;
  EXPECT_TRUE(succeeded(plan(appending)));
}

TEST_F(PlanTargetTest, EveryColumnIsAccountedFor) {
  make_target("id int, c text, extra int NOT NULL, partition_key int");
  make_leaves();
  expect_refused(plan(job()), "column-unmapped", {"extra", "--map"});
  execute("ALTER TABLE x ALTER extra DROP NOT NULL");
  expect_refused(plan(job()), "column-lost", {"n", "--skip"});
  JobDescription skipping = job();
  skipping.skip = {"n"};
  auto made = plan(skipping);
  ASSERT_TRUE(succeeded(made));
  ASSERT_NE(find_issue(*made, "column-left-out"), nullptr);
  EXPECT_THAT(find_issue(*made, "column-left-out")->message, HasSubstr("extra"));
  EXPECT_EQ(made->stream.written_columns, "(id, c, partition_key)");
  execute("ALTER TABLE x ALTER extra SET DEFAULT (random() * 10)::int");
  made = plan(skipping);
  ASSERT_TRUE(succeeded(made));
  EXPECT_NE(find_issue(*made, "volatile-default"), nullptr);
  JobDescription renaming = job();
  renaming.map = {{"extra", "n"}};
  made = plan(renaming);
  ASSERT_TRUE(succeeded(made));
  EXPECT_THAT(source_select(made->stream, made->source, SourceRange{}).sql(),
              HasSubstr("SELECT id, c, n FROM"));
  renaming.map = {{"nothing", "n"}};
  expect_refused(plan(renaming), "no-such-column", {"nothing", "its columns are id"});
  renaming.map = {{"partition_key", "n"}};
  expect_refused(plan(renaming), "bad-mapping", {"partition_key"});
}

TEST_F(PlanTargetTest, ExpressionsMustBeTheJobs) {
  make_target(
      "id int, c text, n int, partition_key int GENERATED ALWAYS AS (abs(hashtext(c)) % 4) STORED",
      "(abs(hashtext((c)::text)) % 4)");
  make_leaves();
  for (const char* key : {"abs(hashtext(c)) % 4", "abs(hashtext(c::text)) % 4",
                          "(pg_catalog.abs(pg_catalog.hashtext(\"c\"))) % (4)"}) {
    JobDescription listed = job();
    listed.key = key;
    const auto made = plan(listed);
    ASSERT_TRUE(succeeded(made)) << key;
    EXPECT_TRUE(made->key.is_generated);
    EXPECT_EQ(made->key.column, "partition_key");
    EXPECT_EQ(made->stream.read_layout.written_key, KeyField::none);
    EXPECT_EQ(made->stream.written_columns, "(id, c, n)");
    EXPECT_EQ(made->stream.read_back_layout.stored_key, 3);
  }
  JobDescription other = job();
  other.key = "abs(hashtext(c)) % 3";
  other.partitions = 3;
  expect_refused(plan(other), "list-expression", {"% 4", "--key"});
}

TEST_F(PlanTargetTest, ExpressionsFollowRenamedColumns) {
  make_target("id int, \"C 2\" text, n int", "(abs(hashtext(\"C 2\")) % 4)");
  make_leaves();
  JobDescription renaming = job();
  renaming.map = {{"C 2", "c"}};
  const auto made = plan(renaming);
  ASSERT_TRUE(succeeded(made));
  EXPECT_FALSE(made->key.column);
  EXPECT_EQ(made->stream.read_back_layout.stored_key, std::nullopt);
}

TEST_F(PlanTargetTest, GeneratedColumnsAreComparedOrLeftOut) {
  execute("ALTER TABLE t ADD twice int GENERATED ALWAYS AS (n * 2) STORED, ADD plain int");
  make_target(
      "id int, c text, n int, partition_key int, twice int GENERATED ALWAYS AS (n * 2) STORED, "
      "plain int GENERATED ALWAYS AS (n + 1) STORED, fresh int GENERATED ALWAYS AS (id + 1) "
      "STORED");
  make_leaves();
  const auto made = plan(job());
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->stream.read_layout.copied, 3);
  EXPECT_EQ(made->stream.read_layout.digested, 5);
  EXPECT_THAT(source_select(made->stream, made->source, SourceRange{}).sql(),
              HasSubstr("SELECT id, c, n, twice, plain FROM"));
  EXPECT_EQ(made->stream.written_columns, "(id, c, n, partition_key)");
  JobDescription changing = job();
  changing.map = {{"n", "n + 1"}};
  const auto changed = plan(changing);
  ASSERT_TRUE(succeeded(changed));
  EXPECT_THAT(source_select(changed->stream, changed->source, SourceRange{}).sql(),
              HasSubstr("SELECT id, c, (n + 1), plain FROM"));
}

TEST_F(PlanTargetTest, PrivilegesAndRowSecurityOnEveryLeaf) {
  make_target(kColumns);
  make_leaves();
  const std::string role = "writer_" + database;
  execute("CREATE ROLE " + role + " LOGIN; GRANT SELECT ON t TO " + role +
          "; GRANT INSERT, SELECT ON x, x0, x1, x3 TO " + role + "; GRANT SELECT ON x2 TO " + role);
  const auto as_role = [&] {
    return plan_between(job(), server().dsn(database, role), server().dsn(database, role));
  };
  expect_refused(as_role(), "no-privilege", {"INSERT", "public.x2", role});
  execute("GRANT INSERT ON x2 TO " + role);
  EXPECT_TRUE(succeeded(as_role()));
  execute("ALTER TABLE x3 ENABLE ROW LEVEL SECURITY");
  expect_refused(as_role(), "row-security", {"public.x"});
}

TEST_F(PlanTargetTest, TriggersAndPublicationsAreNamed) {
  make_target(kColumns);
  make_leaves();
  execute(
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
      "CREATE TRIGGER \"Audit\" AFTER INSERT ON x FOR EACH ROW EXECUTE FUNCTION f();"
      "CREATE TRIGGER early BEFORE INSERT ON x1 FOR EACH ROW EXECUTE FUNCTION f();"
      "CREATE TRIGGER never BEFORE UPDATE ON x1 FOR EACH ROW EXECUTE FUNCTION f();"
      "CREATE PUBLICATION everything FOR ALL TABLES");
  const auto made = plan(job());
  ASSERT_TRUE(succeeded(made));
  std::string messages;
  for (const Issue& issue : made->issues) messages += issue.code + ": " + issue.message + "\n";
  EXPECT_THAT(messages, HasSubstr("trigger \"Audit\" fires"));
  EXPECT_THAT(messages, HasSubstr("trigger early fires"));
  EXPECT_THAT(messages, ::testing::Not(HasSubstr("never")));
  EXPECT_THAT(messages, HasSubstr("publication everything"));
}

TEST_F(PlanTargetTest, TakenLeafNamesAreRefused) {
  execute("CREATE TABLE x_p2 (a int)");
  expect_refused(plan(job()), "name-taken", {"public.x_p2"});
  execute("DROP TABLE x_p2; CREATE TYPE x_p1 AS ENUM ('a')");
  expect_refused(plan(job()), "name-taken", {"public.x_p1"});
}

}  // namespace
}  // namespace pgfanout
