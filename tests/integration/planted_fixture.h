// Tables of five shapes with a right copy of each, and rounds that plant faults, verify, verify
// with too small a limit, and repair.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"
#include "tests/integration/planted_faults.h"
#include "tests/integration/random_table.h"

namespace pgfanout::testing {

class PlantedFixture : public CopyFixture {
 protected:
  static constexpr const char* kColumns =
      "id bigint, collection_id uuid NOT NULL, name text, bits bytea, note text, title text,"
      " amount numeric, zero float8, seen timestamptz, raw json, meta jsonb, code char(12), stamp "
      "int";
  static constexpr const char* kMapping = "derived='n' || stamp";
  static constexpr const char* kKey = "abs(hashtext(collection_id::text)) % 8";

  // Each makes t with so many rows, and t_new as a right copy of it.

  /// HASH leaves, copied by the command into LIST leaves.
  PlantedShape make_copied(int rows) {
    make_hash_source("collection_id", ", PRIMARY KEY (id, collection_id)");
    fill_source(rows);
    EXPECT_EQ(copy({"--table", "t", "--map", kMapping}).exit_code, 0) << json;
    PlantedShape shape;
    shape.identity = {"id", "collection_id"};
    shape.keys = kLeaves;
    return shape;
  }
  PlantedShape make_with_text_as_key(int rows) const {
    make_hash_source("name", ", PRIMARY KEY (name)");
    fill_source(rows);
    make_list_target(std::string(kColumns) + ", derived text");
    fill_target(kKey);
    PlantedShape shape;
    shape.identity = {"name"};
    shape.keys = kLeaves;
    shape.arguments = {"--key", kKey};
    shape.can_be_null = true;
    return shape;
  }
  /// A tenth of the rows stands there twice.
  PlantedShape make_without_key(int rows) const {
    make_hash_source("collection_id");
    fill_source(rows);
    fill_source(rows / 10);
    make_list_target(std::string(kColumns) + ", derived text");
    fill_target(kKey);
    PlantedShape shape;
    shape.keys = kLeaves;
    shape.arguments = {"--key", kKey};
    return shape;
  }
  PlantedShape make_with_other_types(int rows) const {
    execute(
        "CREATE TABLE t (id int PRIMARY KEY, collection_id uuid, name varchar, bits bytea,"
        " note varchar(40), title text, amount numeric, zero float8, seen timestamptz, raw json,"
        " meta jsonb, code char(12), stamp smallint)");
    fill_source(rows);
    make_list_target(
        "derived text, stamp bigint, meta jsonb, code char(12), raw json, seen timestamptz,"
        " zero float8, amount numeric, title text, note text, bits bytea, name text,"
        " collection_id uuid, id bigint");
    fill_target(kKey);
    PlantedShape shape;
    shape.identity = {"id"};
    shape.keys = kLeaves;
    shape.arguments = {"--key", kKey};
    shape.can_be_null = true;
    return shape;
  }
  PlantedShape make_with_plain_target(int rows) const {
    make_hash_source("collection_id", ", PRIMARY KEY (id, collection_id)");
    fill_source(rows);
    execute("CREATE TABLE t_new (" + std::string(kColumns) + ", derived text)");
    fill_target("");
    PlantedShape shape;
    shape.identity = {"id", "collection_id"};
    shape.can_be_null = true;
    return shape;
  }

