// The values of key expressions: precedence, types, NULL, every error state. The file
// tests/differential/key_expression_test.cc compares the same expressions with a server.
#include "hashing/key_expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "hashing/pg_hash.h"
#include "tests/hashing/key_rows.h"
#include "tests/hashing/sql_hash.h"

namespace pgfanout {
namespace {

using testing::ElementsAre;

constexpr const char* smallest_hash = "c1606105947x";  // hashtext() gives -2147483648.

/// One row for all_key_columns().
std::vector<KeyValue> some_row() {
  return {"-7",
          "11",
          "5000000000",
          "text ",
          "varchar",
          "char    ",
          "550e8400-e29b-41d4-a716-446655440000",
          "t",
          "\\x00ff",
          std::nullopt,
          "odd",
          "12"};
}

KeyExpression compiled(const std::string& sql) {
  auto expression = KeyExpression::compile(sql, all_key_columns());
  if (!expression) {
    throw std::runtime_error(sql + ": " + expression.error().message + "\n" +
                             expression.error().where);
  }
  return *expression;
}

struct Answer {
  KeyState state = KeyState::ok;
  std::int64_t key = 0;
};

Answer answer_to(const std::string& sql, const std::vector<KeyValue>& row = some_row()) {
  KeyScratch scratch;
  const KeyAnswers answers = evaluate_rows(compiled(sql), all_key_columns(), {row}, scratch);
  return {answers.states[0], answers.keys[0]};
}

std::int64_t value_of(const std::string& sql) {
  const Answer answer = answer_to(sql);
  EXPECT_EQ(answer.state, KeyState::ok) << sql << ": " << to_string(answer.state);
  return answer.key;
}

std::int64_t hash_of(std::string_view text) {
  return hashtext(as_bytes(text));
}

// Each was asked of a server.
TEST(KeyExpressionTest, PrecedenceIsTheServers) {
  const std::pair<const char*, std::int64_t> answers[] = {
      {"2 + 3 * 4", 14},
      {"(2 + 3) * 4", 20},
      {"2 - 3 - 4", -5},
      {"2 - (3 - 4)", 3},
      {"7 % 4 * 2", 6},
      {"100 / 7 / 2", 7},
      {"-5 % 3", -2},
      {"-7::int2 % 4", -3},
      {"- i2 % 4", 3},
      {"5 - -3", 8},
      {"5*-1", -5},
      {"5+-1", 4},
      {"5 % - 3", 2},
      {"- - 5", 5},
      {"-(-5)", 5},
      {"+5 - + 3", 2},
      {"1 | 2 + 4", 7},
      {"1 + 2 | 4", 7},
      {"6 & 3 | 8", 10},
      {"8 | 6 & 3", 2},
      {"12 # 10 | 1", 7},
      {"2 | 4 # 1 & 7", 7},
      {"1 + 1 # 1 + 1", 0},
      {"i4::int8 % 4", 3},
      {"CAST(i4 AS bigint) % 4", 3},
      {"-i4::int8 + 1", -10},
      {"11 % 4 - i4", -8},
  };
  for (const auto& [sql, value] : answers) EXPECT_EQ(value_of(sql), value) << sql;
}

TEST(KeyExpressionTest, DivisionTruncatesAndModuloKeepsTheSign) {
  EXPECT_EQ(value_of("-7 / 2"), -3);
  EXPECT_EQ(value_of("7 / -2"), -3);
  EXPECT_EQ(value_of("mod(-7, 2)"), -1);
  EXPECT_EQ(value_of("i2 / 2"), -3);
  EXPECT_EQ(value_of("i2 % 2::int2"), -1);
  EXPECT_EQ(value_of("i2 % -1"), 0);
}

TEST(KeyExpressionTest, ResultTypeFollowsTheOperands) {
  const std::pair<const char*, KeyType> types[] = {
      {"i2", KeyType::int2},
      {"i2 + i2", KeyType::int2},
      {"i2 % i4", KeyType::int4},
      {"i2 % 100", KeyType::int4},
      {"i2 % '100'", KeyType::int2},
      {"i4 + i8", KeyType::int8},
      {"abs(i2)", KeyType::int2},
      {"abs(i8)", KeyType::int8},
      {"mod(i4, i8)", KeyType::int8},
      {"mod(i2, '5')", KeyType::int2},
      {"coalesce(i2, i4)", KeyType::int4},
      {"coalesce(NULL, i2, '3')", KeyType::int2},
      {"nullif(i2, i8)", KeyType::int2},
      {"5", KeyType::int4},
      {"2147483647", KeyType::int4},
      {"2147483648", KeyType::int8},
      {"-2147483648", KeyType::int4},
      {"-(2147483648)", KeyType::int4},
      {"- - 2147483648", KeyType::int8},
      {"-9223372036854775808", KeyType::int8},
      {"bo::int4", KeyType::int4},
      {"hashtext(t)", KeyType::int4},
      {"hashtextextended(t, 0)", KeyType::int8},
      {"hashint2(i2)", KeyType::int4},
  };
  for (const auto& [sql, type] : types) {
    const auto expression = KeyExpression::compile(sql, all_key_columns());
    ASSERT_TRUE(expression) << sql << ": " << expression.error().message;
    EXPECT_EQ(expression->result_type(), type) << sql;
  }
}

TEST(KeyExpressionTest, HashesSeeTheServersText) {
  const std::string uuid = "550e8400-e29b-41d4-a716-446655440000";
  EXPECT_EQ(value_of("hashtext(t)"), hash_of("text "));
  EXPECT_EQ(value_of("hashtext(v)"), hash_of("varchar"));
  EXPECT_EQ(value_of("hashtext(c)"), hash_of("char"));
  EXPECT_EQ(value_of("hashtext(c::varchar)"), hash_of("char"));
  EXPECT_EQ(value_of("hashbpchar(c)"), hash_of("char"));
  EXPECT_EQ(value_of("hashbpchar(t)"), hash_of("text"));
  EXPECT_EQ(value_of("hashtext(t::bpchar)"), hash_of("text"));
  EXPECT_EQ(value_of("hashtext(u::text)"), hash_of(uuid));
  EXPECT_EQ(value_of("hashtext(u::varchar)"), hash_of(uuid));
  EXPECT_EQ(value_of("hashtext(i2::text)"), hash_of("-7"));
  EXPECT_EQ(value_of("hashtext(i8::text)"), hash_of("5000000000"));
  EXPECT_EQ(value_of("hashtext(bo::text)"), hash_of("true"));
  EXPECT_EQ(value_of("hashtext('it''s')"), hash_of("it's"));
  EXPECT_EQ(value_of("hashtext('a\\b')"), hash_of("a\\b"));
  EXPECT_EQ(value_of("uuid_hash(u)"), uuid_hash(as_bytes(binary_from_hex(uuid))));
  EXPECT_EQ(value_of("hashint8(i4)"), hashint4(11));
  EXPECT_EQ(value_of("hashint4extended(i2, 3)"), hashint4extended(-7, 3));
  EXPECT_EQ(value_of("hashbytea(b)"), hashbytea(as_bytes(std::string("\0\xff", 2))));
  EXPECT_EQ(value_of("hashbytea(b || b)"), hashbytea(as_bytes(std::string("\0\xff\0\xff", 4))));
}

TEST(KeyExpressionTest, ConcatenationWritesTheOtherSideAsText) {
  EXPECT_EQ(value_of("hashtext(t || v)"), hash_of("text varchar"));
  EXPECT_EQ(value_of("hashtext(c || t)"), hash_of("chartext "));
  EXPECT_EQ(value_of("hashtext(t || i4)"), hash_of("text 11"));
  EXPECT_EQ(value_of("hashtext(i4 || t)"), hash_of("11text "));
  EXPECT_EQ(value_of("hashtext(bo || '/')"), hash_of("true/"));
  EXPECT_EQ(value_of("hashtext('a' || 'b')"), hash_of("ab"));
  EXPECT_EQ(value_of("hashtext(u || '')"), hash_of("550e8400-e29b-41d4-a716-446655440000"));
  EXPECT_EQ(value_of("hashtext(t || i4 + 1)"), hash_of("text 12"));
}

TEST(KeyExpressionTest, TheUsualKey) {
  const std::string uuid = "550e8400-e29b-41d4-a716-446655440000";
  EXPECT_EQ(value_of("abs(hashtext(u::text)) % 100"), std::abs(hash_of(uuid)) % 100);
  EXPECT_EQ(value_of("pg_catalog.abs(pg_catalog.hashtext(U::TEXT)) % 100"),
            std::abs(hash_of(uuid)) % 100);
}

TEST(KeyExpressionTest, NamesAreFoldedUnlessQuoted) {
  EXPECT_EQ(value_of("I4"), 11);
  EXPECT_EQ(value_of("\"i4\""), 11);
  EXPECT_EQ(value_of("hashtext(\"Odd \"\"Name\")"), hash_of("odd"));
  EXPECT_EQ(value_of("e\xc3\xa9 + 1"), 13);
  EXPECT_EQ(value_of("\"abs\"(i2)"), 7);
}

TEST(KeyExpressionTest, AbsOfTheSmallestHashIsAnError) {
  std::vector<KeyValue> row = some_row();
  row[3] = smallest_hash;
  EXPECT_EQ(answer_to("abs(hashtext(t)) % 100", row).state, KeyState::out_of_range);
  EXPECT_EQ(answer_to("hashtext(t) % 100", row).key, -48);
  EXPECT_EQ(answer_to("- hashtext(t)", row).state, KeyState::out_of_range);
  EXPECT_EQ(answer_to("hashtext(t) / -1", row).state, KeyState::out_of_range);
  EXPECT_EQ(answer_to("hashtext(t) % -1", row).key, 0);
  EXPECT_EQ(answer_to("abs(hashtext(t)::int8) % 100", row).key, 48);
}

TEST(KeyExpressionTest, ArithmeticNeverWrapsAround) {
  std::vector<KeyValue> row = some_row();
  row[0] = "-32768";
  row[1] = "-2147483648";
  row[2] = "-9223372036854775808";
  for (const char* sql : {"abs(i2)", "abs(i4)", "abs(i8)", "-i2", "-i4", "-i8", "i2 / (-1)::int2",
                          "i4 / -1", "i8 / -1", "i2 + i2", "i4 - 1", "i8 - 1", "i2 * i2", "i4 * 2",
                          "i8 * i8", "i4::int2", "i8::int4", "i8::int2"}) {
    EXPECT_EQ(answer_to(sql, row).state, KeyState::out_of_range) << sql;
  }
  for (const char* sql : {"i2 % (-1)::int2", "i4 % -1", "i8 % -1", "mod(i8, -1)"}) {
    EXPECT_EQ(answer_to(sql, row).state, KeyState::ok) << sql;
    EXPECT_EQ(answer_to(sql, row).key, 0) << sql;
  }
  EXPECT_EQ(answer_to("abs(i2::int4)", row).key, 32768);
  EXPECT_EQ(answer_to("i2 - 1", row).key, -32769);
}

TEST(KeyExpressionTest, DivisionByZeroIsAState) {
  std::vector<KeyValue> row = some_row();
  row[1] = "0";
  EXPECT_EQ(answer_to("5 / i4", row).state, KeyState::division_by_zero);
  EXPECT_EQ(answer_to("5 % i4", row).state, KeyState::division_by_zero);
  EXPECT_EQ(answer_to("mod(i8, i4)", row).state, KeyState::division_by_zero);
}

TEST(KeyExpressionTest, StrictOperationsOfNullAreNull) {
  std::vector<KeyValue> row = some_row();
  row[1] = std::nullopt;
  row[3] = std::nullopt;
  for (const char* sql : {"i4", "i4 + 1", "1 + i4", "abs(i4)", "-i4", "hashtext(t)", "hashint4(i4)",
                          "hashtext(t || 'x')", "hashtext('x' || t)", "hashtext(v || i4)",
                          "i4::int8", "hashtextextended(v, i4)", "mod(i4, 0)", "NULL::int4",
                          "i8 + NULL", "coalesce(i4, hashtext(t))"}) {
    EXPECT_EQ(answer_to(sql, row).state, KeyState::null) << sql;
  }
}

TEST(KeyExpressionTest, AnErrorBeatsNullOnEitherSide) {
  std::vector<KeyValue> row = some_row();
  row[0] = std::nullopt;
  row[1] = "-2147483648";
  EXPECT_EQ(answer_to("abs(i4) + i2", row).state, KeyState::out_of_range);
  EXPECT_EQ(answer_to("i2 + abs(i4)", row).state, KeyState::out_of_range);
}

TEST(KeyExpressionTest, TheLeftErrorIsTheOne) {
  std::vector<KeyValue> row = some_row();
  row[0] = "0";
  row[1] = "-2147483648";
  EXPECT_EQ(answer_to("abs(i4) + 1 / i2", row).state, KeyState::out_of_range);
  EXPECT_EQ(answer_to("1 / i2 + abs(i4)", row).state, KeyState::division_by_zero);
}

TEST(KeyExpressionTest, ANullConstantHidesErrorsBesideIt) {
  // The server's planner replaces a strict call with a NULL constant without looking further.
  std::vector<KeyValue> row = some_row();
  row[1] = "-2147483648";
  EXPECT_EQ(answer_to("abs(i4) + NULL", row).state, KeyState::null);
  EXPECT_EQ(answer_to("abs(i4) + nullif(5, 5)", row).state, KeyState::null);
}

TEST(KeyExpressionTest, CoalesceLooksNoFurtherThanNeeded) {
  std::vector<KeyValue> row = some_row();
  row[0] = std::nullopt;
  row[1] = "-2147483648";
  EXPECT_EQ(answer_to("coalesce(i8, abs(i4))", row).key, 5000000000);
  EXPECT_EQ(answer_to("coalesce(i2, abs(i4))", row).state, KeyState::out_of_range);
  EXPECT_EQ(answer_to("coalesce(abs(i4), 5)", row).state, KeyState::out_of_range);
  EXPECT_EQ(answer_to("coalesce(i2, 5, abs(i4))", row).key, 5);
  EXPECT_EQ(answer_to("coalesce(i2, i2, i2, 3)", row).key, 3);
  EXPECT_EQ(answer_to("coalesce(7, 1 / 0)", row).key, 7);
  EXPECT_EQ(answer_to("hashtext(coalesce(NULL, v, 'x'))", row).key, hash_of("varchar"));
}

TEST(KeyExpressionTest, CoalesceOfTextHasTheFirstOnesType) {
  EXPECT_EQ(value_of("hashtext(coalesce(c, t) || '|')"), hash_of("char|"));
  EXPECT_EQ(value_of("hashtext(coalesce(t::bpchar, t) || '|')"), hash_of("text|"));
  EXPECT_EQ(value_of("hashtext(coalesce(t, c) || '|')"), hash_of("text |"));
}

TEST(KeyExpressionTest, NullifComparesAfterTheServersCasts) {
  EXPECT_EQ(answer_to("nullif(i4, 11)").state, KeyState::null);
  EXPECT_EQ(value_of("nullif(i4, i8)"), 11);
  EXPECT_EQ(answer_to("hashtext(nullif(v, 'varchar'))").state, KeyState::null);
  EXPECT_EQ(value_of("hashtext(nullif(t, 'text'))"), hash_of("text "));
  EXPECT_EQ(answer_to("uuid_hash(nullif(u, u))").state, KeyState::null);
  EXPECT_EQ(value_of("nullif(i4, NULL)"), 11);
}

TEST(KeyExpressionTest, AFieldOfTheWrongLengthIsMalformed) {
  const std::pair<const char*, std::int32_t> cases[] = {{"i4", 3},
                                                        {"i4", 0},
                                                        {"i2", 4},
                                                        {"i8", 7},
                                                        {"uuid_hash(u)", 15},
                                                        {"bo::int4", 2},
                                                        {"i4", -2},
                                                        {"hashtext(t)", -2},
                                                        {"coalesce(i2, i4)", 3},
                                                        {"coalesce(i4, 1)", 3}};
  for (const auto& [sql, length] : cases) {
    const KeyExpression expression = compiled(sql);
    KeyRows rows;
    for (std::size_t i = 0; i < expression.used_columns().size(); ++i) {
      rows.add_field(std::string(16, 'x'));
      rows.fields().back().length = i + 1 == expression.used_columns().size() ? length : 2;
    }
    KeyScratch scratch;
    std::vector<std::int64_t> keys(1);
    std::vector<KeyState> states(1);
    expression.evaluate(rows.base(), rows.fields(), 1, scratch, keys, states);
    EXPECT_EQ(states[0], KeyState::malformed) << sql << " of " << length << " bytes";
  }
}

TEST(KeyExpressionTest, EveryRowOfALongBatchHasItsOwnState) {
  const KeyExpression expression = compiled("abs(hashtext(t)) % 100 + 0 * (7 / i4)");
  std::vector<std::vector<KeyValue>> rows;
  for (int i = 0; i < 1000; ++i) {
    std::vector<KeyValue> row = some_row();
    row[1] = "1";
    row[3] = std::to_string(i);
    if (i % 7 == 1) row[3] = std::nullopt;
    if (i % 11 == 2) row[3] = smallest_hash;
    if (i % 13 == 3) row[1] = "0";
    rows.push_back(row);
  }
  KeyScratch scratch;
  for (int pass = 0; pass < 2; ++pass) {
    const KeyAnswers answers = evaluate_rows(expression, all_key_columns(), rows, scratch);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      KeyState state = KeyState::ok;
      if (i % 7 == 1) state = KeyState::null;
      if (i % 13 == 3) state = KeyState::division_by_zero;
      if (i % 11 == 2) state = KeyState::out_of_range;
      ASSERT_EQ(answers.states[i], state) << i;
      if (state == KeyState::ok) {
        ASSERT_EQ(answers.keys[i], std::abs(hash_of(std::to_string(i))) % 100) << i;
      }
    }
  }
}

TEST(KeyExpressionTest, AScratchServesExpressionsOfAnySize) {
  KeyScratch scratch;
  for (const char* sql : {"i4 + i8", "abs(hashtext(t || v || c || u::text)) % 100", "i2"}) {
    EXPECT_EQ(evaluate_rows(compiled(sql), all_key_columns(), {some_row()}, scratch).states[0],
              KeyState::ok);
  }
  KeyScratch moved = std::move(scratch);
  EXPECT_EQ(evaluate_rows(compiled("i4"), all_key_columns(), {some_row()}, moved).keys[0], 11);
}

TEST(KeyExpressionTest, ColumnsAreListedOnceInOrderOfUse) {
  const KeyExpression expression = compiled("hashtext(v || u::text || v) % i4 + i4");
  EXPECT_THAT(expression.used_columns(), ElementsAre(4, 6, 1));
  EXPECT_EQ(compiled("5").used_columns().size(), 0U);
  EXPECT_EQ(value_of("5"), 5);
}

TEST(KeyExpressionTest, HashFunctionsAreListed) {
  EXPECT_THAT(
      compiled("hashtext(t) + abs(hashtext(v)) + pg_catalog.hashbytea(b) + mod(i4, 2)").functions(),
      ElementsAre("hashtext", "hashbytea"));
}

TEST(KeyExpressionTest, QualifiedSqlIsUnambiguous) {
  const std::pair<const char*, const char*> printed[] = {
      {"abs(hashtext(u::text)) % 100",
       R"((pg_catalog.abs(pg_catalog.hashtext("u"::pg_catalog.text)) % 100))"},
      {"-i4::int8 + -5", R"(((- "i4"::pg_catalog.int8) + (-5)))"},
      {"-2147483648", "(-2147483648)"},
      {"hashtext(\"Odd \"\"Name\")", R"(pg_catalog.hashtext("Odd ""Name"))"},
      {"hashtext('it''s' || cast(i4 as varchar))",
       R"(pg_catalog.hashtext(('it''s' || "i4"::pg_catalog.varchar)))"},
      {"hashtext('a\\b''')", R"(pg_catalog.hashtext(E'a\\b'''))"},
      {"coalesce(null, nullif(+i4, 3))", R"(COALESCE(NULL, NULLIF((+ "i4"), 3)))"},
  };
  for (const auto& [sql, qualified] : printed)
    EXPECT_EQ(compiled(sql).qualified_sql({}), qualified);
}

TEST(KeyExpressionTest, QualifiedSqlTakesNewColumnNames) {
  std::vector<std::string> names;
  for (const KeyColumn& column : all_key_columns()) names.push_back("new_" + column.name);
  EXPECT_EQ(compiled("i4 + i2").qualified_sql(names), R"(("new_i4" + "new_i2"))");
}

TEST(KeyExpressionTest, QualifiedSqlCompilesToTheSameKey) {
  for (const char* sql : {"abs(hashtext(u::text)) % 100", "-i4::int8 + -5 * i2",
                          "hashtext('it''s' || cast(i4 as varchar)) # 5"}) {
    EXPECT_EQ(value_of(compiled(sql).qualified_sql({})), value_of(sql)) << sql;
  }
}

TEST(KeyExpressionTest, SameComputationHoweverItIsWritten) {
  const std::vector<KeyColumn> columns = {{"id", KeyType::int8, "bigint"},
                                          {"c", KeyType::text, "text"},
                                          {"v", KeyType::varchar, "character varying"}};
  const auto is_same = [&](const char* one, const char* other) {
    return KeyExpression::compile(one, columns)
        ->computes_same_as(*KeyExpression::compile(other, columns));
  };
  EXPECT_TRUE(is_same("abs(hashtext(id::text)) % 4",
                      "(pg_catalog.abs(pg_catalog.hashtext((\"id\")::text)) % 4)"));
  EXPECT_TRUE(is_same("hashtext(c::text)", "hashtext(c)"));
  EXPECT_TRUE(is_same("hashtext(v || 'x')", "hashtext(((v)::text || 'x'::text))"));
  EXPECT_TRUE(
      is_same("hashtextextended(c, 7) % 5", "(hashtextextended(c, (7)::bigint) % '5'::bigint)"));
  EXPECT_FALSE(is_same("id % 4", "id % 8"));
  EXPECT_FALSE(is_same("hashtext(c)", "hashtext(v)"));
  EXPECT_FALSE(is_same("abs(id % 4)", "abs(id) % 4"));
}

TEST(KeyExpressionTest, ModulusIsReadAndReplaced) {
  const std::vector<KeyColumn> columns = {{"id", KeyType::int8, "bigint"}};
  const std::vector<std::string> names = {"a"};
  const auto with_seven = [&](const char* sql) -> std::string {
    const auto key = KeyExpression::compile(sql, columns);
    return key->modulus() ? key->with_modulus(7, names) : "";
  };
  EXPECT_EQ(KeyExpression::compile("abs(id % 100)", columns)->modulus(), 100);
  EXPECT_EQ(with_seven("abs(id % 100)"), "pg_catalog.abs((\"a\" % 7))");
  EXPECT_EQ(with_seven("mod(id, '100'::int8)::int4"),
            "pg_catalog.mod(\"a\", '7'::pg_catalog.int8)::pg_catalog.int4");
  for (const char* none : {"id", "id % -4", "id % id", "id % 4 + 1", "4 % id"}) {
    EXPECT_EQ(with_seven(none), "") << none;
  }
}

TEST(KeyExpressionTest, TypesOfTheCatalog) {
  const std::pair<std::uint32_t, KeyType> types[] = {
      {16, KeyType::boolean},  {17, KeyType::bytea},     {20, KeyType::int8},
      {21, KeyType::int2},     {23, KeyType::int4},      {25, KeyType::text},
      {1042, KeyType::bpchar}, {1043, KeyType::varchar}, {2950, KeyType::uuid},
      {19, KeyType::name},     {18, KeyType::other},     {1700, KeyType::numeric}};
  for (const auto& [oid, type] : types) EXPECT_EQ(key_type_of_oid(oid), type) << oid;
}

TEST(KeyExpressionTest, StatesHaveNames) {
  EXPECT_EQ(to_string(KeyState::ok), "ok");
  EXPECT_EQ(to_string(KeyState::null), "null");
  EXPECT_EQ(to_string(KeyState::out_of_range), "out-of-range");
  EXPECT_EQ(to_string(KeyState::division_by_zero), "division-by-zero");
  EXPECT_EQ(to_string(KeyState::malformed), "malformed");
}

}  // namespace
}  // namespace pgfanout
