// Compares the kernels of RANGE and LIST with the server's own order and equality: random and
// extreme values of each type, and every one of them as a bound. Bytes of bounds are the server's.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "copier/catalog/partition_bound.h"
#include "tests/harness/test_server.h"
#include "tests/hashing/partition_rows.h"

namespace pgfanout {
namespace {

struct TypeCase {
  KeyType type;
  const char* sql;
  const char* values;  ///< A query of some.
};

constexpr const char* kTexts =
    "SELECT unnest(ARRAY['', ' ', 'a', 'a ', 'A', 'aa', 'z', 'é', '日本', '~', E'\\x01', 'it''s'])"
    " UNION ALL SELECT substr(md5(i::text), 1, i % 5) FROM generate_series(1, 60) i";

const std::vector<TypeCase> kTypes = {
    {KeyType::int2, "int2",
     "SELECT unnest(ARRAY[-32768, -1, 0, 1, 32767]) UNION ALL SELECT (random() * 100 - 50)::int "
     "FROM generate_series(1, 60)"},
    {KeyType::int4, "int4",
     "SELECT unnest(ARRAY[-2147483648, -1, 0, 1, 2147483647]) UNION ALL "
     "SELECT (random() * 1000000 - 500000)::int FROM generate_series(1, 60)"},
    {KeyType::int8, "int8",
     "SELECT unnest(ARRAY[-9223372036854775808, -4294967296, -1, 0, 1, 4294967296, "
     "9223372036854775807])"},
    {KeyType::oid, "oid", "SELECT unnest(ARRAY[0, 1, 2147483647, 2147483648, 4294967295])"},
    {KeyType::boolean, "bool", "SELECT unnest(ARRAY[true, false])"},
    {KeyType::uuid, "uuid", "SELECT md5(i::text) FROM generate_series(1, 60) i"},
    {KeyType::bytea, "bytea",
     "SELECT decode(substr(md5(i::text), 1, 2 * (i % 6)), 'hex') FROM generate_series(1, 60) i"},
    {KeyType::text, "text COLLATE \"C\"", kTexts},
    {KeyType::varchar, "varchar(40) COLLATE \"C\"", kTexts},
    {KeyType::bpchar, "char(6) COLLATE \"C\"", kTexts},
    {KeyType::name, "name", kTexts},
    {KeyType::date, "date",
     "SELECT unnest(ARRAY['-infinity', 'infinity', '4713-01-01 BC', '0001-12-31 BC', '0001-01-01', "
     "'1582-10-04', '1900-02-28', '1900-03-01', '1999-12-31', '2000-02-29', '5874897-12-31']) "
     "UNION "
     "ALL SELECT (date '1000-01-01' + (random() * 700000)::int)::text FROM generate_series(1, 60)"},
    {KeyType::timestamp, "timestamp",
     "SELECT unnest(ARRAY['-infinity', 'infinity', '4713-01-01 00:00 BC', '0001-12-31 23:59:59 "
     "BC', "
     "'1999-12-31 23:59:59.999999', '2000-01-01', '294276-12-31 23:59:59.999999']) UNION ALL "
     "SELECT "
     "(timestamp '1600-01-01' + random() * interval '700 years')::text FROM generate_series(1, "
     "60)"},
    {KeyType::timestamptz, "timestamptz",
     "SELECT unnest(ARRAY['-infinity', 'infinity', '4713-01-02 00:00 BC', '1800-01-01', "
     "'2020-03-29 01:59:59.5', '2020-03-29 03:00', '2020-10-25 02:30+01', '2020-10-25 02:30+02']) "
     "UNION ALL SELECT (timestamptz '1600-01-01' + random() * interval '700 years')::text "
     "FROM generate_series(1, 60)"},
    {KeyType::numeric, "numeric",
     "SELECT unnest(ARRAY['NaN', 'Infinity', '-Infinity', '0', '0.00', '1.0', '1.00', '-1', "
     "'9999', "
     "'10000', '1e100', '-1e-100', '0.00010', '99999999.99999999']) UNION ALL "
     "SELECT ((random() - 0.5) * 10 ^ (random() * 40 - 20))::numeric::text "
     "FROM generate_series(1, 60)"},
};

/// A table with all values of a type and their bytes, which the server hands out as COPY does.
class PartitionOrderTest : public ::testing::Test {
 protected:
  PartitionOrderTest() : session_(connect()) {
    session_.execute(
        "SET TimeZone = 'Europe/Berlin'; SET DateStyle = 'ISO, YMD'; SELECT setseed(0.5)");
  }

