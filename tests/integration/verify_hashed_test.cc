// Servers hash their rows, and only what differs is streamed: verify says the same as with
// --stream, whatever is wrong, and streams where servers cannot hash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "tests/integration/planted_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;
using testing::PlantedFaults;
using testing::PlantedShape;

class VerifyHashedTest : public testing::PlantedFixture {
 protected:
  [[nodiscard]] bool has_issue(const std::string& code) const {
    return json["issues"].dump().find("\"" + code + "\"") != std::string::npos;
  }

  /// The verdict of the last document, without the order of its rows; of equal rows of a leaf any
  /// may be named.
  [[nodiscard]] Json verdict() const {
    std::vector<std::string> rows;
    const std::regex ctid(" \\([0-9]+,[0-9]+\\)");
    for (const Json& row : json["differences"]["rows"]) {
      rows.push_back(std::regex_replace(row.dump(), ctid, ""));
    }
    std::ranges::sort(rows);
    Json verdict = {{"exit_code", json["exit_code"]}, {"rows", rows}};
    for (const char* kind : {"missing", "extra", "changed", "misplaced"}) {
      verdict[kind] = json["differences"][kind];
    }
    for (const Json& each : json["criteria"]) verdict["criteria"][each["name"]] = each["status"];
    for (const char* side : {"source", "target"}) verdict[side] = json[side]["rows"];
    for (const Json& leaf : json["partitions"]) verdict["leaves"].push_back(leaf["rows"]);
    return verdict;
  }

  /// Verifies by hash, then by stream: `json` is the document of the former.
  void expect_same_both_ways(std::vector<std::string> arguments, int exit_code) {
    arguments.push_back("--stream");
    verify(arguments);
    EXPECT_EQ(json["comparison"]["by"], "stream") << json;
    const Json streamed = verdict();
    arguments.pop_back();
    const CommandResult hashed = verify(arguments);
    EXPECT_EQ(hashed.exit_code, exit_code) << hashed;
    EXPECT_EQ(verdict(), streamed);
  }
  void expect_hashed() const {
    EXPECT_EQ(json["comparison"]["by"], "hash") << json;
    EXPECT_EQ(json["comparison"]["strength"],
              "64-bit hash of each row, summed by leaf in the server");
    EXPECT_EQ(json["source"]["digest"].get<std::string>().size(), 32U);
  }
  void expect_nothing_streamed() const {
    expect_hashed();
    EXPECT_EQ(json["source"]["digest"], json["target"]["digest"]);
    EXPECT_EQ(json["comparison"]["rows_streamed"], 0) << json;
  }

  /// Leaves t_new_p0 to _p3 of t_new (id int, note text, partition_key int), and t.
  void make_by_id(const std::string& more_leaves = "") const {
    execute(
        "CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t SELECT n, 'note ' || n FROM"
        " generate_series(0, 399) n; CREATE TABLE t_new (note text, id int, partition_key int)"
        " PARTITION BY LIST (partition_key); DO $$ BEGIN FOR r IN 0..3 LOOP EXECUTE format('CREATE"
        " TABLE t_new_p%s PARTITION OF t_new FOR VALUES IN (%s)', r, r); END LOOP; END $$;" +
        more_leaves + "INSERT INTO t_new SELECT note, id, id % 4 FROM t");
  }
};

TEST_F(VerifyHashedTest, EveryKindOfFaultIsNamedAsByStream) {
  const auto plant = [&](const PlantedShape& shape) {
    std::vector<std::string> arguments = {"--data", "--map", kMapping};
    arguments.insert(arguments.end(), shape.arguments.begin(), shape.arguments.end());
    expect_same_both_ways(arguments, 0);
    expect_nothing_streamed();
    PlantedFaults faults(shape, server().connect(database), 7);
    faults.plant(2);
    expect_same_both_ways(arguments, 1);
    expect_hashed();
    EXPECT_EQ(faults.named_in(json), faults.expected());
    EXPECT_GT(json["comparison"]["rows_streamed"], 0);
    execute("DROP TABLE t, t_new");
  };
  plant(make_copied(150));
  plant(make_with_text_as_key(150));
  plant(make_without_key(150));
  plant(make_with_plain_target(150));
}

