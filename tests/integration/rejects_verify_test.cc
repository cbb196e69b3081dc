// Rows that a copy set aside, when both sides are compared later: only those of the last job, with
// the content that they had, excuse a row that the target lacks.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/integration/resume_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

class RejectsVerifyTest : public testing::ResumeFixture {
 protected:
  void SetUp() override { CopyFixture::SetUp(); }

  /// public.t with an identity, and an empty public.n of the user's own that refuses rows 7, 107,
  /// ...
  void make_tables(int rows, const std::string& constraint = "CHECK (id % 100 <> 7)") const {
    execute(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM"
        " generate_series(1, " +
        std::to_string(rows) + ") i; " + target_sql(constraint));
  }
  static std::string target_sql(const std::string& constraint) {
    return "CREATE TABLE n (id int, v text, partition_key int NOT NULL, " + constraint +
           ") PARTITION BY LIST (partition_key); DO $$ BEGIN FOR k IN 0..3 LOOP EXECUTE"
           " format('CREATE TABLE n%s PARTITION OF n FOR VALUES IN (%s)', k, k); END LOOP; END $$";
  }
  [[nodiscard]] static std::vector<std::string> words(std::vector<std::string> more = {}) {
    std::vector<std::string> all = {"--table",      "t", "--into",    "n", "--key", "id % 4",
                                    "--partitions", "4", "--writers", "4"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  CommandResult copy_aside(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--reject-limit", "20", "--commit-every", "1000"});
    return copy(words(std::move(more)));
  }
  int verify(const std::string& scope, std::vector<std::string> more = {},
             const std::string& user = "postgres") {
    more.push_back(scope);
    std::vector<std::string> arguments = words(std::move(more));
    arguments.insert(arguments.begin(), {"verify", "--json", "--source", dsn(user)});
    const CommandResult result = harness::pgfanout(arguments);
    json = Json::parse(result.out, nullptr, false);
    return result.exit_code;
  }
  [[nodiscard]] std::uint64_t missing() const { return json["differences"]["missing"]; }
};

TEST_F(RejectsVerifyTest, WhatALaterJobCopiedMustBeThere) {
  make_tables(400);
  ASSERT_EQ(copy_aside().exit_code, 0);
  EXPECT_EQ(verify("--data"), 0) << json.dump(1);
  // The constraint is gone, and another job copies all rows.
  execute("TRUNCATE n; ALTER TABLE n DROP CONSTRAINT n_id_check");
  ASSERT_EQ(copy_aside().exit_code, 0);
  EXPECT_EQ(verify("--data"), 0) << json.dump(1);
  execute("DELETE FROM n WHERE id = 107");
  EXPECT_EQ(verify("--data"), 1) << json.dump(1);
  EXPECT_EQ(missing(), 1U);
  EXPECT_TRUE(has_issue("rejects-of-others"));
  EXPECT_EQ(verify("--quick"), 1) << json.dump(1);
}

TEST_F(RejectsVerifyTest, AnotherRowAtThePlaceOfARejectedOneIsMissing) {
  make_tables(400);
  ASSERT_EQ(copy_aside().exit_code, 0);
  const std::string place = value(
      "SELECT source_ctid FROM n_rejects WHERE"
      " (identity->>'id')::int = 107");
  execute("DELETE FROM t WHERE id = 107");
  execute("VACUUM t");
  execute("INSERT INTO t VALUES (1000, 'new')");
  ASSERT_EQ(value("SELECT ctid FROM t WHERE id = 1000"), place);
  EXPECT_EQ(verify("--data"), 1) << json.dump(1);
  EXPECT_EQ(missing(), 1U);
  EXPECT_EQ(verify("--quick"), 4) << "three are where they were, one is not: " << json.dump(1);
  EXPECT_EQ(error_code(), "rejects-moved");
}

TEST_F(RejectsVerifyTest, AChangedRowIsMissingAndAMovedOneIsNot) {
  make_tables(400);
  ASSERT_EQ(copy_aside().exit_code, 0);
  execute("DELETE FROM t WHERE id = 1; DELETE FROM n WHERE id = 1");
  execute("VACUUM FULL t");
  EXPECT_EQ(verify("--data"), 0) << json.dump(1);
  EXPECT_TRUE(has_issue("rows-rejected"));
  EXPECT_EQ(verify("--quick"), 4) << "counts cannot tell: " << json.dump(1);
  EXPECT_EQ(error_code(), "rejects-moved");
  execute("UPDATE t SET v = 'mended' WHERE id = 107");
  EXPECT_EQ(verify("--data"), 1) << json.dump(1);
  EXPECT_EQ(missing(), 1U);
}

TEST_F(RejectsVerifyTest, ARowThatWasInsertedLaterByHandCounts) {
  make_tables(400);
  ASSERT_EQ(copy_aside().exit_code, 0);
  execute(
      "ALTER TABLE n DROP CONSTRAINT n_id_check;"
      "INSERT INTO n SELECT id, v, id % 4 FROM t WHERE id = 107");
  EXPECT_EQ(verify("--quick"), 0) << json.dump(1);
  EXPECT_EQ(verify("--data"), 0) << json.dump(1);
  // Mended on the way: the sides differ, and the row is neither set aside nor extra.
  execute("INSERT INTO n SELECT id, 'mended', id % 4 FROM t WHERE id = 207");
  for (const char* most : {"10000", "1"}) {
    EXPECT_EQ(verify("--data", {"--max-differences", most}), 1) << json.dump(1);
    EXPECT_EQ(json["differences"]["changed"], 1) << json.dump(1);
    EXPECT_EQ(missing(), 0U);
    EXPECT_EQ(json["differences"]["extra"], 0);
  }
}

TEST_F(RejectsVerifyTest, OfEqualRowsAsManyAsWereSetAside) {
  execute(
      "CREATE TABLE t (id int, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1,"
      " 60) i; INSERT INTO t VALUES (7, 'v7'), (7, 'v7'), (8, 'v8')");
  execute(target_sql("UNIQUE (id, partition_key)"));
  ASSERT_EQ(copy_aside().exit_code, 0);
  ASSERT_EQ(value("SELECT count(*) FROM n_rejects"), "3");
  EXPECT_EQ(verify("--data"), 0) << json.dump(1);
  execute("DELETE FROM n WHERE id = 7");
  EXPECT_EQ(verify("--data"), 1) << json.dump(1);
  EXPECT_EQ(missing(), 1U);
}

TEST_F(RejectsVerifyTest, ATableThatSomebodyEditedProvesNothing) {
  make_tables(400);
  ASSERT_EQ(copy_aside().exit_code, 0);
  execute("DELETE FROM n WHERE id IN (5, 6)");
  // A row at the place of a missing one, with its own content or without.
  execute(
      "INSERT INTO n_rejects (job, epoch, source_leaf, source_ctid, code, reason) SELECT r.job,"
      " r.epoch, r.source_leaf, t.ctid, r.code, r.reason FROM t, n_rejects r WHERE t.id = 5 LIMIT "
      "1");
  EXPECT_EQ(verify("--data"), 4) << json.dump(1);
  EXPECT_EQ(missing(), 2U);
  EXPECT_TRUE(has_issue("rejects-undigested"));
  execute("DELETE FROM n_rejects WHERE row_digest IS NULL");
  execute(
      "INSERT INTO n_rejects (job, epoch, source_leaf, source_ctid, code, reason, row_digest)"
      " SELECT r.job, r.epoch, r.source_leaf, t.ctid, r.code, r.reason,"
      " encode(sha256(record_send(ROW(t.id, t.v))), 'hex') FROM t, (SELECT * FROM n_rejects LIMIT "
      "1)"
      " r WHERE t.id IN (5, 6)");
  for (const char* scope : {"--data", "--quick"}) {
    EXPECT_EQ(verify(scope), 4) << scope << json.dump(1);
    EXPECT_EQ(error_code(), "rejects-changed") << scope;
  }
  execute("DROP TABLE n_rejects");
  EXPECT_EQ(verify("--data"), 1) << json.dump(1);
  EXPECT_EQ(missing(), 6U);
}

TEST_F(RejectsVerifyTest, ATableOfThatNameMayBeAnothers) {
  make_tables(400, "CHECK (true)");
  execute("CREATE TABLE n_rejects (x int); INSERT INTO n_rejects VALUES (1)");
  ASSERT_EQ(copy_aside().exit_code, 0);
  execute("DELETE FROM n WHERE id = 5");
  EXPECT_EQ(verify("--data"), 1) << json.dump(1);
  EXPECT_EQ(missing(), 1U);
  execute("TRUNCATE n; ALTER TABLE n ADD CHECK (id <> 7)");
  EXPECT_EQ(copy_aside().exit_code, 2);
  EXPECT_EQ(error_code(), "name-taken");
  EXPECT_EQ(value("SELECT sum(x) FROM n_rejects"), "1");
}

TEST_F(RejectsVerifyTest, UnderAnotherMappingItIsAnotherRow) {
  make_tables(400);
  ASSERT_EQ(copy_aside({"--map", "v=upper(v)"}).exit_code, 0);
  EXPECT_EQ(verify("--data", {"--map", "v=upper(v)"}), 0) << json.dump(1);
  execute("UPDATE n SET v = lower(v)");
  EXPECT_EQ(verify("--data"), 1) << json.dump(1);
  EXPECT_EQ(missing(), 4U);
}

TEST_F(RejectsVerifyTest, ATargetInAnotherDatabaseAndARoleThatMayNotLook) {
  make_tables(400);
  const std::string other = server().create_database("other");
  server().execute(other, target_sql("CHECK (id % 100 <> 7)"));
  const std::vector<std::string> target = {"--target", server().dsn(other)};
  ASSERT_EQ(copy_aside(target).exit_code, 0);
  EXPECT_EQ(verify("--data", target), 0) << json.dump(1);
  EXPECT_TRUE(has_issue("rows-rejected"));
  execute("UPDATE t SET v = 'other' WHERE id = 307");
  EXPECT_EQ(verify("--data", target), 1) << json.dump(1);
  execute("UPDATE t SET v = 'v307' WHERE id = 307");
  const std::string role = database + "_reader";
  execute("CREATE ROLE " + role + " LOGIN; GRANT SELECT, UPDATE ON t TO " + role);
  server().execute(other, "GRANT SELECT, UPDATE ON n, n0, n1, n2, n3 TO " + role);
  const std::vector<std::string> as_role = {"--target", server().dsn(other, role)};
  EXPECT_EQ(verify("--data", as_role, role), 4) << json.dump(1);
  EXPECT_EQ(error_code(), "rejects-unreadable");
  server().execute(other, "GRANT SELECT ON n_rejects TO " + role +
                              "; GRANT USAGE ON SCHEMA pgfanout TO " + role +
                              "; GRANT SELECT ON ALL TABLES IN SCHEMA pgfanout TO " + role);
  EXPECT_EQ(verify("--data", as_role, role), 0) << json.dump(1);
}

TEST_F(RejectsVerifyTest, RejectsThatWereLostDuringTheCopyEndItUnproven) {
  make_tables(5000);
  const std::vector<std::string> more = {"--reject-limit", "60", "--commit-every", "500"};
  std::vector<std::string> arguments = words(more);
  crash_at("epoch-committed:2", arguments);
  ASSERT_NE(value("SELECT count(*) FROM n_rejects"), "0");
  execute("DELETE FROM n_rejects WHERE ctid = (SELECT min(ctid) FROM n_rejects)");
  EXPECT_EQ(copy(words(more)).exit_code, 4) << json.dump(1);
  EXPECT_EQ(error_code(), "rejects-lost");
  execute("DROP TABLE n_rejects");
  EXPECT_EQ(copy(words(more)).exit_code, 4) << json.dump(1);
  EXPECT_EQ(error_code(), "rejects-lost");
  EXPECT_EQ(value("SELECT state FROM pgfanout.job"), "loading");
}

/// A table that an earlier version made has no digests.
TEST_F(RejectsVerifyTest, ATableOfAnEarlierVersion) {
  make_tables(400);
  ASSERT_EQ(copy_aside().exit_code, 0);
  execute("ALTER TABLE n_rejects DROP COLUMN row_digest");
  EXPECT_EQ(verify("--data"), 4) << json.dump(1);
  EXPECT_TRUE(has_issue("missing"));
  EXPECT_EQ(error_code(), "rejects-undigested");
  execute("TRUNCATE n");
  ASSERT_EQ(copy_aside().exit_code, 0);
  EXPECT_EQ(verify("--data"), 0) << json.dump(1);
}

}  // namespace
}  // namespace pgfanout
