// Targets that are partitioned by LIST on a column's own values: made from the source's values, or
// there already.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::CopyFixture;
using ::testing::HasSubstr;

class ListByColumnTest : public CopyFixture {
 protected:
  void expect_copy(const CommandResult& result, const std::string& columns,
                   const std::string& target = "t_new") {
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(difference("t", target, columns), "0");
    const CommandResult verified = harness::pgfanout(
        {"verify", "--data", "--source", dsn(), "--table", "t", "--into", target});
    EXPECT_EQ(verified.exit_code, 0) << verified;
  }
  [[nodiscard]] std::string bounds(const std::string& table) const {
    return value(
        "SELECT string_agg(pg_get_expr(c.relpartbound, c.oid), ' ' ORDER BY c.relname) FROM "
        "pg_inherits i JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = '" +
        table + "'::regclass");
  }
};

TEST_F(ListByColumnTest, EachValueGetsALeaf) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, region text, code smallint, n numeric);"
      "INSERT INTO t SELECT i, (ARRAY['eu', 'it''s', '', NULL, 'a\\b'])[1 + i % 5], i % 3 - 1,"
      " (i % 2)::numeric(5, 1) FROM generate_series(1, 300) i;"
      "INSERT INTO t VALUES (0, 'eu', 0, 1.000)");
  expect_copy(copy({"--table", "t", "--partition-by", "LIST (region)"}), "id, region, code, n");
  EXPECT_EQ(bounds("t_new"),
            "FOR VALUES IN ('') FOR VALUES IN ('a\\b') FOR VALUES IN ('eu') FOR VALUES IN "
            "('it''s') FOR VALUES IN (NULL)");
  // Numbers are values as others are, and equal ones share a leaf.
  expect_copy(
      copy({"--table", "t", "--into", "c", "--partition-by", "LIST (code)", "--default-partition"}),
      "id, region, code, n", "c");
  EXPECT_EQ(bounds("c"), "DEFAULT FOR VALUES IN ('-1') FOR VALUES IN ('0') FOR VALUES IN ('1')");
  expect_copy(copy({"--table", "t", "--into", "n", "--partition-by", "LIST (n)"}),
              "id, region, code, n::text", "n");
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'n'::regclass"), "2");
}

// "=" of citext is in the schema of the extension, which own sessions do not search.
TEST_F(ListByColumnTest, ValuesAreComparedAsTheirTypeIs) {
  execute(
      "CREATE EXTENSION citext; CREATE TABLE t (id int PRIMARY KEY, c citext); INSERT INTO t "
      "SELECT "
      "i, CASE i % 3 WHEN 0 THEN 'Eu' WHEN 1 THEN 'eU' END FROM generate_series(1, 300) i");
  expect_copy(copy({"--table", "t", "--partition-by", "LIST (c)"}), "id, c");
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 't_new'::regclass"), "2");
}

TEST_F(ListByColumnTest, ExistingGroupsKeepTheirValues) {
  execute(
      "CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad');"
      "CREATE TABLE t (id int PRIMARY KEY, m mood, w text, d date);"
      "INSERT INTO t SELECT i, (ARRAY['sad', 'ok', 'glad', NULL]::mood[])[1 + i % 4], 'w' || i % 9,"
      " date '2020-01-01' + i % 5 FROM generate_series(1, 300) i;"
      "CREATE TABLE a (LIKE t) PARTITION BY LIST (m);"
      "CREATE TABLE a2 PARTITION OF a FOR VALUES IN ('ok', NULL);"
      "CREATE TABLE a1 PARTITION OF a FOR VALUES IN ('glad');"
      "CREATE TABLE a0 PARTITION OF a DEFAULT;"
      "CREATE TABLE b (LIKE t) PARTITION BY LIST (w);"
      "CREATE TABLE b2 PARTITION OF b FOR VALUES IN ('w7', 'w1', 'never');"
      "CREATE TABLE b1 PARTITION OF b FOR VALUES IN ('w2', 'w0');"
      "CREATE TABLE b0 PARTITION OF b DEFAULT;"
      "CREATE TABLE c (LIKE t) PARTITION BY LIST (d);"
      "CREATE TABLE c1 PARTITION OF c FOR VALUES IN ('2020-01-01', '2020-01-02');"
      "CREATE TABLE c0 PARTITION OF c DEFAULT");
  for (const char* target : {"a", "b", "c"}) {
    expect_copy(copy({"--table", "t", "--into", target}), "id, m, w, d", target);
  }
  EXPECT_EQ(value("SELECT count(*) FROM a0 WHERE m = 'sad'"), value("SELECT count(*) FROM a0"));
  EXPECT_EQ(value("SELECT string_agg(DISTINCT w, ',') FROM b2"), "w1,w7");

  execute("DROP TABLE c0; TRUNCATE c; DROP SCHEMA pgfanout CASCADE");
  const CommandResult refused = copy({"--table", "t", "--into", "c"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_EQ(error_code(), "key-no-leaf");
  EXPECT_THAT(refused.out, HasSubstr("a row has a value in d"));
}

TEST_F(ListByColumnTest, TooManyValuesAndTypesWithoutEqualityAreRefused) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, j json); INSERT INTO t SELECT i, '{}' FROM "
      "generate_series(1, 1001) i; CREATE TABLE empty (id int PRIMARY KEY, w text)");
  const auto expect_refused = [&](const std::string& table, const std::string& layout,
                                  const std::string& code, const std::string& words) {
    const CommandResult result = copy({"--table", table, "--partition-by", layout});
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(error_code(), code) << result;
    EXPECT_THAT(result.out, HasSubstr(words));
  };
  expect_refused("t", "LIST (id)", "too-many-leaves", "id has 1001 values");
  expect_refused("t", "LIST (j)", "partition-column", "json");
  execute("ALTER TABLE t ADD a int[]");
  expect_refused("t", "LIST (a)", "partition-column", "its values are arrays");
  expect_refused("t", "LIST (nope)", "no-such-column", "nope");
  expect_refused("empty", "LIST (w)", "layout-no-rows", "--default-partition");
}

}  // namespace
}  // namespace pgfanout
