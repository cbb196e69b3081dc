// The row hash that SQL computes is the one that the client computes from the bytes of COPY, for
// every type that can be copied.
#include "hashing/row_hash.h"

#include <array>
#include <map>
#include <random>
#include <set>

#include "copier/base/lists.h"
#include "copier/catalog/table.h"
#include "copier/columns/row_hash.h"
#include "copier/pg/copy_out.h"
#include "copier/pg/transaction.h"
#include "copier/plan/verify_plan.h"
#include "tests/integration/plan_fixture.h"

namespace pgfanout {
namespace {

using testing::succeeded;

/// A row as COPY sends it, without its field count, and the hash that the server gives it.
struct HashedRow {
  std::string fields;
  std::uint64_t hash = 0;
};

struct HashedRows {
  std::vector<HashForm> forms;
  std::vector<HashedRow> rows;

  [[nodiscard]] std::uint64_t sum() const {
    std::uint64_t all = 0;
    for (const HashedRow& row : rows) all += row.hash;
    return all;
  }
};

/// Texts of values of the types that have input, two that differ at the least; first two values of
/// which the first is not above the second, for ranges.
const std::map<std::string, std::vector<std::string>>& texts() {
  static const std::map<std::string, std::vector<std::string>> map = {
      {"bool", {"false", "true"}},
      {"bytea", {"", "\\x00", "\\x0000", "\\x01", "\\xff00ff"}},
      {"char", {"a", "b", "", " ", "\\377"}},
      {"name", {"a", "b", "", " ", "a ", "größe", std::string(63, 'n')}},
      {"int8",
       {"0", "1", "-1", "4294967296", "4294967297", "-4294967296", "-4294967297",
        "9223372036854775807", "-9223372036854775808", "2147483648", "-2147483649"}},
      {"int2", {"0", "1", "-1", "32767", "-32768", "256"}},
      {"int2vector", {"", "1", "1 2", "2 1"}},
      {"int4", {"0", "1", "-1", "2147483647", "-2147483648", "65536"}},
      {"regproc", {"-", "now", "version"}},
      {"text", {"a", "b", "", " ", "A", "ä", "a\u0308", "ß", "ss", "0", "a ", "日本"}},
      {"oid", {"0", "1", "4294967295", "2147483648"}},
      {"tid", {"(0,0)", "(0,1)", "(1,0)", "(4294967295,65535)"}},
      {"xid", {"0", "1", "4294967295"}},
      {"cid", {"0", "1", "4294967295"}},
      {"oidvector", {"", "1", "1 2", "2 1"}},
      {"json", {"{}", "{ }", "1", "1.0", "null", "\"\"", "{\"a\":1,\"a\":2}"}},
      {"xml", {"<a/>", "<a></a>", "", "<?xml version=\"1.0\"?><a>ä</a>"}},
      {"point", {"(0,0)", "(-0,0)", "(0,-0)", "(1,2)", "(2,1)", "(nan,inf)"}},
      {"lseg", {"[(0,0),(1,1)]", "[(1,1),(0,0)]", "[(-0,0),(1,1)]"}},
      {"path", {"((0,0),(1,1))", "[(0,0),(1,1)]", "((1,1))"}},
      {"box", {"(1,1),(0,0)", "(2,2),(0,0)", "(1,1),(-0,-0)"}},
      {"polygon", {"((0,0),(1,1))", "((1,1),(0,0))", "((0,0))"}},
      {"line", {"{1,2,3}", "{2,1,3}", "{1,2,-3}"}},
      {"cidr", {"10.0.0.0/8", "10.0.0.0/9", "::/0", "::1/128", "0.0.0.0/0"}},
      {"float4", {"0", "1", "-0", "-1", "nan", "-nan", "inf", "-inf", "1e-45", "1.0000001"}},
      {"float8",
       {"0", "1", "-0", "-1", "nan", "-nan", "nan(123)", "inf", "-inf", "5e-324",
        "1.0000000000000002"}},
      {"circle", {"<(0,0),1>", "<(-0,0),1>", "<(0,0),2>"}},
      {"macaddr8",
       {"00:00:00:00:00:00:00:00", "00:00:00:00:00:00:00:01", "ff:00:00:00:00:00:00:00"}},
      {"money", {"0", "1", "-1", "42949672.96", "-0.01"}},
      {"macaddr", {"00:00:00:00:00:00", "00:00:00:00:00:01", "ff:00:00:00:00:00"}},
      {"inet", {"10.0.0.0/8", "10.0.0.0", "10.0.0.1/8", "::", "::/1", "::ffff:10.0.0.0"}},
      {"bpchar", {"a", "b", "", " ", "a ", "a  ", " a", "ä"}},
      {"varchar", {"a", "b", "", " ", "a ", "ä"}},
      {"date",
       {"2000-01-01", "2000-01-02", "infinity", "-infinity", "0044-03-15 BC", "5874897-12-31"}},
      {"time", {"00:00", "00:00:00.000001", "24:00", "01:11:34.967296", "01:11:34.967297"}},
      {"timestamp",
       {"2000-01-01", "2000-01-02", "infinity", "-infinity", "1999-12-31 23:59:59.999999",
        "2000-01-01 01:11:34.967296", "2000-01-01 01:11:34.967297"}},
      {"timestamptz",
       {"2000-01-01 00:00+0", "2000-01-02 00:00+0", "infinity", "-infinity",
        "1999-12-31 22:48:25.032703+0", "1999-12-31 22:48:25.032704+0", "294276-12-31 00:00+0"}},
      {"interval", {"0", "1 day", "24 hours", "1 month", "30 days", "-1 day", "1 day -24 hours"}},
      {"timetz", {"00:00+0", "01:00+1", "00:00-0:30", "24:00+0"}},
      {"bit", {"0", "1"}},
      {"varbit", {"", "0", "00", "1", "10", "00000000", "000000000"}},
      {"numeric",
       {"0", "1", "1.0", "1.00", "0.0", "-1", "nan", "inf", "-inf", "1e100", "1e-100", "10000",
        "12345678901234567890.0987654321"}},
      {"refcursor", {"", "a", "b"}},
      {"regprocedure", {"now()", "version()", "-"}},
      {"regoper", {"0", "pg_catalog.||/"}},
      {"regoperator", {"+(int4,int4)", "0"}},
      {"regclass", {"pg_class", "pg_type", "-"}},
      {"regtype", {"int4", "int8", "-"}},
      {"uuid", {"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"}},
      {"txid_snapshot", {"1:1:", "1:2:1", "1:2:"}},
      {"pg_lsn", {"0/0", "0/1", "1/0", "1/1", "FFFFFFFF/FFFFFFFF"}},
      {"tsvector", {"", "a", "b", "a:1", "a:1A", "a b"}},
      {"tsquery", {"", "a", "b", "a & b", "b & a", "a | b", "!a", "a:A"}},
      {"regconfig", {"simple", "english"}},
      {"regdictionary", {"simple", "english_stem"}},
      {"jsonb", {"{}", "1", "1.0", "null", "\"\"", "[]", "-0.0", "{\"a\":{\"b\":[1,null,\"ä\"]}}"}},
      {"jsonpath", {"$", "$.a", "strict $", "$.b"}},
      {"regnamespace", {"pg_catalog", "public"}},
      {"regrole", {"postgres", "-"}},
      {"regcollation", {"\"C\"", "\"POSIX\""}},
      {"pg_snapshot", {"1:1:", "1:2:1", "1:2:"}},
      {"xid8", {"0", "1", "4294967296", "4294967297", "18446744073709551615"}},
      {"int4range", {"[1,2)", "[1,3)", "empty", "(,)", "[1,)", "(,1)"}},
      {"int8range", {"[1,2)", "[4294967297,4294967299)", "empty", "(,)"}},
      {"numrange", {"[1,2)", "[1.0,2)", "[1,2]", "(1,2)", "empty"}},
      {"tsrange", {"[2000-01-01,2000-01-02)", "empty", "[-infinity,infinity]", "(,)"}},
      {"tstzrange", {"[2000-01-01,2000-01-02)", "empty", "[-infinity,infinity]", "(,)"}},
      {"daterange", {"[2000-01-01,2000-01-02)", "empty", "[-infinity,infinity]", "(,)"}},
      {"int4multirange", {"{}", "{[1,2)}", "{[1,2),[4,5)}", "{(,)}"}},
      {"int8multirange", {"{}", "{[1,2)}", "{[1,2),[4,5)}", "{(,)}"}},
      {"nummultirange", {"{}", "{[1,2)}", "{[1.0,2)}"}},
      {"tsmultirange", {"{}", "{[2000-01-01,2000-01-02)}"}},
      {"tstzmultirange", {"{}", "{[2000-01-01,2000-01-02)}"}},
      {"datemultirange", {"{}", "{[2000-01-01,2000-01-02)}"}},
  };
  return map;
}

/// Whose input the server refuses: they are in its own catalogs only.
const std::set<std::string> kWithoutInput = {"pg_node_tree",
                                             "pg_ndistinct",
                                             "pg_dependencies",
                                             "pg_brin_bloom_summary",
                                             "pg_brin_minmax_multi_summary",
                                             "pg_mcv_list"};

std::string literal(const std::string& text) {
  std::string quoted = "'";
  for (const char byte : text) {
    if (byte == '\'') quoted += byte;
    quoted += byte;
  }
  return quoted + "'";
}

class RowHashTest : public testing::PlanFixture {
 protected:
  void SetUp() override {
    PlanFixture::SetUp();
    connection_.emplace(open());
  }