TEST_F(VerifyHashedTest, OnlyLeavesThatDifferAreStreamed) {
  make_by_id();
  const std::vector<std::string> data = {"--data", "--key", "id % 4", "--partitions", "4"};
  execute("UPDATE t_new SET note = 'other' WHERE id = 6");
  expect_same_both_ways(data, 1);
  EXPECT_EQ(json["comparison"]["leaves_streamed"], 1);
  EXPECT_EQ(json["comparison"]["rows_streamed"], 200);
  // Values that two rows exchange: a sum of linear hashes would be the same.
  execute(
      "UPDATE t_new SET note = CASE id WHEN 6 THEN 'note 10' ELSE 'note 6' END WHERE id IN (6, "
      "10)");
  expect_same_both_ways(data, 1);
  EXPECT_EQ(json["differences"]["changed"], 2);
  // A stored key is no part of the hash.
  execute(
      "UPDATE t_new SET note = 'note ' || id; ALTER TABLE t_new DETACH PARTITION t_new_p1;"
      "UPDATE t_new_p1 SET partition_key = 9 WHERE id = 5;"
      "UPDATE pg_class SET relispartition = false WHERE relname = 't_new_p1';"
      "ALTER TABLE t_new ATTACH PARTITION t_new_p1 FOR VALUES IN (1, 9)");
  expect_same_both_ways(data, 1);
  EXPECT_EQ(json["differences"]["misplaced"], 1);
  EXPECT_EQ(json["comparison"]["leaves_streamed"], 1);
}

TEST_F(VerifyHashedTest, RowsWithoutALeafAndInTheDefaultPartition) {
  make_by_id("CREATE TABLE t_new_rest PARTITION OF t_new DEFAULT;");
  execute(
      "INSERT INTO t VALUES (-1, 'no leaf'), (-2, 'no leaf'); INSERT INTO t_new VALUES"
      " ('no leaf', -1, -1), ('stray', 4000, 77)");
  expect_same_both_ways({"--data", "--key", "id % 4", "--partitions", "4"}, 1);
  EXPECT_EQ(json["differences"]["missing"], 1) << json;
  EXPECT_EQ(json["differences"]["extra"], 1) << json;
}

TEST_F(VerifyHashedTest, AKeyThatIsNoRemainderAndASubpartitionedSource) {
  execute(
      "CREATE TABLE t (id int, kind smallint, note text, PRIMARY KEY (id, kind)) PARTITION BY LIST"
      " (kind); CREATE TABLE t_a PARTITION OF t FOR VALUES IN (1, 2) PARTITION BY HASH (id);"
      "CREATE TABLE t_a0 PARTITION OF t_a FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
      "CREATE TABLE t_a1 PARTITION OF t_a FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
      "CREATE TABLE t_b PARTITION OF t DEFAULT; INSERT INTO t SELECT n, n % 5, 'x' FROM"
      " generate_series(1, 300) n; CREATE TABLE t_new (id int, kind smallint, note text,"
      " partition_key bigint) PARTITION BY LIST (partition_key);"
      "CREATE TABLE t_new_a PARTITION OF t_new FOR VALUES IN (0, 4);"
      "CREATE TABLE t_new_b PARTITION OF t_new FOR VALUES IN (1, 2, 3);"
      "INSERT INTO t_new SELECT *, kind FROM t");
  const std::vector<std::string> data = {"--data", "--key", "kind", "--partitions", "5"};
  expect_same_both_ways(data, 0);
  expect_nothing_streamed();
  execute("UPDATE t_new SET note = NULL WHERE id = 3; INSERT INTO t VALUES (500, 9, 'no leaf')");
  expect_same_both_ways(data, 1);
  EXPECT_EQ(json["comparison"]["leaves_streamed"], 1);
}

