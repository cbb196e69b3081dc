// Copies into HASH partitions by plain columns: every row is where the server wants it, which its
// own satisfies_hash_partition() decides, and what no copy may be made into is refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/integration/copy_fixture.h"

namespace pgfanout::testing {
namespace {

class HashLayoutTest : public CopyFixture {
 protected:
  /// A table t of all kinds of columns, NULLs among them.
  void make_table() const {
    execute(
        "CREATE TYPE mood AS ENUM ('sad', 'glad');"
        "CREATE TABLE t (id int8 PRIMARY KEY, n int4, name text, u uuid, price numeric, at "
        "timestamptz, m mood, c char(5));"
        "INSERT INTO t SELECT n, nullif(n % 7, 0) * 1000003, nullif('name ' || n % 50, 'name 3'),"
        " md5(n::text)::uuid, CASE n % 5 WHEN 0 THEN 'NaN' WHEN 1 THEN NULL ELSE n / 8.0 END,"
        " CASE n % 9 WHEN 0 THEN 'infinity' ELSE '2020-01-01+00'::timestamptz + n * '1 hour'"
        "::interval END, (ARRAY['sad', 'glad', NULL])[n % 3 + 1]::mood, 'c' || n % 9"
        " FROM generate_series(1, 600) n");
  }

  CommandResult copy_t(const std::string& layout, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"--table",        "t",   "--into", "t_new",
                                          "--partition-by", layout};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return copy(arguments);
  }

  void expect_same_rows() const {
    EXPECT_EQ(difference("t", "t_new", "id, n, name, u, price, at, m, c"), "0");
  }

  /// Of the rows; the document is in `json`.
  int verify_exit_code() {
    const CommandResult result = harness::pgfanout(
        {"verify", "--data", "--json", "--source", dsn(), "--table", "t", "--into", "t_new"});
    json = Json::parse(result.out, nullptr, false);
    return result.exit_code;
  }
};

TEST_F(HashLayoutTest, RowsAreWhereTheServerWantsThem) {
  make_table();
  for (const auto& [columns, partitions] :
       {std::pair("id", "7"), std::pair("name", "4"), std::pair("u", "16"),
        std::pair("price, n", "5"), std::pair("n, name, at", "1"), std::pair("m, c", "3")}) {
    SCOPED_TRACE(columns);
    const CommandResult result =
        copy_t(fmt::format("HASH ({})", columns), {"--partitions", partitions, "--restart"});
    ASSERT_EQ(result.exit_code, 0) << result;
    expect_same_rows();
    EXPECT_EQ(value("SELECT pg_get_partkeydef('t_new'::regclass)"),
              fmt::format("HASH ({})", columns));
    EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 't_new'::regclass"),
              partitions);
    // Each leaf's own rows, by the server's function.
    EXPECT_EQ(value(fmt::format(
                  "SELECT count(*) FROM t_new WHERE NOT satisfies_hash_partition("
                  "'t_new'::regclass, {}, substring(tableoid::regclass::text FROM '_p(.*)$')::int,"
                  " {})",
                  partitions, columns)),
              "0");
    EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE conname = 'pgfanout_bound'"), "0");
    EXPECT_EQ(verify_exit_code(), 0) << json;
    execute("DROP TABLE t_new");
  }
}

TEST_F(HashLayoutTest, AnExistingTargetMayHaveModuliThatDiffer) {
  make_table();
  execute(
      "CREATE TABLE t_new (LIKE t) PARTITION BY HASH (n, u);"
      "CREATE TABLE even PARTITION OF t_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
      "CREATE TABLE one PARTITION OF t_new FOR VALUES WITH (MODULUS 4, REMAINDER 1);"
      "CREATE TABLE three PARTITION OF t_new FOR VALUES WITH (MODULUS 8, REMAINDER 3)");
  EXPECT_EQ(copy({"--table", "t", "--into", "t_new"}).exit_code, 2);
  EXPECT_EQ(error_code(), "leaf-missing");
  EXPECT_NE(json.dump().find("1 of 8 remainders have no partition in public.t_new: 7"),
            std::string::npos)
      << json;
  execute("CREATE TABLE seven PARTITION OF t_new FOR VALUES WITH (MODULUS 8, REMAINDER 7)");
  const CommandResult result = copy({"--table", "t", "--into", "t_new"});
  ASSERT_EQ(result.exit_code, 0) << result;
  expect_same_rows();
  EXPECT_EQ(verify_exit_code(), 0) << json;
}