  /// Rows with their canonical bytes.
  static std::vector<std::string> copied(Connection& connection, const std::string& select) {
    const Cancellation cancellation;
    auto stream =
        CopyOut::start(connection, "COPY (" + select + ") TO STDOUT (FORMAT binary)", cancellation);
    EXPECT_TRUE(succeeded(stream)) << select;
    std::string bytes;
    while (stream) {
      auto message = (*stream)->next();
      EXPECT_TRUE(succeeded(message)) << select;
      if (!message || !*message) break;
      bytes += as_text(**message);
    }
    std::vector<std::string> rows;
    std::size_t at = 19;
    const auto word = [&](std::size_t width) {
      std::uint32_t value = 0;
      for (std::size_t i = 0; i < width; ++i) {
        value = value << 8 | static_cast<std::uint8_t>(bytes.at(at++));
      }
      return value;
    };
    for (std::uint32_t fields = word(2); fields != 0xffff; fields = word(2)) {
      const std::size_t start = at;
      for (; fields > 0; --fields) {
        const std::uint32_t length = word(4);
        if (length != 0xffffffffU) at += length;
      }
      rows.push_back(bytes.substr(start, at - start));
    }
    return rows;
  }

  std::string hash_sql_of(const std::string& name, const std::vector<std::string>& values) {
    const auto table = describe_table(*connection_, name);
    EXPECT_TRUE(succeeded(table)) << name;
    const auto columns = hashed_columns(*connection_, *table, values, {});
    EXPECT_TRUE(succeeded(columns)) << name;
    return row_hash_sql(columns->value());
  }

