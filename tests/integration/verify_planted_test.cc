// The verifier is verified: faults of all kinds are planted in copies of tables, and each has to be
// found and rightly named, while what is no fault raises no alarm.
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"
#include "tests/integration/planted_faults.h"
#include "tests/integration/random_table.h"
#include "tests/integration/slow_tables.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::PlantedFaults;
using testing::PlantedShape;
using testing::RandomTable;
using Slow = testing::SlowTables;

constexpr const char* kColumns =
    "id bigint, collection_id uuid NOT NULL, name text, bits bytea, note text, title text,"
    " amount numeric, zero float8, seen timestamptz, raw json, meta jsonb, code char(12), stamp "
    "int";
constexpr const char* kMapping = "derived='n' || stamp";
constexpr const char* kAsText =
    "id::bigint, collection_id, name, bits, note::text, title, amount::text, zero::text, seen,"
    " raw::text, meta, code, stamp, ";

class VerifyPlantedTest : public testing::CopyFixture {
 protected:
  void fill_source(int rows, int first = 1) const {
    execute(
        "INSERT INTO t SELECT n, md5((n % 50)::text)::uuid, 'name ' || n,"
        " decode(substr(md5(n::text), 1, 16), 'hex'), 'note ' || n,"
        " CASE WHEN n % 2 = 0 THEN '' END, (n || '.0')::numeric, 0,"
        " timestamptz '2024-01-01 00:00:00Z' + n * interval '1 second', '{\"b\":1,\"a\":2}',"
        " '{\"b\":1,\"a\":2}', 'code', n FROM generate_series(" +
        std::to_string(first) + ", " + std::to_string(rows) + ") n");
  }
  void make_hash_source(const std::string& column, const std::string& constraint = "") const {
    execute("CREATE TABLE t (" + std::string(kColumns) + constraint + ") PARTITION BY HASH (" +
            column +
            "); DO $$ BEGIN FOR r IN 0..15 LOOP EXECUTE format('CREATE TABLE t_h%s PARTITION OF t"
            " FOR VALUES WITH (MODULUS 16, REMAINDER %s)', r, r); END LOOP; END $$");
  }
  void make_list_target(const std::string& columns, int keys) const {
    execute("CREATE TABLE t_new (" + columns +
            ", partition_key int NOT NULL) PARTITION BY LIST (partition_key);"
            "DO $$ BEGIN FOR r IN 0.." +
            std::to_string(keys - 1) +
            " LOOP EXECUTE format('CREATE TABLE t_new_p%s PARTITION OF t_new FOR VALUES IN (%s)',"
            " lpad(r::text, 2, '0'), r); END LOOP; END $$");
  }
  void fill_target(const std::string& key) const {
    const std::string columns =
        "id, collection_id, name, bits, note, title, amount, zero, seen, raw, meta, code, stamp";
    execute("INSERT INTO t_new (" + columns + ", derived" + (key.empty() ? "" : ", partition_key") +
            ") SELECT " + columns + ", 'n' || stamp" + (key.empty() ? "" : ", " + key) + " FROM t");
  }

  /// Runs `pgfanout verify --json`; the document is in `json`.
  CommandResult verify(std::vector<std::string> arguments, harness::CommandOptions options = {}) {
    if (std::find(arguments.begin(), arguments.end(), "--source") == arguments.end()) {
      arguments.insert(arguments.begin(), {"--source", dsn()});
    }
    arguments.insert(arguments.begin(), {"verify", "--json", "--table", "t"});
    CommandResult result = harness::pgfanout(arguments, std::move(options));
    json = testing::Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    if (!json.is_discarded()) {
      EXPECT_EQ(json["exit_code"], result.exit_code);
    }
    return result;
  }
  CommandResult verify_copy(const PlantedShape& shape, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--data", "--map", kMapping});
    more.insert(more.end(), shape.arguments.begin(), shape.arguments.end());
    return verify(std::move(more));
  }

