// Unique keys and foreign keys of a table that is laid out by plain columns: what has the partition
// columns stays as it is, the rest gains them if that is accepted, and what cannot be is named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/window_objects.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Json;

class LayoutKeysTest : public testing::WindowObjectsFixture {
 protected:
  void make(const std::string& at = "timestamptz NOT NULL") const {
    execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, mail text NOT NULL CONSTRAINT t_mail UNIQUE, at " +
        at +
        ", n int); INSERT INTO t SELECT i, 'm' || i, '2024-01-10'::timestamptz + i * interval"
        " '1 day', i % 5 FROM generate_series(1, 90) i; CREATE INDEX t_n ON t (n);"
        "CREATE TABLE child (t bigint CONSTRAINT child_t REFERENCES t ON DELETE CASCADE);"
        "INSERT INTO child SELECT i FROM generate_series(1, 90) i; ANALYZE t");
  }
  CommandResult run(std::vector<std::string> more) {
    more.insert(more.begin(), {"--table", "t"});
    return window("run", more);
  }
  [[nodiscard]] std::string keys(const std::string& table = "t") const {
    return value(
        "SELECT string_agg(format('%s %s', conname, pg_get_constraintdef(oid)), '; ' ORDER"
        " BY conname) FROM pg_constraint WHERE conrelid = '" +
        table + "'::regclass AND contype IN ('p', 'u', 'x', 'f') AND conparentid = 0");
  }
  /// The reasons of what is not carried over.
  [[nodiscard]] std::vector<std::string> reasons() const {
    std::vector<std::string> found;
    for (const Json& issue : json["issues"]) {
      if (issue["code"] == "not-carried") found.push_back(issue.dump());
    }
    return found;
  }
};

TEST_F(LayoutKeysTest, HashOnThePrimaryKeyKeepsItAndWhatRefersToIt) {
  make();
  const std::string before = catalog();
  const CommandResult done = run({"--partition-by", "HASH (id)", "--partitions", "4", "--accept",
                                  "constraint t_mail", "--swap"});
  ASSERT_EQ(done.exit_code, 0) << done;
  EXPECT_EQ(value("SELECT relkind FROM pg_class WHERE oid = 't'::regclass"), "p");
  EXPECT_EQ(keys(), "t_mail UNIQUE (mail, id); t_pkey PRIMARY KEY (id)");
  EXPECT_EQ(keys("child"), "child_t FOREIGN KEY (t) REFERENCES t(id) ON DELETE CASCADE");
  EXPECT_EQ(value("SELECT bool_and(convalidated) FROM pg_constraint WHERE conrelid ="
                  " 'child'::regclass AND conparentid = 0"),
            "t");
  EXPECT_EQ(sqlstate_of("INSERT INTO child VALUES (91)"), "23503");
  EXPECT_EQ(sqlstate_of("INSERT INTO t (id, mail, at) VALUES (1, 'x', now()) ON CONFLICT (id) DO"
                        " NOTHING"),
            "00000");
  execute("DELETE FROM t WHERE id = 5");
  EXPECT_EQ(value("SELECT count(*) FROM child WHERE t = 5"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indrelid"
                  " WHERE h.inhparent = 't'::regclass AND i.indisvalid"),
            "12");
  ASSERT_EQ(window("rollback", {"--table", "t", "--keep-new-rows"}).exit_code, 0) << json;
  EXPECT_EQ(catalog(), before);
  EXPECT_EQ(value("SELECT count(*) FROM t"), "89");
}

TEST_F(LayoutKeysTest, KeysThatLackAPartitionColumnAreNamedAndGainItOnceAccepted) {
  make();
  execute("DROP TABLE child");
  const std::vector<std::string> by = {"--partition-by", "HASH (id, n)", "--partitions", "3"};
  // A primary key cannot have a column that may be NULL.
  EXPECT_EQ(run(by).exit_code, 2);
  EXPECT_THAT(reasons(), Contains(HasSubstr("partition column n, which may be NULL"))) << json;
  EXPECT_THAT(reasons(), Contains(HasSubstr("uniqueness of (mail) over the whole table"))) << json;
  std::vector<std::string> accepted = by;
  accepted.insert(accepted.end(),
                  {"--accept", "constraint t_pkey", "--accept", "constraint t_mail", "--swap"});
  ASSERT_EQ(run(accepted).exit_code, 0) << json;
  EXPECT_EQ(keys(), "t_mail UNIQUE (mail, id, n); t_pkey UNIQUE (id, n)");
  EXPECT_EQ(value("SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname"
                  " = 'n'"),
            "f");
  ASSERT_EQ(window("rollback", {"--table", "t"}).exit_code, 0) << json;
  EXPECT_EQ(keys(), "t_mail UNIQUE (mail); t_pkey PRIMARY KEY (id)");
  // Once it is NOT NULL, the primary key gains it.
  execute("ALTER TABLE t ALTER n SET NOT NULL");
  ASSERT_EQ(run(accepted).exit_code, 0) << json;
  EXPECT_EQ(keys(), "t_mail UNIQUE (mail, id, n); t_pkey PRIMARY KEY (id, n)");
  EXPECT_THAT(error_codes(), IsEmpty());
}

TEST_F(LayoutKeysTest, ExclusionConstraintsComeWhereTheyHold) {
  make();
  execute(
      "DROP TABLE child; CREATE EXTENSION btree_gist; ALTER TABLE t DROP CONSTRAINT t_mail, ADD "
      "span"
      " tstzrange; UPDATE t SET span = tstzrange(at, at + '1 day'); ALTER TABLE t ADD CONSTRAINT"
      " t_own EXCLUDE USING gist (id WITH =, span WITH &&), ADD CONSTRAINT t_all EXCLUDE USING gist"
      " (span WITH &&)");
  const std::vector<std::string> by = {"--partition-by", "HASH (id)", "--partitions", "3"};
  EXPECT_EQ(run(by).exit_code, 2);
  EXPECT_THAT(not_carried("ERROR"), ElementsAre("constraint t_all"));
  std::vector<std::string> accepted = by;
  accepted.insert(accepted.end(), {"--accept", "constraint t_all", "--swap"});
  ASSERT_EQ(run(accepted).exit_code, 0) << json;
  // From 17 on the table itself may have one that compares all partition columns by =.
  const bool on_parent =
      value("SELECT current_setting('server_version_num')::int >= 170000") == "t";
  EXPECT_EQ(keys(),
            std::string(on_parent ? "t_own EXCLUDE USING gist (id WITH =, span WITH &&); " : "") +
                "t_pkey PRIMARY KEY (id)");
  EXPECT_EQ(
      value("SELECT string_agg(DISTINCT pg_get_constraintdef(k.oid), '; ' ORDER BY"
            " pg_get_constraintdef(k.oid)) || count(*) FROM pg_constraint k JOIN pg_inherits h"
            " ON h.inhrelid = k.conrelid WHERE h.inhparent = 't'::regclass AND k.contype ="
            " 'x'"),
      "EXCLUDE USING gist (id WITH =, span WITH &&); EXCLUDE USING gist (span WITH &&)6");
  EXPECT_EQ(sqlstate_of("UPDATE t SET span = tstzrange('2024-01-01', '2025-01-01')"), "23P01");
  ASSERT_EQ(window("rollback", {"--table", "t"}).exit_code, 0) << json;
}

}  // namespace
}  // namespace pgfanout