  /// Expects that both agree on every row, and that rows that differ have hashes that differ.
  HashedRows compare(const std::string& name, std::vector<std::string> values = {}) {
    HashedRows all;
    const auto table = describe_table(*connection_, name);
    EXPECT_TRUE(succeeded(table)) << name;
    if (!table) return all;
    if (values.empty()) values = parts_of(table->columns, &Column::quoted);
    const auto columns = hashed_columns(*connection_, *table, values, {});
    EXPECT_TRUE(succeeded(columns)) << name;
    if (!columns || !*columns) {
      ADD_FAILURE() << name << " has no hash in SQL";
      return all;
    }
    all.forms = parts_of(**columns, &HashedColumn::form);
    const std::string from = " FROM ONLY " + table->leaves.front().qualified;
    const auto hashes = connection_->query("SELECT " + row_hash_sql(**columns) + from);
    EXPECT_TRUE(succeeded(hashes)) << name;
    if (!hashes) return all;
    const auto rows = copied(*connection_, "SELECT " + joined(values, ", ") + from);
    EXPECT_EQ(static_cast<std::size_t>(hashes->size()), rows.size());
    std::map<std::uint64_t, std::string> seen;
    for (std::size_t at = 0; at < rows.size(); ++at) {
      const auto hash = static_cast<std::uint64_t>(hashes->integer(static_cast<int>(at), 0));
      EXPECT_EQ(hash, row_hash(all.forms, as_bytes(rows[at])))
          << name << ", row " << at << ": " << row_hash_sql(**columns);
      EXPECT_EQ(seen.emplace(hash, rows[at]).first->second, rows[at]) << name << ", row " << at;
      all.rows.push_back(HashedRow{rows[at], hash});
    }
    return all;
  }