  void expect_counts(const PlantedFaults& faults) {
    for (const char* kind : {"missing", "extra", "changed", "misplaced"}) {
      EXPECT_EQ(json["differences"][kind], faults.count(kind)) << kind;
    }
  }

  /// Plants, verifies, verifies with too small a limit, repairs.
  void plant_and_find(const PlantedShape& shape, int count) {
    ASSERT_EQ(verify_copy(shape).exit_code, 0) << json;
    PlantedFaults faults(shape, server().connect(database), 20240607);
    faults.plant(count);
    CommandResult result = verify_copy(shape);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(json["status"], "differences");
    EXPECT_EQ(faults.named_in(json), faults.expected());
    expect_counts(faults);

    result = verify_copy(shape, {"--max-differences", "10"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(json["status"], "differences");
    EXPECT_EQ(json["differences"]["rows"].size(), 10U);
    expect_counts(faults);
    const testing::Findings some = faults.named_in(json);
    EXPECT_TRUE(
        std::includes(faults.expected().begin(), faults.expected().end(), some.begin(), some.end()))
        << ::testing::PrintToString(some);
    repair(shape, faults);
  }

  void repair(const PlantedShape& shape, PlantedFaults& faults) {
    const auto before = faults.untouched();
    const CommandResult result = verify_copy(shape, {"--repair"});
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(value("SELECT count(*) FROM (" + one_sided("t", "'n' || stamp", "t_new", "derived") +
                    " UNION ALL " + one_sided("t_new", "derived", "t", "'n' || stamp") + ") d"),
              "0");
    EXPECT_TRUE(faults.untouched() == before) << "rows that were right are where they were";
  }
  static std::string one_sided(const std::string& a, const std::string& a_derived,
                               const std::string& b, const std::string& b_derived) {
    return "(SELECT " + std::string(kAsText) + a_derived + " FROM " + a + " EXCEPT ALL SELECT " +
           kAsText + b_derived + " FROM " + b + ")";
  }
};

TEST_F(VerifyPlantedTest, SixteenHashLeavesAgainstAHundredListLeaves) {
  make_hash_source("collection_id", ", PRIMARY KEY (id, collection_id)");
  fill_source(3000);
  ASSERT_EQ(copy({"--table", "t", "--map", kMapping}).exit_code, 0) << json;
  PlantedShape shape;
  shape.identity = {"id", "collection_id"};
  shape.keys = 100;
  plant_and_find(shape, 8);
}

TEST_F(VerifyPlantedTest, TextAsPrimaryKey) {
  make_hash_source("name", ", PRIMARY KEY (name)");
  fill_source(2000);
  make_list_target(std::string(kColumns) + ", derived text", 20);
  fill_target("abs(hashtext(collection_id::text)) % 20");
  PlantedShape shape;
  shape.identity = {"name"};
  shape.keys = 20;
  shape.arguments = {"--partitions", "20", "--key", "abs(hashtext(collection_id::text)) % 20"};
  shape.can_be_null = true;
  plant_and_find(shape, 8);
}

TEST_F(VerifyPlantedTest, TableWithoutKeyAndWithEqualRows) {
  make_hash_source("collection_id");
  fill_source(2000);
  fill_source(100);
  make_list_target(std::string(kColumns) + ", derived text", 100);
  fill_target("abs(hashtext(collection_id::text)) % 100");
  PlantedShape shape;
  shape.keys = 100;
  plant_and_find(shape, 8);
}

TEST_F(VerifyPlantedTest, PlainTableAgainstOtherColumnOrderAndTypes) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, collection_id uuid, name varchar, bits bytea,"
      " note varchar(40), title text, amount numeric, zero float8, seen timestamptz, raw json,"
      " meta jsonb, code char(12), stamp smallint)");
  fill_source(2000);
  make_list_target(
      "derived text, stamp bigint, meta jsonb, code char(12), raw json, seen timestamptz,"
      " zero float8, amount numeric, title text, note text, bits bytea, name text,"
      " collection_id uuid, id bigint",
      10);
  fill_target("abs(hashtext(collection_id::text)) % 10");
  PlantedShape shape;
  shape.identity = {"id"};
  shape.keys = 10;
  shape.arguments = {"--key", "abs(hashtext(collection_id::text)) % 10", "--partitions", "10"};
  shape.can_be_null = true;
  plant_and_find(shape, 8);
}