TEST_F(VerifyHashedTest, AnotherDatabaseAndTypesOfWhichItHasOtherOids) {
  const std::string types =
      "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, m mood[]);";
  const std::string table =
      "CREATE TABLE t (id int PRIMARY KEY, m mood, ms mood[], g int GENERATED ALWAYS AS (id + 1)"
      " STORED); INSERT INTO t SELECT n, 'ok', '{sad,ok}' FROM generate_series(1, 300) n";
  const std::string other = server().create_database("hashed");
  execute(types + table);
  // Another number of objects comes before them.
  server().execute(other, "CREATE TYPE before AS (a int);" + types + table);
  const std::vector<std::string> data = {"--data", "--into", "t", "--target", server().dsn(other)};
  expect_same_both_ways(data, 0);
  expect_nothing_streamed();
  server().execute(other, "UPDATE t SET ms = '{ok,ok}' WHERE id = 7");
  expect_same_both_ways(data, 1);
  EXPECT_EQ(json["differences"]["rows"][0]["columns"], Json::array({"ms"}));
  server().execute(other, "UPDATE t SET ms = '{sad,ok}' WHERE id = 7");
  // A composite with such an array has no bytes that SQL could make the same.
  const std::string composite = "ALTER TABLE t ADD p pair; UPDATE t SET p = (id, ms)";
  execute(composite);
  server().execute(other, composite);
  EXPECT_EQ(verify(data).exit_code, 0) << json;
  EXPECT_EQ(json["comparison"]["by"], "stream");
  EXPECT_TRUE(has_issue("not-hashed"));
  EXPECT_EQ(json["source"]["digest"], json["target"]["digest"]);
}

TEST_F(VerifyHashedTest, ARowThatTheServerCannotHashIsStreamed) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, c text); INSERT INTO t SELECT n, 'c' || n FROM"
      " generate_series(1, 100) n");
  ASSERT_EQ(copy({"--table", "t", "--key", "abs(hashtext(c)) % 4", "--partitions", "4"}).exit_code,
            0);
  // abs() of its hash is out of range.
  execute("INSERT INTO t VALUES (200, 'c1606105947x')");
  const CommandResult result = verify({"--data"});
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_TRUE(has_issue("not-hashed"));
  EXPECT_TRUE(has_issue("key-impossible"));
  EXPECT_EQ(json["differences"]["missing"], 1);
  // A mapping that fails is told as ever: with the row.
  EXPECT_EQ(verify({"--data", "--key", "id % 4", "--map", "c=(1 / (id - 50))::text"}).exit_code, 2);
  EXPECT_THAT(json["issues"].dump(), ::testing::HasSubstr("source-expression"));
}

TEST_F(VerifyHashedTest, ServersOfOtherVersions) {
  const std::string table =
      "CREATE TABLE t (id bigint PRIMARY KEY, u uuid, j jsonb, raw json, n numeric, f float8,"
      " d date, at timestamptz, span interval, bits bit(7), a int[], c char(9), ip inet,"
      " r int4range, b bytea); INSERT INTO t SELECT n, md5(n::text)::uuid, jsonb_build_object('n',"
      " n, 'x', 1.50), '{\"b\": 1}', n / 7.0, CASE WHEN n % 2 = 0 THEN '-0'::float8 ELSE n END, "
      "'2024-01-01',"
      " timestamptz '2024-01-01 00:00:00Z' + n * interval '1 microsecond', n * interval '1 hour',"
      " B'1010101', ARRAY[n, NULL], 'c' || n, '10.0.0.1', int4range(n::int, n::int + 5),"
      " decode(md5(n::text), 'hex') FROM generate_series(1, 200) n";
  execute(table);
  for (const int major : {14, 18}) {
    ASSERT_TRUE(harness::TestServer::available(major));
    harness::ServerOptions options;
    options.major = major;
    harness::TestServer other(options);
    const std::string there = other.create_database("hashed");
    other.execute(there, table);
    const std::vector<std::string> data = {"--data", "--into", "t", "--target", other.dsn(there)};
    expect_same_both_ways(data, 0);
    expect_nothing_streamed();
    other.execute(
        there,
        "UPDATE t SET f = 0 WHERE id = 4; UPDATE t SET n = (n || '0')::numeric WHERE id = 7");
    expect_same_both_ways(data, 1);
    EXPECT_EQ(json["differences"]["changed"], 2) << major;
  }
}

}  // namespace
}  // namespace pgfanout