  /// Every bit of every value counts in the client, so in the server, which agrees.
  static void flip_bits(const HashedRows& all, const std::string& name) {
    constexpr std::size_t kLengthWord = 4;
    std::size_t blind = 0;
    for (const HashedRow& row : all.rows) {
      for (std::size_t bit = 8 * kLengthWord; bit < 8 * row.fields.size(); ++bit) {
        std::string flipped = row.fields;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        if (row_hash(all.forms, as_bytes(flipped)) == row.hash) ++blind;
      }
    }
    EXPECT_EQ(blind, 0U) << name;
  }

  /// Of one column, with NULL and these values, which the server casts.
  void check_type(const std::string& table, const std::string& type,
                  const std::vector<std::string>& values) {
    std::string sql =
        "CREATE TABLE " + table + " (v " + type + "); INSERT INTO " + table + " VALUES (NULL)";
    for (const std::string& value : values) sql += ", (" + value + "::" + type + ")";
    ASSERT_TRUE(succeeded(connection_->run(sql))) << sql;
    const HashedRows rows = compare(table);
    EXPECT_EQ(rows.rows.size(), values.size() + 1) << type;
    std::set<std::uint64_t> different;
    for (const HashedRow& row : rows.rows) different.insert(row.hash);
    EXPECT_GE(different.size(), std::min<std::size_t>(3, values.size() + 1)) << type;
    flip_bits(rows, type);
  }