TEST_F(VerifyPlantedTest, PartitionedTableAgainstPlainOne) {
  make_hash_source("collection_id", ", PRIMARY KEY (id, collection_id)");
  fill_source(2000);
  execute("CREATE TABLE t_new (" + std::string(kColumns) + ", derived text)");
  fill_target("");
  PlantedShape shape;
  shape.identity = {"id", "collection_id"};
  shape.can_be_null = true;
  plant_and_find(shape, 8);
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
      "DO $$ BEGIN FOR r IN 0..9 LOOP EXECUTE format('CREATE TABLE t_new_p0%s PARTITION OF t_new"
      " FOR VALUES IN (%s)', r, r); END LOOP; END $$; INSERT INTO t_new SELECT *, id % 10 FROM t;"
      // The row of id 17 stands in a lower leaf, and another one of its identity in its place.
      "UPDATE pg_class SET relispartition = false WHERE relname = 't_new_p02';"
      "INSERT INTO t_new_p02 SELECT * FROM t_new_p07 WHERE id = 17;"
      "UPDATE pg_class SET relispartition = true WHERE relname = 't_new_p02';"
      "UPDATE t_new_p07 SET note = 'y' WHERE id = 17");
  const std::vector<std::string> data = {"--data", "--key", "id % 10", "--partitions", "10"};
  EXPECT_EQ(verify(data).exit_code, 1);
  EXPECT_EQ(json["differences"]["extra"], 1) << json;
  EXPECT_EQ(json["differences"]["misplaced"], 1) << json;
  std::vector<std::string> repair = data;
  repair.push_back("--repair");
  EXPECT_EQ(verify(repair).exit_code, 0) << json;
  EXPECT_EQ(value("SELECT tableoid::regclass || note FROM t_new WHERE id = 17"), "t_new_p07x");
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

/// Interruptions and changes in the middle: never called equal.
void expect_unproven(const CommandResult& result) {
  EXPECT_TRUE(result.exit_code == 3 || result.exit_code == 4) << result;
  const auto json = testing::Json::parse(result.out, nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << result;
  EXPECT_TRUE(json["status"] == "interrupted" || json["status"] == "unproven") << result;
}

TEST_F(VerifyPlantedTest, SignalsEndItUnproven) {
  Slow::make(server(), database);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    harness::BackgroundCommand command(Slow::command(dsn()));
    Slow::wait_until_reading(server(), database);
    command.send_signal(signal);
    expect_unproven(command.wait());
    Slow::wait_until_gone(server());
  }
}

TEST_F(VerifyPlantedTest, LostSessionsEndItUnproven) {
  Slow::make(server(), database);
  for (const std::string role : {"reader", "source"}) {
    harness::BackgroundCommand command(Slow::command(dsn()));
    Slow::wait_until_reading(server(), database);
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'pgfanout/%/" +
        role + "'");
    expect_unproven(command.wait());
    Slow::wait_until_gone(server());
  }
}

TEST_F(VerifyPlantedTest, ServerThatIsKilledMeanwhile) {
  for (const bool is_target : {false, true}) {
    harness::TestServer doomed;
    Slow::make(doomed, "postgres");
    std::vector<std::string> more;
    if (is_target) {
      Slow::make(server(), database);
      more = {"--target", doomed.dsn()};
    }
    harness::BackgroundCommand command(Slow::command(is_target ? dsn() : doomed.dsn(), more));
    Slow::wait_until_reading(is_target ? server() : doomed, is_target ? database : "postgres");
    doomed.stop_immediately();
    expect_unproven(command.wait());
    if (is_target) break;
    SetUp();
  }
}

