// The kernel of HASH partitions against satisfies_hash_partition() of a server.
#include <gtest/gtest.h>

#include "tests/differential/partition_oracle.h"
#include "tests/hashing/key_rows.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t seed = 20260228;

PartitionOracle make_oracle(const std::string& database) {
  harness::TestServer& server = harness::TestServer::shared();
  return PartitionOracle(server.connect(server.create_database(database)));
}

TEST(PartitionHashTest, HostileAndRandomValuesOfEveryTypeHaveTheServersRemainder) {
  PartitionOracle oracle = make_oracle("partition_hash");
  std::mt19937_64 random(seed);
  for (const KeyType type : kHashedTypes) {
    SCOPED_TRACE(probe_type_sql(type));
    std::vector<ProbeRow> rows = adversarial_rows({type}, "UTF8", random);
    append(rows, random_rows({type}, 500, random));
    oracle.expect_same({type}, 1000, rows, true);
  }
  EXPECT_GT(oracle.compared(), 7500U);
}

TEST(PartitionHashTest, SeveralColumnsAreCombinedAsTheServerDoes) {
  PartitionOracle oracle = make_oracle("partition_hash_columns");
  std::mt19937_64 random(seed);
  for (std::size_t first = 0; first < std::size(kHashedTypes); ++first) {
    std::vector<KeyType> types = {kHashedTypes[first]};
    for (std::size_t more = 1 + first % 4; more > 0; --more) {
      types.push_back(kHashedTypes[random() % std::size(kHashedTypes)]);
    }
    oracle.expect_same(types, 997, adversarial_rows(types, "UTF8", random), true);
  }
}

TEST(PartitionHashTest, EveryModulusDividesAsTheServerDoes) {
  PartitionOracle oracle = make_oracle("partition_hash_moduli");
  std::mt19937_64 random(seed);
  const std::vector<KeyType> types = {KeyType::int8, KeyType::text};
  for (std::uint32_t modulus = 1; modulus <= 1000; modulus += modulus < 20 ? 1 : 49) {
    oracle.expect_same(types, modulus, random_rows(types, 50, random));
  }
  oracle.expect_same(types, 2'147'483'647, random_rows(types, 500, random));
}

/// The longest numerics and the smallest one, which no literal of ours has.
TEST(PartitionHashTest, TheLargestNumbersHaveTheServersRemainder) {
  PartitionOracle oracle = make_oracle("partition_hash_numeric");
  std::vector<ProbeRow> rows;
  for (const char* sql : {"10::numeric ^ 131071", "-(10::numeric ^ 131071)", "1e-16383::numeric",
                          "repeat('12345678', 16384)::numeric",
                          "(repeat('9', 131072) || '.' ||"
                          " repeat('9', 16383))::numeric"}) {
    const std::string hex =
        oracle.session().value(fmt::format("SELECT encode(numeric_send({}), 'hex')", sql));
    rows.push_back({binary_from_hex(hex)});
  }
  oracle.expect_same({KeyType::numeric}, 1000, rows);
}

TEST(PartitionHashTest, TheServersSqlServesTypesWithoutAKernel) {
  PartitionOracle oracle = make_oracle("partition_hash_others");
  harness::Session& session = oracle.session();
  session.execute(
      "CREATE TYPE mood AS ENUM ('sad', 'so so', 'glad');"
      "CREATE DOMAIN word AS text");
  const std::pair<const char*, const char*> all[] = {
      {"mood", "(enum_range(NULL::mood))[n % 3 + 1]"},
      {"word", "'word ' || n"},
      {"float8", "CASE n % 3 WHEN 0 THEN '-0'::float8 WHEN 1 THEN 'NaN' ELSE n / 3.0 END"},
      {"int4[]", "CASE WHEN n % 5 > 0 THEN ARRAY[n, NULL, n * n] END"},
      {"jsonb", "jsonb_build_object('n', n)"},
      {"inet", "'10.0.0.0'::inet + n"},
      {"interval", "n * interval '1 day 1 second'"},
      {"int4range", "int4range(n, 2 * n)"}};
  for (const auto& [type, value] : all) {
    session.execute(
        fmt::format("DROP TABLE IF EXISTS leaves; CREATE TABLE leaves (a {0}, h {0})"
                    " PARTITION BY HASH (h, a)",
                    type));
    PartitionKey key;
    key.modulus = 97;
    const std::vector<std::string> columns = {"h", "a"};
    EXPECT_EQ(session.value(fmt::format(
                  "SELECT count(*) FROM (SELECT ({1})::{0} AS a, (CASE WHEN n % 4 > 0 THEN"
                  " ({1})::{0} END)::{0} AS h FROM generate_series(1, 300) n) v WHERE"
                  " satisfies_hash_partition('leaves'::regclass, 97, ({2})::int4, h, a)",
                  type, value, partition_key_sql(key, columns, std::vector<std::string>(2, type)))),
              "300")
        << type;
  }
}

/// A value that is asked about by its literal is the one that the kernel gets.
TEST(PartitionHashTest, ProbedValuesAreReadAsTheyAreMeant) {
  PartitionOracle oracle = make_oracle("partition_hash_probes");
  std::mt19937_64 random(seed);
  const std::pair<KeyType, const char*> all[] = {{KeyType::name, "namesend"},
                                                 {KeyType::oid, "oidsend"},
                                                 {KeyType::date, "date_send"},
                                                 {KeyType::timestamp, "timestamp_send"},
                                                 {KeyType::timestamptz, "timestamptz_send"},
                                                 {KeyType::numeric, "numeric_send"}};
  for (const auto& [type, send] : all) {
    std::vector<ProbeValue> values = adversarial_values(type, "UTF8");
    for (int more = 0; more < 200; ++more) values.push_back(random_value(type, random));
    for (const ProbeValue& value : values) {
      if (!value) continue;
      const std::string sent = binary_from_hex(oracle.session().value(
          fmt::format("SELECT encode({}({}), 'hex')", send, probe_literal(type, value))));
      // The scale of an infinity means nothing.
      const std::size_t counts = type == KeyType::numeric && value->size() == 8 ? 6 : value->size();
      EXPECT_EQ(sent.substr(0, counts), value->substr(0, counts)) << probe_text(type, *value);
      EXPECT_EQ(sent.size(), value->size());
    }
  }
}

}  // namespace
}  // namespace pgfanout
