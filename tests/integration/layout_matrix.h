// Tables of every layout with the same rows, targets of every layout, and what is expected of each
// pair: a copy that SQL and `verify` call equal, with every row in the leaf whose bound takes it,
// and a row in a wrong leaf that `verify` names.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"

namespace pgfanout::testing {

class LayoutMatrixFixture : public CopyFixture {
 protected:
  static constexpr const char* kColumns = "id, region, at, v";

  /// Table "s" of that layout, with 200 rows.
  void make_source(const std::string& layout) {
    execute(kSources.at(layout));
    const bool stores_key = layout == "key";
    skip_.clear();
    if (stores_key) skip_ = {"--skip", "partition_key"};
    execute("INSERT INTO s (id, region, at, v" + std::string(stores_key ? ", partition_key" : "") +
            ") SELECT n, (ARRAY['eu', 'us', 'asia', 'a''b'])[1 + n % 4],"
            " '2024-01-15 12:00Z'::timestamptz + (n % 5) * interval '1 month',"
            " repeat('v' || n, n % 9)" +
            (stores_key ? ", n % 4" : "") + " FROM generate_series(1, 200) n; ANALYZE s");
  }

  /// Copies into a target of that layout, and looks at it.
  void copy_into(const std::string& layout) {
    const Target& target = kTargets.at(layout);
    if (target.sql != nullptr) execute(target.sql);
    std::vector<std::string> arguments = {"--table", "s", "--into", "t"};
    arguments.insert(arguments.end(), target.options.begin(), target.options.end());
    if (target.sql != nullptr) arguments.insert(arguments.end(), skip_.begin(), skip_.end());
    const CommandResult copied = copy(arguments);
    ASSERT_EQ(copied.exit_code, 0) << copied;
    EXPECT_EQ(difference("s", "t", kColumns), "0");
    EXPECT_EQ(value("SELECT count(*) FROM t"), "200");
    expect_rows_in_their_leaves();
    EXPECT_EQ(verify(target).exit_code, 0) << json;
    if (layout != "none") expect_misplaced_row(target);
  }

  static std::vector<std::string> sources() { return names_of(kSources); }
  static std::vector<std::string> targets() { return names_of(kTargets); }

 private:
  struct Target {
    std::vector<std::string> options;  ///< Of copy.
    std::vector<std::string> key;      ///< Of verify as well.
    const char* sql = nullptr;         ///< Makes it before.
  };

  template <class Map>
  static std::vector<std::string> names_of(const Map& map) {
    std::vector<std::string> names;
    for (const auto& entry : map) names.push_back(entry.first);
    return names;
  }

  CommandResult verify(const Target& target) {
    std::vector<std::string> arguments = {"verify",  "--json", "--data", "--source", dsn(),
                                          "--table", "s",      "--into", "t"};
    arguments.insert(arguments.end(), target.key.begin(), target.key.end());
    if (target.sql != nullptr) arguments.insert(arguments.end(), skip_.begin(), skip_.end());
    CommandResult result = harness::pgfanout(arguments);
    json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    return result;
  }

  /// By the bounds, as the server states them.
  void expect_rows_in_their_leaves() const {
    execute(
        "DO $$ DECLARE leaf record; wrong bigint; BEGIN FOR leaf IN SELECT relid,"
        " pg_get_partition_constraintdef(relid) AS bound FROM pg_partition_tree('t')"
        " WHERE isleaf AND level > 0 LOOP"
        " EXECUTE format('SELECT count(*) FROM ONLY %s WHERE (%s) IS NOT TRUE', leaf.relid,"
        " leaf.bound) INTO wrong;"
        " IF wrong > 0 THEN RAISE EXCEPTION '% rows are wrong in %', wrong, leaf.relid; END IF;"
        " END LOOP; END $$");
  }

  /// Moves a row from a leaf into another one behind the server's back.
  void expect_misplaced_row(const Target& target) {
    const std::string from = value("SELECT min(tableoid::regclass::text) FROM t");
    const std::string to = value(
        "SELECT min(relid::text) FROM pg_partition_tree('t') WHERE isleaf AND relid::text <> '" +
        from + "'");
    const auto set_partition = [&](const char* is) {
      return "UPDATE pg_class SET relispartition = " + std::string(is) + " WHERE oid = '" + to +
             "'::regclass;";
    };
    execute(set_partition("false") + "WITH gone AS (DELETE FROM " + from +
            " WHERE id = (SELECT min(id) FROM " + from + ") RETURNING *) INSERT INTO " + to +
            " SELECT * FROM gone;" + set_partition("true"));
    EXPECT_EQ(verify(target).exit_code, 1) << json;
    EXPECT_EQ(json["differences"]["misplaced"], 1) << json;
    ASSERT_EQ(json["differences"]["rows"].size(), 1U) << json;
    EXPECT_EQ(json["differences"]["rows"][0]["kind"], "misplaced") << json;
  }

