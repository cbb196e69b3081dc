// The verifier is verified: faults of all kinds are planted in copies of tables, and each has to be
// found and rightly named, while a right copy raises no alarm. More rounds of the same are in
// verify_planted_long_test.cc.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/planted_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::RandomTable;

class VerifyPlantedTest : public testing::PlantedFixture {
 protected:
  static constexpr int kRows = 200;
  static constexpr int kRowsAFault = 2;
  static constexpr unsigned kSeed = 20240607;
};

TEST_F(VerifyPlantedTest, HashLeavesAgainstListLeaves) {
  plant_and_find(make_copied(kRows), kRowsAFault, kSeed);
}

TEST_F(VerifyPlantedTest, TextAsPrimaryKey) {
  plant_and_find(make_with_text_as_key(kRows), kRowsAFault, kSeed);
}

TEST_F(VerifyPlantedTest, TableWithoutKeyAndWithEqualRows) {
  plant_and_find(make_without_key(kRows), kRowsAFault, kSeed);
}

TEST_F(VerifyPlantedTest, PlainTableAgainstOtherColumnOrderAndTypes) {
  plant_and_find(make_with_other_types(kRows), kRowsAFault, kSeed);
}

TEST_F(VerifyPlantedTest, PartitionedTableAgainstPlainOne) {
  plant_and_find(make_with_plain_target(kRows), kRowsAFault, kSeed);
}

TEST_F(VerifyPlantedTest, NullIdentityIsSeenByAQuickLookToo) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t SELECT n, 'x' FROM"
      " generate_series(1, 100) n; CREATE TABLE t_new (id int, note text); INSERT INTO t_new SELECT"
      " nullif(id, 7), note FROM t");
  const CommandResult result = verify({"--quick"});
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_EQ(error_code(), "sample-differs");
}

TEST_F(VerifyPlantedTest, IdentityOfOtherBytesThatTheServerCallsEqual) {
  execute(
      "CREATE TABLE t (id float8, span interval, note text, PRIMARY KEY (id, span));"
      "INSERT INTO t SELECT n, '30 days', 'x' FROM generate_series(0, 99) n;"
      "CREATE TABLE t_new AS SELECT * FROM t;"
      "UPDATE t_new SET id = '-0' WHERE id = 0; UPDATE t_new SET span = '1 month' WHERE id = 5");
  EXPECT_EQ(verify({"--data"}).exit_code, 1);
  EXPECT_EQ(json["differences"]["missing"], 2);
  EXPECT_EQ(json["differences"]["extra"], 2);
  EXPECT_EQ(json["differences"]["rows"].size(), 4U);
  EXPECT_EQ(verify({"--data", "--repair"}).exit_code, 0) << json;
  EXPECT_EQ(value("SELECT count(*) FROM t JOIN t_new USING (id, span) WHERE t.id::text ="
                  " t_new.id::text AND t.span::text = t_new.span::text"),
            "100");
}

TEST_F(VerifyPlantedTest, RepairMakesRoomBeforeARowMovesToItsLeaf) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t SELECT n, 'x' FROM"
      " generate_series(1, 50) n; CREATE TABLE t_new (id int, note text, partition_key int,"
      " PRIMARY KEY (id, partition_key)) PARTITION BY LIST (partition_key);"
      "DO $$ BEGIN FOR r IN 0..9 LOOP EXECUTE format('CREATE TABLE t_new_p%s PARTITION OF t_new"
      " FOR VALUES IN (%s)', r, r); END LOOP; END $$; INSERT INTO t_new SELECT *, id % 10 FROM t;"
      // The row of id 17 stands in a lower leaf, and another one of its identity in its place.
      "UPDATE pg_class SET relispartition = false WHERE relname = 't_new_p2';"
      "INSERT INTO t_new_p2 SELECT * FROM t_new_p7 WHERE id = 17;"
      "UPDATE pg_class SET relispartition = true WHERE relname = 't_new_p2';"
      "UPDATE t_new_p7 SET note = 'y' WHERE id = 17");
  const std::vector<std::string> data = {"--data", "--key", "id % 10", "--partitions", "10"};
  EXPECT_EQ(verify(data).exit_code, 1);
  EXPECT_EQ(json["differences"]["extra"], 1) << json;
  EXPECT_EQ(json["differences"]["misplaced"], 1) << json;
  std::vector<std::string> repair = data;
  repair.push_back("--repair");
  EXPECT_EQ(verify(repair).exit_code, 0) << json;
  EXPECT_EQ(value("SELECT tableoid::regclass || note FROM t_new WHERE id = 17"), "t_new_p7x");
}

