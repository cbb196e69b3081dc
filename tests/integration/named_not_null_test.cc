// PostgreSQL 18 has named NOT NULL constraints, which need not be valid: names, comments and state
// are carried over, also to and from a server that has neither.
#include <gmock/gmock.h>

#include <memory>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTable =
    "CREATE TABLE t (id bigint PRIMARY KEY, a int, note text, b int CONSTRAINT b_here NOT NULL NO "
    "INHERIT, plain int NOT NULL, CONSTRAINT \"A given\" NOT NULL a);"
    "INSERT INTO t SELECT n, n, NULLIF('n' || n, 'n5'), n, n FROM generate_series(1, 500) n;"
    "ALTER TABLE t ADD CONSTRAINT note_given NOT NULL note NOT VALID;"
    "COMMENT ON CONSTRAINT \"A given\" ON t IS 'named';"
    "COMMENT ON CONSTRAINT note_given ON t IS 'never validated'";

class NamedNotNullTest : public testing::WindowFixture {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(harness::TestServer::available(18)) << "run scripts/fetch-server 18";
    harness::ServerOptions options;
    options.major = 18;
    newest_ = std::make_unique<harness::TestServer>(options);
  }
  static void TearDownTestSuite() { newest_.reset(); }
  void SetUp() override {
    WindowFixture::SetUp();
    there_ = newest_->create_database("named");
    newest_->execute(there_, kTable);
  }

  [[nodiscard]] std::string there(const std::string& sql) const {
    return newest_->value(there_, sql);
  }
  /// "name definition" of each NOT NULL of a table, with its comment.
  [[nodiscard]] std::string not_nulls(const std::string& table) const {
    return there(
        "SELECT string_agg(conname || ': ' || pg_get_constraintdef(oid) || COALESCE(' -- ' ||"
        " obj_description(oid, 'pg_constraint'), ''), E'\\n' ORDER BY conname COLLATE \"C\")"
        " FROM pg_constraint WHERE contype = 'n' AND conrelid = '" +
        table + "'::regclass");
  }
  CommandResult command(const std::string& name, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--source", newest_->dsn(there_), "--table", "t", "--key",
                               "abs(hashtext(id::text)) % 4", "--partitions", "4"});
    return window(name, std::move(more));
  }

  static inline std::unique_ptr<harness::TestServer> newest_;
  std::string there_;
};

TEST_F(NamedNotNullTest, NamesCommentsAndStateSurviveTheSwapAndTheRollback) {
  const std::string before = not_nulls("t");
  const CommandResult planned = command("plan");
  ASSERT_EQ(planned.exit_code, 0) << planned;
  EXPECT_TRUE(has_issue("constraint-not-valid"));
  EXPECT_FALSE(has_issue("comment-lost")) << planned;
  const CommandResult ready = command("run");
  ASSERT_EQ(ready.exit_code, 0) << ready;
  EXPECT_EQ(command("verify", {"--full"}).exit_code, 0) << json.dump(1);
  ASSERT_EQ(command("swap").exit_code, 0) << json.dump(1);
  EXPECT_EQ(not_nulls("t"),
            "A given: NOT NULL a -- named\n"
            "b_here: NOT NULL b\n"
            "note_given: NOT NULL note NOT VALID -- never validated\n"
            "t_id_not_null: NOT NULL id\n"
            "t_partition_key_not_null: NOT NULL partition_key\n"
            "t_plain_not_null: NOT NULL plain");
  EXPECT_EQ(not_nulls("t_p3"),
            "A given: NOT NULL a\n"
            "b_here: NOT NULL b\n"
            "note_given: NOT NULL note NOT VALID\n"
            "t_id_not_null: NOT NULL id\n"
            "t_partition_key_not_null: NOT NULL partition_key\n"
            "t_plain_not_null: NOT NULL plain");
  // New rows obey the constraint; the old one stays.
  EXPECT_EQ(there("SELECT count(*) FROM t WHERE note IS NULL"), "1");
  EXPECT_THROW(newest_->execute(there_, "UPDATE t SET note = NULL WHERE id = 6"),
               harness::ServerError);
  ASSERT_EQ(command("rollback").exit_code, 0) << json.dump(1);
  EXPECT_EQ(not_nulls("t"), before);
}

