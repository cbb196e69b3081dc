// A table of random columns, types and rows, and a copy of it in a random layout: as SQL, the same
// for the same seed but for a few values.
#pragma once

#include <array>
#include <random>
#include <string>
#include <vector>

namespace pgfanout::testing {

/// The tables are t and t_new. The types of kTypesOfItsOwn have to be there.
class RandomTable {
 public:
  static constexpr const char* kTypesOfItsOwn =
      "CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TYPE pair AS (a int, b text)";

  explicit RandomTable(unsigned seed) : random_(seed), seed_(seed) {
    begin();
    const std::size_t more = pick(8);
    for (std::size_t at = 0; at < more; ++at) add_column(kTypes.at(pick(kTypes.size())));
    constexpr std::array<int, 6> sizes = {0, 1, 17, 200, 700, 2000};
    const bool is_partitioned = pick(2) == 0;
    make_source(is_partitioned, sizes.at(pick(sizes.size())));
    make_target(pick(4));
  }
  /// A column of each type, into leaves with a stored key.
  static RandomTable of_all_types() {
    RandomTable table;
    table.begin();
    for (const Type& type : kTypes) table.add_column(type);
    table.make_source(true, 200);
    table.make_target(kStoredKey);
    return table;
  }
  [[nodiscard]] const std::string& sql() const { return sql_; }
  [[nodiscard]] const std::vector<std::string>& arguments() const { return arguments_; }

 private:
  struct Type {
    const char* name;
    const char* value;
  };
  /// Of the target's layouts.
  static constexpr std::size_t kStoredKey = 2;

  RandomTable() = default;

  static constexpr std::array<Type, 30> kTypes = {{
      {"bool", "random() < 0.5"},
      {"int2", "random() * 60000 - 30000"},
      {"int4", "random() * 4e9 - 2e9"},
      {"int8", "random() * 1.8e19 - 9e18"},
      {"float4", "(ARRAY['NaN', '-0', '0', 'Infinity', '1e-40', '0.1'])[1 + n % 6]"},
      {"float8", "CASE n % 9 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' ELSE random()::text END"},
      {"numeric",
       "CASE n % 9 WHEN 0 THEN 'NaN' WHEN 1 THEN '1.00' ELSE (random() * 1e9)::text END"},
      {"numeric(12,3)", "random() * 1e6"},
      {"text", "repeat(md5(random()::text), (random() * 9)::int)"},
      {"varchar(40)", "left(md5(random()::text), (random() * 32)::int) || repeat(' ', n % 4)"},
      {"char(9)", "repeat('x', n % 9)"},
      {"bytea", "decode(md5(random()::text), 'hex')"},
      {"date", "date '2000-01-01' + (random() * 9999)::int"},
      {"time", "time '00:00' + random() * interval '23 hours'"},
      {"timetz", "timetz '00:00+02' + random() * interval '20 hours'"},
      {"timestamp", "timestamp '1999-01-01' + random() * interval '30 years'"},
      {"timestamptz",
       "CASE n % 9 WHEN 0 THEN 'infinity' ELSE now() - random() * interval '9 years' END"},
      {"interval", "random() * interval '1 month 3 days'"},
      {"uuid", "gen_random_uuid()"},
      {"json", "json_build_object('b', random(), 'a', NULL)"},
      {"jsonb", "jsonb_build_object('b', random(), 'a', ARRAY[1, n])"},
      {"inet", "inet '10.0.0.0' + (random() * 9999)::int"},
      {"int4[]", "ARRAY[n, NULL, (random() * 9)::int]"},
      {"text[]", "ARRAY[[md5(n::text), ''], [NULL, 'x']]"},
      {"point", "point(random(), -random())"},
      {"varbit", "((random() * 1e9)::int)::bit(32)::varbit"},
      {"int4range", "int4range((n % 50)::int, 50 + n % 9)"},
      {"mood", "(ARRAY['sad', 'glad'])[1 + n % 2]::mood"},
      {"pair", "ROW(n, md5(n::text))::pair"},
      {"mood[]", "ARRAY['glad', NULL, 'sad']::mood[]"},
  }};