  static harness::Session connect() {
    harness::TestServer& server = harness::TestServer::shared();
    return server.connect(server.create_database("partition_order"));
  }

  /// Value as text, its bytes in hex; the last one is NULL.
  harness::TextRows make_values(const TypeCase& of) {
    const std::string base = std::string(of.sql).substr(0, std::string(of.sql).find_first_of(" ("));
    session_.execute(fmt::format(
        "DROP TABLE IF EXISTS v; CREATE TABLE v (id int GENERATED ALWAYS AS IDENTITY, x {});"
        "INSERT INTO v (x) SELECT q::text::{} FROM ({}) AS s (q);"
        "INSERT INTO v (x) VALUES (NULL)",
        of.sql, base == "char" ? "char(6)" : base, of.values));
    return session_.rows(
        fmt::format("SELECT x::text, encode({}send(x), 'hex') FROM v ORDER BY id", send_name(of)));
  }

  static std::string send_name(const TypeCase& of) {
    switch (of.type) {
      case KeyType::uuid:
      case KeyType::date:
      case KeyType::timestamp:
      case KeyType::timestamptz:
      case KeyType::numeric:
        return std::string(of.sql) + "_";
      case KeyType::varchar:
        return "varchar";
      case KeyType::text:
        return "text";
      case KeyType::bpchar:
        return "bpchar";
      default:
        return of.sql;
    }
  }