  /// Runs `pgfanout verify --json`; the document is in `json`.
  CommandResult verify(std::vector<std::string> arguments) {
    if (std::find(arguments.begin(), arguments.end(), "--source") == arguments.end()) {
      arguments.insert(arguments.begin(), {"--source", dsn()});
    }
    arguments.insert(arguments.begin(), {"verify", "--json", "--table", "t"});
    CommandResult result = harness::pgfanout(arguments);
    json = Json::parse(result.out, nullptr, false);
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

  /// Plants each fault in `count` rows, verifies, verifies with too small a limit, repairs.
  void plant_and_find(const PlantedShape& shape, int count, unsigned seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_EQ(verify_copy(shape).exit_code, 0) << json;
    PlantedFaults faults(shape, server().connect(database), seed);
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
    const Findings some = faults.named_in(json);
    EXPECT_TRUE(
        std::includes(faults.expected().begin(), faults.expected().end(), some.begin(), some.end()))
        << ::testing::PrintToString(some);
    repair(shape, faults);
  }

  /// A right copy raises no alarm.
  void expect_no_alarm(const RandomTable& table, const std::string& scope) {
    execute(table.sql());
    std::vector<std::string> arguments = table.arguments();
    arguments.insert(arguments.begin(), scope);
    const CommandResult result = verify(arguments);
    if (scope == "--data") {
      ASSERT_EQ(result.exit_code, 0) << table.sql() << result;
      EXPECT_EQ(json["status"], "ok");
    }
    for (const char* kind : {"missing", "extra", "changed", "misplaced"}) {
      ASSERT_EQ(json["differences"][kind], 0) << table.sql() << result;
    }
    EXPECT_EQ(json["source"]["digest"], json["target"]["digest"]);
    EXPECT_EQ(json["source"]["rows"], std::stoi(value("SELECT count(*) FROM t")));
    execute("DROP TABLE t, t_new");
  }

 private:
  void fill_source(int rows) const {
    execute(
        "INSERT INTO t SELECT n, md5((n % 50)::text)::uuid, 'name ' || n,"
        " decode(substr(md5(n::text), 1, 16), 'hex'), 'note ' || n,"
        " CASE WHEN n % 2 = 0 THEN '' END, (n || '.0')::numeric, 0,"
        " timestamptz '2024-01-01 00:00:00Z' + n * interval '1 second', '{\"b\":1,\"a\":2}',"
        " '{\"b\":1,\"a\":2}', 'code', n FROM generate_series(1, " +
        std::to_string(rows) + ") n");
  }
  void make_hash_source(const std::string& column, const std::string& constraint = "") const {
    execute("CREATE TABLE t (" + std::string(kColumns) + constraint + ") PARTITION BY HASH (" +
            column +
            "); DO $$ BEGIN FOR r IN 0..3 LOOP EXECUTE format('CREATE TABLE t_h%s PARTITION OF t"
            " FOR VALUES WITH (MODULUS 4, REMAINDER %s)', r, r); END LOOP; END $$");
  }
  void make_list_target(const std::string& columns) const {
    execute("CREATE TABLE t_new (" + columns +
            ", partition_key int NOT NULL) PARTITION BY LIST (partition_key);"
            "DO $$ BEGIN FOR r IN 0.." +
            std::to_string(kLeaves - 1) +
            " LOOP EXECUTE format('CREATE TABLE t_new_p%s PARTITION OF t_new FOR VALUES IN (%s)',"
            " r, r); END LOOP; END $$");
  }
  void fill_target(const std::string& key) const {
    const std::string columns =
        "id, collection_id, name, bits, note, title, amount, zero, seen, raw, meta, code, stamp";
    execute("INSERT INTO t_new (" + columns + ", derived" + (key.empty() ? "" : ", partition_key") +
            ") SELECT " + columns + ", 'n' || stamp" + (key.empty() ? "" : ", " + key) + " FROM t");
  }

  void expect_counts(const PlantedFaults& faults) {
    for (const char* kind : {"missing", "extra", "changed", "misplaced"}) {
      EXPECT_EQ(json["differences"][kind], faults.count(kind)) << kind;
    }
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
    const std::string as_text =
        "id::bigint, collection_id, name, bits, note::text, title, amount::text, zero::text, seen,"
        " raw::text, meta, code, stamp, ";
    return "(SELECT " + as_text + a_derived + " FROM " + a + " EXCEPT ALL SELECT " + as_text +
           b_derived + " FROM " + b + ")";
  }
};

}  // namespace pgfanout::testing