TEST_F(VerifyPlantedTest, RowsSetAsideAreNotMissingHoweverManyAre) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, c text); INSERT INTO t SELECT n, CASE WHEN n % 50 > 0"
      " THEN 'c' || n END FROM generate_series(1, 500) n");
  const std::vector<std::string> key = {"--key", "abs(hashtext(c)) % 10", "--partitions", "10"};
  std::vector<std::string> arguments = {"--table", "t", "--reject-limit", "10"};
  arguments.insert(arguments.end(), key.begin(), key.end());
  copy(arguments);
  execute("DELETE FROM t_new WHERE id % 5 = 1");
  for (const char* limit : {"5", "1000"}) {
    arguments = {"--data", "--max-differences", limit};
    arguments.insert(arguments.end(), key.begin(), key.end());
    EXPECT_EQ(verify(arguments).exit_code, 1);
    EXPECT_EQ(json["differences"]["missing"], 100) << limit << json;
  }
}

TEST_F(VerifyPlantedTest, RepairThatAUniqueIndexForbidsChangesNothing) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, note text UNIQUE); INSERT INTO t SELECT n, 'n' || n FROM"
      " generate_series(1, 50) n; CREATE TABLE t_new (LIKE t INCLUDING ALL); INSERT INTO t_new"
      " SELECT id, CASE id WHEN 3 THEN 'n4' WHEN 4 THEN 'n3' ELSE note END FROM t");
  const std::string digest = "SELECT string_agg(ctid || note, ',' ORDER BY id) FROM t_new";
  const std::string before = value(digest);
  EXPECT_EQ(verify({"--data", "--repair"}).exit_code, 2) << json;
  EXPECT_NE(json["status"], "ok");
  EXPECT_EQ(json["issues"][0]["sqlstate"], "23505");
  EXPECT_EQ(value(digest), before);
}

TEST_F(VerifyPlantedTest, RoleThatMayOnlyRead) {
  make_copied(kRows);
  execute(
      "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'only_reads') THEN"
      " CREATE ROLE only_reads LOGIN; END IF; END $$; REVOKE CREATE, TEMPORARY ON DATABASE " +
      database + " FROM PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reads");
  for (const char* scope : {"--data", "--full", "--quick", "--schema"}) {
    const CommandResult result = verify({scope, "--map", kMapping, "--source", dsn("only_reads")});
    EXPECT_EQ(result.exit_code, scope == std::string("--data") ? 0 : result.exit_code) << result;
    EXPECT_LE(result.exit_code, 1) << result;
  }
  execute("UPDATE t_new SET note = '' WHERE id = 17");
  EXPECT_EQ(verify({"--data", "--map", kMapping, "--source", dsn("only_reads")}).exit_code, 1);
  EXPECT_NE(
      verify({"--data", "--repair", "--map", kMapping, "--source", dsn("only_reads")}).exit_code,
      0);
}

TEST_F(VerifyPlantedTest, RightCopiesRaiseNoAlarm) {
  execute(RandomTable::kTypesOfItsOwn);
  expect_no_alarm(RandomTable::of_all_types(), "--data");
  for (unsigned seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    expect_no_alarm(RandomTable(seed), seed % 4 == 0 ? "--full" : "--data");
  }
}

}  // namespace
}  // namespace pgfanout