  harness::Session session_;
};

std::vector<std::int64_t> keys_of_bytes(const PartitionKernel& kernel,
                                        const harness::TextRows& rows) {
  KeyRows batch;
  for (const harness::TextRow& row : rows) {
    batch.add_field(row[1] ? KeyValue(binary_from_hex(*row[1])) : std::nullopt);
  }
  std::vector<std::int64_t> keys(rows.size());
  std::vector<KeyState> states(rows.size());
  kernel.evaluate(batch.base(), batch.fields(), rows.size(), keys, states);
  for (const KeyState state : states) EXPECT_EQ(state, KeyState::ok);
  return keys;
}

void expect_same(const std::vector<std::int64_t>& mine, const harness::TextRows& theirs,
                 const harness::TextRows& values, const std::string& of) {
  ASSERT_EQ(mine.size(), theirs.size());
  for (std::size_t row = 0; row < mine.size(); ++row) {
    EXPECT_EQ(std::to_string(mine[row]), *theirs[row][0])
        << of << ": " << values[row][0].value_or("NULL");
  }
}

TEST_F(PartitionOrderTest, BytesAreThoseOfTheServer) {
  for (const TypeCase& of : kTypes) {
    for (const harness::TextRow& row : make_values(of)) {
      if (!row[0]) continue;
      std::deque<std::string> bytes;
      OrderedValue theirs;
      const std::string sent = binary_from_hex(*row[1]);
      ASSERT_TRUE(read_ordered(of.type, reinterpret_cast<const std::uint8_t*>(sent.data()),
                               static_cast<std::int32_t>(sent.size()), theirs));
      EXPECT_EQ(ordered_value(of.type, *row[0], bytes), theirs) << of.sql << ": " << *row[0];
      // A cast of char(n) to text takes its blanks off; the server leaves off a numeric's zeros.
      if (of.type == KeyType::bpchar || of.type == KeyType::numeric) continue;
      EXPECT_EQ(bytes.front(), sent) << of.sql << ": " << *row[0];
    }
  }
}

TEST_F(PartitionOrderTest, RangesAreThoseOfWidthBucket) {
  for (const TypeCase& of : kTypes) {
    const harness::TextRows values = make_values(of);
    PartitionKey key;
    key.strategy = PartitionKey::Strategy::range;
    for (const harness::TextRow& row :
         session_.rows("SELECT x::text AS t FROM v WHERE x IS NOT NULL GROUP BY x ORDER BY x")) {
      key.bounds.push_back({testing::bound_value(*row[0])});
    }
    const std::vector<KeyType> types = {of.type};
    const auto kernel = make_range_kernel(key, types);
    ASSERT_NE(kernel, nullptr) << of.sql;
    const harness::TextRows theirs = session_.rows(
        "SELECT coalesce(width_bucket(x, (SELECT array_agg(x ORDER BY x) FROM (SELECT x FROM v "
        "WHERE x IS NOT NULL GROUP BY x) AS d)), -1) FROM v ORDER BY id");
    expect_same(keys_of_bytes(*kernel, values), theirs, values, of.sql);
  }
}

TEST_F(PartitionOrderTest, ListedPlacesAreThoseOfArrayPosition) {
  for (const TypeCase& of : kTypes) {
    const harness::TextRows values = make_values(of);
    // Two of three values are listed, and NULL.
    session_.execute(
        "DROP TABLE IF EXISTS l; CREATE TABLE l AS SELECT row_number() OVER (ORDER BY id) AS n, x "
        "FROM (SELECT min(id) AS id, x FROM v GROUP BY x) AS d WHERE id % 3 <> 0 OR x IS NULL");
    PartitionKey key;
    key.strategy = PartitionKey::Strategy::list;
    for (const harness::TextRow& row : session_.rows("SELECT x::text FROM l ORDER BY n")) {
      key.bounds.push_back({row[0] ? testing::bound_value(*row[0]) : testing::kNullValue});
    }
    const std::vector<KeyType> types = {of.type};
    const auto kernel = make_list_kernel(key, types);
    ASSERT_NE(kernel, nullptr) << of.sql;
    const harness::TextRows theirs = session_.rows(
        "SELECT coalesce(array_position((SELECT array_agg(x ORDER BY n) FROM l), x) - 1, -1) FROM "
        "v "
        "ORDER BY id");
    expect_same(keys_of_bytes(*kernel, values), theirs, values, of.sql);
  }
}

TEST_F(PartitionOrderTest, ReadsTheBoundsThatTheServerPrints) {
  for (const TypeCase& of : kTypes) {
    const harness::TextRows values = make_values(of);
    session_.execute(fmt::format(
        "DROP TABLE IF EXISTS p; CREATE TABLE p (x {}) PARTITION BY LIST (x);"
        "DO $$ DECLARE listed text; BEGIN SELECT string_agg(coalesce(quote_literal(x), 'NULL'), "
        "',') "
        "INTO listed FROM (SELECT x FROM v GROUP BY x) AS d;"
        "EXECUTE 'CREATE TABLE p1 PARTITION OF p FOR VALUES IN (' || listed || ')'; END $$",
        of.sql));
    const auto bound = parse_partition_bound(session_.value(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'p1'::regclass"));
    ASSERT_TRUE(bound) << of.sql;
    PartitionKey key;
    key.strategy = PartitionKey::Strategy::list;
    for (const BoundValue& value : bound->values) key.bounds.push_back({value});
    const std::vector<KeyType> types = {of.type};
    const auto kernel = make_list_kernel(key, types);
    ASSERT_NE(kernel, nullptr) << of.sql;
    for (const std::int64_t place : keys_of_bytes(*kernel, values)) EXPECT_GE(place, 0) << of.sql;
  }
}

}  // namespace
}  // namespace pgfanout