  std::size_t pick(std::size_t bound) { return random_() % bound; }

  void begin() {
    columns_ = "c";
    types_ = "c int NOT NULL";
    values_ = "(random() * 1000)::int";
    add_identity();
  }
  void add_column(const Type& type) {
    const std::string name = "c" + std::to_string(added_++);
    columns_ += ", " + name;
    types_ += ", " + name + " " + type.name;
    values_ +=
        ", CASE WHEN random() < 0.8 THEN (" + std::string(type.value) + ")::" + type.name + " END";
  }

  void add_identity() {
    static const std::array<Type, 6> identities = {{{"bigint", "n * 7919"},
                                                    {"text", "'id ' || n"},
                                                    {"uuid", "md5(n::text)::uuid"},
                                                    {"float8", "n / 7.0"},
                                                    {"interval", "n * interval '1 hour 1 day'"},
                                                    {"numeric", "n / 10.0"}}};
    const std::size_t chosen = random_() % (identities.size() + 2);
    if (chosen >= identities.size()) return;
    columns_ += ", id";
    types_ += std::string(", id ") + identities.at(chosen).name;
    values_ += std::string(", ") + identities.at(chosen).value;
    key_ = ", PRIMARY KEY (id, c)";
  }

  void make_source(bool is_partitioned, int rows) {
    sql_ = "CREATE TABLE t (" + types_ + key_ + ")" +
           (is_partitioned ? " PARTITION BY HASH (c)" : "") + ";";
    for (int at = 0; is_partitioned && at < 4; ++at) {
      sql_ += "CREATE TABLE t_h" + std::to_string(at) +
              " PARTITION OF t FOR VALUES WITH (MODULUS 4, REMAINDER " + std::to_string(at) + ");";
    }
    sql_ += "SELECT setseed(" + std::to_string(static_cast<double>(seed_ % 1000) / 1000) +
            "); INSERT INTO t SELECT " + values_ + " FROM generate_series(1, " +
            std::to_string(rows) + ") n;";
  }

  void make_target(std::size_t layout) {
    const std::string keys = std::to_string(1 + pick(12));
    const std::string key = pick(2) == 0 ? "abs(hashtext(c::text)) % " + keys : "c % " + keys;
    if (layout == 0) {
      sql_ += "CREATE TABLE t_new (" + types_ + ");";
    } else if (layout == 1) {
      sql_ += "CREATE TABLE t_new (" + types_ +
              ") PARTITION BY RANGE (c);"
              "CREATE TABLE t_new_a PARTITION OF t_new FOR VALUES FROM (MINVALUE) TO (500);"
              "CREATE TABLE t_new_b PARTITION OF t_new FOR VALUES FROM (500) TO (MAXVALUE);";
    } else {
      const bool is_stored = layout == kStoredKey;
      sql_ += "CREATE TABLE t_new (" + std::string(is_stored ? "partition_key int, " : "") +
              types_ + ") PARTITION BY LIST (" + (is_stored ? "partition_key" : "(" + key + ")") +
              "); DO $$ BEGIN FOR r IN 0.." + keys +
              " - 1 LOOP EXECUTE format('CREATE TABLE t_new_p%s PARTITION OF t_new FOR VALUES IN"
              " (%s)', r, r); END LOOP; END $$;";
      arguments_ = {"--key", key, "--partitions", keys};
      if (is_stored) {
        sql_ += "INSERT INTO t_new (partition_key, " + columns_ + ") SELECT " + key + ", " +
                columns_ + " FROM t ORDER BY random();";
        return;
      }
    }
    sql_ +=
        "INSERT INTO t_new (" + columns_ + ") SELECT " + columns_ + " FROM t ORDER BY random();";
  }

  std::mt19937 random_;
  unsigned seed_ = 0;
  int added_ = 0;
  std::string columns_;
  std::string types_;
  std::string values_;
  std::string key_;
  std::string sql_;
  std::vector<std::string> arguments_;
};

}  // namespace pgfanout::testing