  std::optional<Connection> connection_;
};

TEST_F(RowHashTest, EveryTypeOfTheServerAndArraysOfIt) {
  execute("CREATE SCHEMA k");
  const auto types = server().rows(
      database,
      "SELECT t.typname, format('pg_catalog.%I', t.typname), t.oid,"
      " (SELECT format('pg_catalog.%I', a.typname) FROM pg_type a WHERE a.oid = t.typarray)"
      " FROM pg_type t WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typisdefined"
      " AND t.typsend <> 0 AND t.typreceive <> 0 AND t.typtype NOT IN ('p', 'c')"
      " AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) ORDER BY t.oid");
  std::size_t checked = 0;
  for (const auto& type : types) {
    const std::string& name = *type[0];
    if (kWithoutInput.contains(name)) continue;
    ASSERT_TRUE(texts().contains(name)) << "no values are known for " << name;
    std::vector<std::string> values;
    for (const std::string& text : texts().at(name)) values.push_back(literal(text));
    check_type("k.t" + *type[2], *type[1], values);
    ++checked;
    if (!type[3]) continue;
    const std::string cast = "::" + *type[1];
    const std::string a = values[0] + cast;
    const std::string b = values[1] + cast;
    check_type("k.a" + *type[2], *type[3],
               {"'{}'", "ARRAY[" + a + "]", "ARRAY[" + b + "]", "ARRAY[" + a + ", NULL, " + b + "]",
                "ARRAY[" + b + ", NULL, " + a + "]",
                "ARRAY[[" + a + ", " + b + "], [NULL, " + a + "]]", "ARRAY[NULL" + cast + "]"});
  }
  EXPECT_EQ(checked, texts().size());
}

TEST_F(RowHashTest, TypesThatUsersMake) {
  execute(
      "CREATE SCHEMA \"Own kinds\"; SET search_path = \"Own kinds\", public;"
      "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
      "CREATE TYPE \"Mood\" AS ENUM ('ok', 'sad', 'gl''ad', '');"
      "CREATE DOMAIN big AS bigint; CREATE DOMAIN bigger AS big CHECK (VALUE <> 13);"
      "CREATE DOMAIN words AS text COLLATE loose; CREATE DOMAIN moods AS \"Mood\"[];"
      "CREATE DOMAIN doc AS jsonb; CREATE DOMAIN padded AS char(5);"
      "CREATE TYPE pair AS (n numeric, m \"Mood\", gone int, t text);"
      "ALTER TYPE pair DROP ATTRIBUTE gone; CREATE DOMAIN some_pair AS pair;"
      "CREATE TYPE empty_pair AS (); CREATE TYPE deep AS (p pair, ps pair[], b bigint);"
      "CREATE TYPE span AS RANGE (SUBTYPE = text, COLLATION = \"C\", MULTIRANGE_TYPE_NAME = spans);"
      "CREATE TYPE pairs AS RANGE (SUBTYPE = pair);"
      "CREATE TYPE ini; CREATE FUNCTION ini_in(cstring) RETURNS ini IMMUTABLE STRICT"
      "  LANGUAGE internal AS 'textin';"
      "CREATE FUNCTION ini_out(ini) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS "
      "'textout';"
      "CREATE FUNCTION ini_recv(internal) RETURNS ini IMMUTABLE STRICT"
      "  LANGUAGE internal AS 'textrecv';"
      "CREATE FUNCTION \"Ini \"\"send\"\"\"(ini) RETURNS bytea IMMUTABLE STRICT"
      "  LANGUAGE internal AS 'textsend';"
      "CREATE TYPE ini (INPUT = ini_in, OUTPUT = ini_out, RECEIVE = ini_recv,"
      "  SEND = \"Ini \"\"send\"\"\")");
  const std::string own = "\"Own kinds\".";
  const std::string mood = own + "\"Mood\"";
  const std::string pair = own + "pair";
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {mood, {"'ok'", "'sad'", "'gl''ad'", "''"}},
      {mood + "[]", {"'{}'", "'{ok}'", "'{sad,NULL,ok}'", "'{{ok,sad},{sad,ok}}'"}},
      {own + "big", {"4294967297", "0", "-4294967298"}},
      {own + "bigger", {"4294967297", "0", "-4294967298"}},
      {own + "words", {"'a'", "'A'", "'ä'", "''"}},
      {own + "moods", {"'{}'", "'{ok}'", "'{sad,NULL,ok}'"}},
      {own + "doc", {"'{}'", "'{\"a\": 1}'", "'1.0'", "'1'"}},
      {own + "padded", {"'a'", "' a'", "''"}},
      {pair, {"'(1,ok,)'", "'(1.0,ok,)'", "'(1,ok,\"\")'", "'(,,)'"}},
      {pair + "[]", {"'{}'", "ARRAY['(1,ok,a)'::" + pair + "]", "ARRAY[NULL::" + pair + "]"}},
      {own + "some_pair", {"'(1,ok,)'", "'(1.0,ok,)'", "'(,,)'"}},
      {own + "some_pair[]", {"'{}'", "'{\"(1,ok,)\"}'", "'{NULL}'"}},
      {own + "empty_pair", {"ROW()"}},
      {own + "deep",
       {"ROW(ROW(1, 'ok', 'a')::" + pair + ", ARRAY[ROW(2, 'sad', 'b')::" + pair + "], 3)",
        "ROW(NULL, NULL, NULL)", "ROW(NULL, '{}', 4294967299)"}},
      {own + "span", {"'[a,b)'", "'[a,b]'", "'empty'", "'(,)'", "'(A,b)'"}},
      {own + "spans", {"'{}'", "'{[a,b)}'", "'{[a,b),[c,d)}'"}},
      {own + "pairs", {"'[\"(1,ok,)\",\"(2,ok,)\")'", "'empty'"}},
      {own + "pairs_multirange", {"'{}'", "'{[\"(1,ok,)\",\"(2,ok,)\")}'"}},
      {own + "ini", {"'a'", "'b'", "''"}},
      {own + "ini[]", {"'{a}'", "'{b}'", "'{}'"}},
      {"char(3)", {"'a'", "'a  '", "'ab'", "'  a'", "''"}},
      {"varchar(3)", {"'a'", "'a  '", "''"}},
      {"bit(11)", {"B'10000000000'", "B'00000000001'", "B'00000000000'"}},
      {"numeric(10,2)", {"1", "1.05", "-1"}},
      {"interval day", {"'1 day'", "'24 hours'"}},
      {"timestamptz(0)", {"'2000-01-01 00:00+0'", "'2000-01-01 00:00:01+0'"}},
  };
  int number = 0;
  for (const auto& [type, values] : cases) {
    check_type("public.u" + std::to_string(number++), type, values);
  }
  // The collation says that they are equal.
  execute("CREATE TABLE public.l (v text COLLATE " + own + "loose);" +
          "INSERT INTO public.l VALUES ('a'), ('A'), ('ä'), (E'a\\u0308')");
  const HashedRows loose = compare("public.l");
  ASSERT_EQ(loose.rows.size(), 4U);
  EXPECT_NE(loose.rows[0].hash, loose.rows[1].hash);
  EXPECT_NE(loose.rows[2].hash, loose.rows[3].hash);
}

TEST_F(RowHashTest, RandomRowsWithLargeAndCompressedValues) {
  execute(
      "SELECT setseed(0.5);"
      "CREATE TABLE r (id bigint, u uuid, t text, b bytea, j jsonb, n numeric, f float8, g float4,"
      " d timestamptz, a int[], c char(20), i int, s smallint, o bool, e text, x text);"
      "ALTER TABLE r ALTER e SET STORAGE EXTERNAL, ALTER x SET STORAGE MAIN;"
      "INSERT INTO r SELECT CASE WHEN i % 11 > 0 THEN ((random() - 0.5) * 2 ^ 64)::bigint END,"
      " md5(i::text)::uuid,"
      " (SELECT string_agg(chr(1 + (random() * 50000)::int), '') FROM generate_series(0, i % 40)),"
      " decode(repeat(md5(i::text), i % 60), 'hex'),"
      " jsonb_build_object('k', repeat('j', i * 3), md5(i::text), random()),"
      " (random() * 10 ^ (i % 30))::numeric(40, 4) * CASE i % 2 WHEN 0 THEN 1.000 ELSE -1 END,"
      " (random() - 0.5) * 10 ^ (i % 600 - 300), (random() - 0.5) * 10 ^ (i % 60 - 30),"
      " '2000-01-01'::timestamptz + (random() - 0.5) * '200 years'::interval,"
      " ARRAY(SELECT generate_series(i, i + i % 9)), left(md5(i::text), i % 20), i, i, i % 3 = 0,"
      " repeat(md5(i::text), i * i % 900), repeat('x', i * i % 9000) FROM generate_series(1, 400) "
      "i;"
      "INSERT INTO r (id, t, b, j, e) VALUES (1, repeat('compressed ', 300000),"
      " decode(repeat('00', 2000000), 'hex'), to_jsonb(repeat('long ', 300000)),"
      " (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 60000) i));"
      "INSERT INTO r DEFAULT VALUES");
  const HashedRows rows = compare("r");
  EXPECT_EQ(rows.rows.size(), 402U);
  // Expressions, as a mapping has them, and one column.
  compare("r", {"upper(t)", "id + 0::bigint", "a[1]::smallint", "coalesce(j, '[]')", "NULL::text"});
  compare("r", {"d"});
}

TEST_F(RowHashTest, ExchangedValuesChangeTheSum) {
  execute(
      "CREATE TABLE x (id int, a text, b text, n int, m int);"
      "INSERT INTO x SELECT i, 'a' || i, 'b' || i, i * 7, NULLIF(i * 11, 55) FROM "
      "generate_series(1, 50) i");
  std::set<std::uint64_t> sums = {compare("x").sum()};
  const std::array changes = {
      // Between rows.
      "UPDATE x SET a = CASE id WHEN 3 THEN 'a4' ELSE 'a3' END WHERE id IN (3, 4)",
      "UPDATE x SET n = 14 + 21 - n WHERE id IN (2, 3)",
      // Of NULL with a value of another row.
      "UPDATE x SET m = CASE id WHEN 5 THEN 66 END WHERE id IN (5, 6)",
      // Between columns of one row.
      "UPDATE x SET a = b, b = a WHERE id = 7", "UPDATE x SET n = m, m = n WHERE id = 8",
      "UPDATE x SET n = m, m = n WHERE id = 6",
      // The same of every row.
      "UPDATE x SET a = b, b = a"};
  for (const char* change : changes) {
    execute(change);
    EXPECT_TRUE(sums.insert(compare("x").sum()).second) << change;
  }
}

TEST_F(RowHashTest, AsManyColumnsAsATableHas) {
  std::string columns;
  std::string values;
  for (std::size_t at = 0; at < 1600; ++at) {
    const std::array types = {"bigint", "\"char\"", "bool", "int"};
    columns += (at > 0 ? ", c" : "c") + std::to_string(at) + ' ' + types[at % 4];
    values += (at > 0 ? ", " : "") + std::string(at % 7 == 0   ? "NULL"
                                                 : at % 4 == 2 ? "i % 2 = 0"
                                                 : at % 4 == 1 ? "chr(60 + i)::\"char\""
                                                               : "i + " + std::to_string(at));
  }
  execute("CREATE TABLE w (" + columns + "); INSERT INTO w SELECT " + values +
          " FROM generate_series(1, 5) i; INSERT INTO w (c1599) VALUES (1); "
          "INSERT INTO w DEFAULT VALUES");
  EXPECT_EQ(compare("w").rows.size(), 7U);
}

TEST_F(RowHashTest, OtherEncodings) {
  for (const char* encoding : {"LATIN1", "EUC_JP", "SQL_ASCII"}) {
    database = server().create_database("hash", encoding);
    connection_.emplace(open());
    const bool is_latin = std::string(encoding) != "EUC_JP";
    const std::string word = is_latin ? "größe" : "日本";
    harness::Session session(server().dsn(database) + " client_encoding=UTF8");
    session.execute(
        "CREATE TYPE mood AS ENUM ('ok', 'müde');"
        "CREATE TABLE t (t text, c char(5), v varchar, j jsonb, ts text[], m mood, n name, x "
        "json)");
    const std::string text = literal(word);
    const std::string quoted = "'\"" + word + "\"'";
    session.execute("INSERT INTO t VALUES (" + text + ", left(" + text + ", 2), " + text + ", " +
                    quoted + ", ARRAY[" + text + "], 'müde', " + text + ", " + quoted + ")");
    // A trigger computes it in a session of the application, which may have another encoding.
    const std::string sql =
        "SELECT " + hash_sql_of("t", {"t", "c", "v", "j", "m", "n", "x"}) + " FROM public.t";
    const auto in_ours = connection_->query(sql);
    ASSERT_TRUE(succeeded(in_ours));
    EXPECT_EQ(in_ours->str(0, 0), session.value(sql));
    compare("t");
  }
}

TEST_F(RowHashTest, NothingOfTheApplicationsPathIsCalled) {
  execute(
      "CREATE SCHEMA evil; CREATE DOMAIN evil.text AS pg_catalog.int4;"
      "CREATE COLLATION evil.\"C\" (provider = icu, locale = 'und', deterministic = false);"
      "CREATE FUNCTION evil.hash_record_extended(record, int) RETURNS bigint LANGUAGE plpgsql AS "
      "'BEGIN RETURN 0; END';"
      "CREATE FUNCTION evil.hashint4extended(int, bigint) RETURNS bigint LANGUAGE sql AS "
      "'SELECT 0::bigint';"
      "CREATE FUNCTION evil.int8send(bigint) RETURNS bytea LANGUAGE sql AS $$SELECT ''::bytea$$;"
      "CREATE TABLE t (id bigint, t text, c char(5), j jsonb, d timestamptz);"
      "INSERT INTO t SELECT i, i::text, i::text, to_jsonb(i), now() FROM generate_series(1, 9) i");
  compare("t");
  const std::string sql =
      "SELECT sum(" + hash_sql_of("t", {"id", "t", "c", "j", "d"}) + ") FROM public.t";
  const auto plain = connection_->query(sql);
  ASSERT_TRUE(succeeded(plain));
  const auto under_evil =
      with_search_path(*connection_, "evil, pg_catalog", [&] { return connection_->query(sql); });
  ASSERT_TRUE(succeeded(under_evil));
  EXPECT_EQ(plain->str(0, 0), under_evil->str(0, 0));
  EXPECT_NE(plain->str(0, 0), "0");
}

TEST_F(RowHashTest, ARoleThatMayNotCallASendFunctionGetsNone) {
  const std::string role = database + "_reader";
  execute("CREATE ROLE " + role + " LOGIN; CREATE TABLE t (id bigint, a text);" +
          "GRANT SELECT ON t TO " + role +
          "; REVOKE EXECUTE ON FUNCTION pg_catalog.int8send(bigint) FROM PUBLIC");
  Connection reader = open_as(role);
  const auto table = describe_table(reader, "public.t");
  ASSERT_TRUE(succeeded(table));
  const auto both = hashed_columns(reader, *table, {"id", "a"}, {});
  ASSERT_TRUE(succeeded(both));
  EXPECT_FALSE(*both);
  const auto text = hashed_columns(reader, *table, {"a"}, {});
  ASSERT_TRUE(succeeded(text));
  EXPECT_TRUE(*text);
  execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_F(RowHashTest, TypesWithOtherOidsInTheTargetsDatabase) {
  const std::string other = server().create_database("hash_target");
  server().execute(other, "CREATE TABLE filler ()");
  const std::string make =
      "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN moods AS mood[];"
      "CREATE TYPE pair AS (a int, b mood);"
      "CREATE TABLE t (id int PRIMARY KEY, m mood, ms mood[], d moods, i int[], n numrange);"
      "INSERT INTO t SELECT i, 'ok', CASE WHEN i % 3 > 0 THEN ARRAY['sad', NULL, 'ok']::mood[] END,"
      " CASE WHEN i % 2 > 0 THEN '{}' ELSE '{{ok,sad},{ok,ok}}' END::moods, ARRAY[i], '[1.0,2)'"
      " FROM generate_series(1, 20) i;"
      "CREATE TABLE p (id int PRIMARY KEY, p pair); INSERT INTO p VALUES (1, '(1,ok)')";
  execute(make);
  server().execute(other, make);
  Connection target = open(server().dsn(other));
  JobDescription job = job_for("t");
  job.into = "t";
  const auto plan = make_verify_plan(job, job, *connection_, target);
  ASSERT_TRUE(succeeded(plan));
  const auto hashed = [&](const VerifyPlan& of, Side side) {
    Connection& connection = side == Side::source ? *connection_ : target;
    return hashed_columns(connection, table_of(of, side),
                          parts_of(of.columns, [&](const auto& c) { return sql_of(c, side); }),
                          layout_of(of, side).oid_patches);
  };
  const auto source = hashed(*plan, Side::source);
  const auto there = hashed(*plan, Side::target);
  ASSERT_TRUE(succeeded(source));
  ASSERT_TRUE(succeeded(there));
  ASSERT_TRUE(*source);
  ASSERT_TRUE(*there);
  const auto sum = [](Connection& connection, const std::vector<HashedColumn>& columns) {
    const auto rows = connection.query("SELECT sum(" + row_hash_sql(columns) + ") FROM public.t");
    EXPECT_TRUE(succeeded(rows));
    return rows->str(0, 0);
  };
  EXPECT_EQ(parts_of(**source, &HashedColumn::form), parts_of(**there, &HashedColumn::form));
  EXPECT_EQ(sum(*connection_, **source), sum(target, **there));
  compare("t");
  // OIDs that stand between a composite's fields are not replaced in SQL.
  job = job_for("p");
  job.into = "p";
  const auto composite = make_verify_plan(job, job, *connection_, target);
  ASSERT_TRUE(succeeded(composite));
  const auto none = hashed(*composite, Side::source);
  ASSERT_TRUE(succeeded(none));
  EXPECT_FALSE(*none);
}

}  // namespace
}  // namespace pgfanout