TEST_F(VerifyPlantedTest, WriteMeanwhileWithoutLocks) {
  Slow::make(server(), database);
  const std::string other = server().create_database("elsewhere");
  Slow::make(server(), other);
  for (const char* write :
       {"UPDATE t SET note = 'y' WHERE id = 17", "DELETE FROM t WHERE id = 18"}) {
    harness::BackgroundCommand command(
        Slow::command(dsn(), {"--target", server().dsn(other), "--assume-quiet"}));
    Slow::wait_until_reading(server(), database);
    execute(write);
    const CommandResult result = command.wait();
    EXPECT_EQ(result.exit_code, 4) << "with and without differences: " << result;
    expect_unproven(result);
  }
}

TEST_F(VerifyPlantedTest, LocksKeepWritersOutBetweenDatabases) {
  Slow::make(server(), database);
  const std::string other = server().create_database("elsewhere");
  Slow::make(server(), other);
  harness::BackgroundCommand command(Slow::command(dsn(), {"--target", server().dsn(other)}));
  Slow::wait_until_reading(server(), database);
  for (const std::string& name : {database, other}) {
    const std::string write = "SET lock_timeout = '100ms'; UPDATE t";
    EXPECT_ANY_THROW(server().execute(
        name, write + (name == other ? "_new" : "") + " SET note = 'y' WHERE id = 17"));
  }
  const CommandResult result = command.wait();
  EXPECT_EQ(result.exit_code, 0) << result;
}

TEST_F(VerifyPlantedTest, WriteMeanwhileInOneDatabaseIsNotSeen) {
  Slow::make(server(), database);
  harness::BackgroundCommand command(Slow::command(dsn()));
  Slow::wait_until_reading(server(), database);
  execute("UPDATE t SET note = 'y' WHERE id = 17; DELETE FROM t_new WHERE id = 18");
  const CommandResult result = command.wait();
  EXPECT_EQ(result.exit_code, 0) << "both sides are read under one snapshot: " << result;
  EXPECT_EQ(verify({"--data"}).exit_code, 1);
  EXPECT_EQ(json["differences"]["changed"], 1);
  EXPECT_EQ(json["differences"]["missing"], 1);
}

TEST_F(VerifyPlantedTest, RoleThatMayOnlyRead) {
  make_hash_source("collection_id", ", PRIMARY KEY (id, collection_id)");
  fill_source(500);
  ASSERT_EQ(copy({"--table", "t", "--map", kMapping}).exit_code, 0) << json;
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

TEST_F(VerifyPlantedTest, UntouchedCopiesOfRandomTablesRaiseNoAlarm) {
  execute("CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TYPE pair AS (a int, b text)");
  for (unsigned seed = 1; seed <= 60; ++seed) {
    const RandomTable table(seed);
    execute(table.sql());
    std::vector<std::string> arguments = table.arguments();
    arguments.insert(arguments.begin(), seed % 4 == 0 ? "--full" : "--data");
    const CommandResult result = verify(arguments);
    const bool is_data = seed % 4 != 0;
    if (is_data) {
      ASSERT_EQ(result.exit_code, 0) << seed << " " << table.sql() << result;
      EXPECT_EQ(json["status"], "ok");
    }
    for (const char* kind : {"missing", "extra", "changed", "misplaced"}) {
      ASSERT_EQ(json["differences"][kind], 0) << seed << " " << table.sql() << result;
    }
    EXPECT_EQ(json["source"]["digest"], json["target"]["digest"]);
    EXPECT_EQ(json["source"]["rows"], std::stoi(value("SELECT count(*) FROM t")));
    execute("DROP TABLE t, t_new");
  }
}

}  // namespace
}  // namespace pgfanout