TEST_F(HashLayoutTest, ARowInAWrongLeafIsNamedAsMisplaced) {
  make_table();
  ASSERT_EQ(copy_t("HASH (id)", {"--partitions", "4"}).exit_code, 0);
  execute(
      "ALTER TABLE t_new DETACH PARTITION t_new_p0; ALTER TABLE t_new DETACH PARTITION t_new_p1;"
      "CREATE TABLE planted AS SELECT * FROM t_new_p0 ORDER BY id LIMIT 1;"
      "DELETE FROM t_new_p0 WHERE id IN (SELECT id FROM planted);"
      "INSERT INTO t_new_p1 SELECT * FROM planted;"
      // As a restore with --disable-triggers or a damaged catalog would leave it.
      "ALTER TABLE t_new ATTACH PARTITION t_new_p0 FOR VALUES WITH (MODULUS 4, REMAINDER 0)");
  execute(
      "ALTER TABLE t_new_p1 ADD CHECK (satisfies_hash_partition('t_new'::regclass::oid, 4, 1, id))"
      " NOT VALID; UPDATE pg_constraint SET convalidated = true WHERE conrelid ="
      " 't_new_p1'::regclass AND contype = 'c';"
      "ALTER TABLE t_new ATTACH PARTITION t_new_p1 FOR VALUES WITH (MODULUS 4, REMAINDER 1)");
  EXPECT_EQ(verify_exit_code(), 1);
  EXPECT_EQ(json["differences"]["misplaced"], 1) << json;
  EXPECT_EQ(json["differences"]["rows"][0]["identity"]["id"].dump(),
            value("SELECT id FROM planted"));
}

TEST_F(HashLayoutTest, WhatTheClientWouldHashOtherwiseIsRefused) {
  make_table();
  execute(
      "CREATE TABLE t_new (LIKE t) PARTITION BY HASH (name text_pattern_ops);"
      "CREATE TABLE p0 PARTITION OF t_new FOR VALUES WITH (MODULUS 1, REMAINDER 0)");
  EXPECT_EQ(copy({"--table", "t", "--into", "t_new"}).exit_code, 2);
  EXPECT_EQ(error_code(), "partition-operators") << json;
  execute(
      "DROP TABLE t_new; CREATE TABLE t_new (LIKE t) PARTITION BY HASH (id);"
      "CREATE TABLE p0 PARTITION OF t_new FOR VALUES WITH (MODULUS 100000, REMAINDER 0)");
  EXPECT_EQ(copy({"--table", "t", "--into", "t_new"}).exit_code, 2);
  EXPECT_EQ(error_code(), "hash-key") << json;
  execute(
      "DROP TABLE t_new; CREATE TABLE t_new (LIKE t) PARTITION BY HASH ((id + 1));"
      "CREATE TABLE p0 PARTITION OF t_new FOR VALUES WITH (MODULUS 1, REMAINDER 0)");
  EXPECT_EQ(copy({"--table", "t", "--into", "t_new"}).exit_code, 2);
  EXPECT_EQ(error_code(), "partition-expression") << json;
  execute("DROP TABLE t_new");
  EXPECT_EQ(copy_t("HASH (id)", {"--partitions", "1001"}).exit_code, 2);
  EXPECT_EQ(error_code(), "bad-partitions") << json;
  EXPECT_EQ(copy_t("HASH (nothing)").exit_code, 2);
  EXPECT_EQ(error_code(), "no-such-column") << json;
  const std::string other = server().create_database("other");
  server().execute(other, "CREATE TYPE mood AS ENUM ('glad', 'sad')");
  EXPECT_EQ(copy_t("HASH (m)", {"--target", server().dsn(other)}).exit_code, 2);
  EXPECT_EQ(error_code(), "local-oids") << json;
}

}  // namespace
}  // namespace pgfanout::testing