  std::vector<std::string> skip_;  ///< Of a source that stores a key, and a target that has none.

  static const std::map<std::string, std::string> kSources;
  static const std::map<std::string, Target> kTargets;
};

inline const std::map<std::string, std::string> LayoutMatrixFixture::kSources = [] {
  const std::string columns =
      "(id int NOT NULL, region text NOT NULL, at timestamptz NOT NULL, v text";
  const std::string table = "CREATE TABLE s " + columns;
  const std::string keyed = ", PRIMARY KEY (id, region, at))";
  return std::map<std::string, std::string>{
      {"plain", table + keyed},
      {"hash", table + keyed +
                   " PARTITION BY HASH (id);"
                   "CREATE TABLE s_0 PARTITION OF s FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
                   "CREATE TABLE s_1 PARTITION OF s FOR VALUES WITH (MODULUS 4, REMAINDER 1);"
                   "CREATE TABLE s_3 PARTITION OF s FOR VALUES WITH (MODULUS 4, REMAINDER 3)"},
      {"range", table + keyed +
                    " PARTITION BY RANGE (at);"
                    "CREATE TABLE s_old PARTITION OF s FOR VALUES FROM (MINVALUE) TO "
                    "('2024-02-01');"
                    "CREATE TABLE s_new PARTITION OF s FOR VALUES FROM ('2024-03-01') TO "
                    "('2024-05-01'); CREATE TABLE s_rest PARTITION OF s DEFAULT"},
      {"list", table + keyed +
                   " PARTITION BY LIST (region);"
                   "CREATE TABLE s_west PARTITION OF s FOR VALUES IN ('eu', 'us');"
                   "CREATE TABLE s_rest PARTITION OF s DEFAULT"},
      {"key", table +
                  ", partition_key int NOT NULL, CONSTRAINT partition_key_check CHECK"
                  " (partition_key = id % 4), PRIMARY KEY (id, region, at, partition_key))"
                  " PARTITION BY LIST (partition_key);"
                  "DO $$ BEGIN FOR k IN 0..3 LOOP EXECUTE format('CREATE TABLE s_p%s PARTITION OF s"
                  " FOR VALUES IN (%s)', k, k); END LOOP; END $$"},
      {"sub", table + keyed +
                  " PARTITION BY LIST (region);"
                  "CREATE TABLE s_eu PARTITION OF s FOR VALUES IN ('eu') PARTITION BY HASH (id);"
                  "CREATE TABLE s_eu_0 PARTITION OF s_eu FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
                  "CREATE TABLE s_eu_1 (v text, at timestamptz NOT NULL, gone int, id int NOT NULL,"
                  " region text NOT NULL); ALTER TABLE s_eu_1 DROP gone;"
                  "ALTER TABLE s_eu ATTACH PARTITION s_eu_1 FOR VALUES WITH (MODULUS 2, REMAINDER"
                  " 1); CREATE TABLE s_rest PARTITION OF s DEFAULT"}};
}();

inline const std::map<std::string, LayoutMatrixFixture::Target> LayoutMatrixFixture::kTargets = {
    {"key",
     {{"--key", "id % 4", "--partitions", "4"}, {"--key", "id % 4", "--partitions", "4"}, nullptr}},
    {"hash", {{"--partition-by", "HASH (id, region)", "--partitions", "5"}, {}, nullptr}},
    {"range", {{"--partition-by", "RANGE (at)", "--interval", "1 month"}, {}, nullptr}},
    {"list", {{"--partition-by", "LIST (region)"}, {}, nullptr}},
    {"none", {{"--partition-by", "none"}, {}, nullptr}},
    {"existing",
     {{},
      {},
      "CREATE TABLE t (v text, id int NOT NULL, region text NOT NULL, at timestamptz NOT NULL)"
      " PARTITION BY LIST (region); CREATE TABLE t_eu PARTITION OF t FOR VALUES IN ('eu');"
      "CREATE TABLE t_west PARTITION OF t FOR VALUES IN ('us', 'ca'); CREATE TABLE t_rest PARTITION"
      " OF t DEFAULT"}},
};

}  // namespace pgfanout::testing