TEST_F(NamedNotNullTest, SecondWindowKeepsTheNames) {
  ASSERT_EQ(command("run", {"--swap"}).exit_code, 0) << json.dump(1);
  const std::string once = not_nulls("t");
  ASSERT_EQ(command("run", {"--swap", "--restart"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(not_nulls("t"), once);
}

TEST_F(NamedNotNullTest, CopyToAnOlderServerAndBack) {
  const std::string old = server().dsn(database);
  const CommandResult copied = command("copy", {"--target", old});
  ASSERT_EQ(copied.exit_code, 0) << copied;
  EXPECT_THAT(copied.err, HasSubstr("NOT NULL constraints that are NOT VALID (1)"));
  EXPECT_EQ(value("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute"
                  " WHERE attrelid = 't_new_p0'::regclass AND attnum > 0 AND attnotnull"),
            "id a b plain partition_key");
  EXPECT_EQ(command("verify", {"--target", old, "--data"}).exit_code, 0) << json.dump(1);
  const CommandResult back = window(
      "copy", {"--source", old, "--target", newest_->dsn(there_), "--table", "t_new", "--into",
               "back", "--key", "abs(hashtext(id::text)) % 4", "--partitions", "4"});
  EXPECT_EQ(back.exit_code, 0) << back;
  EXPECT_EQ(there("SELECT count(*) FROM back WHERE note IS NULL"), "1");
}

TEST_F(NamedNotNullTest, RunIntoAnOlderServerHasACheckInstead) {
  const std::string old = server().dsn(database);
  const CommandResult ready = command("run", {"--target", old});
  ASSERT_EQ(ready.exit_code, 0) << ready;
  EXPECT_EQ(value("SELECT string_agg(conrelid::regclass || ' ' || pg_get_constraintdef(oid), ', '"
                  " ORDER BY conrelid::regclass::text) FROM pg_constraint WHERE conname ="
                  " 'note_given' AND conrelid IN ('t_new'::regclass, 't_new_p1'::regclass)"),
            server().major() >= 18
                ? "t_new NOT NULL note NOT VALID, t_new_p1 NOT NULL note NOT VALID"
                : "t_new CHECK ((note IS NOT NULL)) NOT VALID, t_new_p1 CHECK ((note IS NOT NULL)) "
                  "NOT VALID");
  const CommandResult verified = command("verify", {"--target", old, "--full"});
  for (const auto& issue : json["issues"]) {
    if (issue["code"] != "schema-missing") continue;
    EXPECT_EQ(issue["message"], "comment on constraint \"A given\": missing");
  }
}

TEST_F(NamedNotNullTest, ConstraintsThatAreNotEnforcedStaySo) {
  newest_->execute(there_,
                   "CREATE TABLE place (id int PRIMARY KEY); ALTER TABLE t"
                   " ADD CONSTRAINT lax CHECK (a > 400) NOT ENFORCED,"
                   " ADD CONSTRAINT lax_place FOREIGN KEY (b) REFERENCES place NOT ENFORCED");
  const CommandResult swapped = command("run", {"--swap"});
  ASSERT_EQ(swapped.exit_code, 0) << swapped;
  EXPECT_THAT(swapped.err, HasSubstr("constraint lax is NOT ENFORCED"));
  EXPECT_THAT(swapped.err, Not(HasSubstr("was never validated")));
  EXPECT_EQ(there("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'lax%' AND NOT conenforced"
                  " AND conrelid IN (SELECT relid FROM pg_partition_tree('t'))"),
            "10");
}

}  // namespace
}  // namespace pgfanout
