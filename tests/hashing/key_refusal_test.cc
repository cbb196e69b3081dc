// Key expressions that are refused, where the caret points, and what the hint says; and that no
// input, however hostile, does worse than being refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "hashing/key_expression.h"
#include "tests/hashing/key_rows.h"

namespace pgfanout {
namespace {

using testing::HasSubstr;

Error refusal(const std::string& sql) {
  const auto expression = KeyExpression::compile(sql, all_key_columns());
  if (expression) throw std::runtime_error("accepted: " + sql);
  return expression.error();
}

struct Refusal {
  const char* sql;
  std::size_t column;   ///< Of the caret, from 0.
  const char* message;  ///< A part of it.
  const char* hint;     ///< A part of it.
};

TEST(KeyRefusalTest, SaysWhatWhereAndWhatToDo) {
  const Refusal refusals[] = {
      // Not SQL at all, or not that much of it.
      {"", 0, "empty", "hashtext"},
      {"   ", 0, "empty", ""},
      {"i4 +", 4, "ends where a value is missing", ""},
      {"(i4", 3, "closing parenthesis is missing", ""},
      {"i4)", 2, "\")\" is not expected", ""},
      {"()", 1, "not expected", ""},
      {"i4 i8", 3, "\"i8\" is not expected", ""},
      {"i4;", 2, "unexpected character ';'", ""},
      {"i4[1]", 2, "unexpected character '['", ""},
      {"abs(i4,)", 7, "not expected", ""},
      {"abs(i4 i4)", 7, "not expected", ""},
      {"coalesce()", 0, "needs an argument", ""},
      {"nullif(i4)", 0, "two arguments", ""},
      {"i4::", 4, "ends where a value", ""},
      {"CAST(i4)", 7, "AS and a type", "CAST(value AS type)"},
      {"pg_catalog.(5)", 11, "not expected", ""},
      {"'a' 'b'", 4, "a string is not expected", ""},
      // Lexical forms.
      {"'open", 0, "not closed", ""},
      {"\"open", 0, "not closed", ""},
      {"\"\"", 0, "name is empty", ""},
      {"E'x'", 0, "directly before a string", "plain 'text'"},
      {"hashtext(N'x')", 9, "directly before a string", ""},
      {"hashtext(U&'x')", 9, "U&", ""},
      {"U&\"x\"", 0, "U&", ""},
      {"$$x$$", 0, "dollar quoting", ""},
      {"i4 + $1", 5, "parameters", ""},
      {"i4 --1", 3, "comments", "two minus signs"},
      {"i4 /* x */", 3, "comments", ""},
      {"1.5", 0, "fraction", "whole numbers"},
      {".5", 0, "fraction", ""},
      {"1e5", 0, "plain decimal", ""},
      {"0x1F", 0, "plain decimal", ""},
      {"1_000", 0, "plain decimal", ""},
      {"12abc", 0, "plain decimal", ""},
      {"9223372036854775808", 0, "does not fit into bigint", "numeric"},
      {"i8 + 9223372036854775808", 5, "does not fit", ""},
      {"99999999999999999999999", 0, "does not fit", ""},
      {"-(+9223372036854775808)", 3, "does not fit", ""},
      {"5 %-1", 2, "operator %-", "put a blank"},
      {"t ||-1", 2, "operator ||-", "put a blank"},
      // Operators and words that are not supported.
      {"i4 ^ 2", 3, "operator ^", "supported are"},
      {"~ i4", 0, "operator ~", ""},
      {"i4 << 2", 3, "operator <<", ""},
      {"i4 = 2", 3, "operator =", ""},
      {"i4 AND i4", 3, "\"and\" is not expected", ""},
      {"i4 IS NULL", 3, "\"is\" is not expected", ""},
      {"CASE WHEN true THEN 1 END", 0, "\"case\" is not supported", ""},
      {"true", 0, "\"true\" is not supported", ""},
      {"NOT bo", 0, "\"not\" is not supported", ""},
      {"user", 0, "a word of SQL", "double quotes"},
      {"current_date", 0, "a word of SQL", ""},
      {"i4 OPERATOR(pg_catalog.+) 5", 3, "not expected", ""},
      // Names.
      {"nosuch", 0, "no column \"nosuch\"", "columns: i2, i4"},
      {"\"I4\"", 0, "no column \"I4\"", "\"i4\" in double quotes"},
      {"chunks.i4", 0, "qualified name", "without their table"},
      {"public.abs(i4)", 0, "qualified name", "pg_catalog.name"},
      {"pg_catalog.i4", 11, "only functions", ""},
      {"pg_catalog.coalesce(i4)", 11, "function coalesce is not supported", ""},
      {"\"coalesce\"(i4)", 0, "function coalesce is not supported", ""},
      {"hashtext(j)", 9, "of type jsonb", "usable are"},
      {"lower(t)", 0, "function lower", "locale"},
      {"hashtext(upper(t))", 9, "function upper", "locale"},
      {"md5(t)", 0, "function md5", "supported are"},
      {"hashvarlena(t)", 0, "function hashvarlena", "hashtext"},
      {"hashvarchar(v)", 0, "function hashvarchar", ""},
      {"random()", 0, "function random", ""},
      {"left(t, 1)", 0, "function left", ""},
      {"i4(5)", 0, "function i4", ""},
      // Types.
      {"t", 0, "the key is of type text", "hash it"},
      {"u", 0, "the key is of type uuid", ""},
      {"NULL", 0, "the key is of type unknown", ""},
      {"bo", 0, "the key is of type boolean", ""},
      {"hashtext(u)", 0, "no function hashtext(uuid)", "hashtext(u::text)"},
      {"hashtext(i4)", 0, "no function hashtext(integer)", "hashtext(i4::text)"},
      {"hashtext(\"i4\")", 0, "no function", "hashtext(\"i4\"::text)"},
      {"hashtextextended(u, 0)", 0, "no function", "hashtextextended(u::text, ...)"},
      {"hashtext(i4 + 1)", 0, "no function", "hashtext((...)::text)"},
      {"hashtext(t, 1)", 0, "no function hashtext(text, integer)", "takes one value"},
      {"hashtextextended(t)", 0, "no function", "a value and a seed"},
      {"hashtextextended(t, t)", 0, "no function", "seed must be an integer"},
      {"hashint2(5)", 0, "no function hashint2(integer)", "smallint"},
      {"hashint4(i8)", 0, "no function hashint4(bigint)", "integer"},
      {"hashint8(t)", 0, "no function hashint8(text)", ""},
      {"uuid_hash(t)", 0, "no function uuid_hash(text)", "uuid"},
      {"uuid_hash('x')", 10, "a literal of type uuid", ""},
      {"hashbytea(t)", 0, "no function hashbytea(text)", ""},
      {"abs(t)", 0, "no function abs(text)", "integers only"},
      {"abs('5')", 4, "floating-point", "::int4"},
      {"abs(i4, i4)", 0, "no function", ""},
      {"mod(t, 5)", 0, "no function mod(text, integer)", ""},
      {"mod(5)", 0, "no function mod(integer)", ""},
      {"-t", 0, "no operator - text", ""},
      {"-'5'", 1, "floating-point", ""},
      {"t + 1", 2, "no operator text + integer", ""},
      {"'1' + '2'", 4, "no operator unknown + unknown", ""},
      {"i4 + 'x'", 5, "not a plain integer", ""},
      {"i2 + '70000'", 5, "not a plain smallint", ""},
      {"i4 + ''", 5, "not a plain integer", ""},
      {"i4 || i4", 3, "integer || integer", "::text"},
      {"t || b", 2, "text and bytea", "bytea_output"},
      {"hashbytea(b || 'x')", 15, "literal of type bytea", ""},
      {"coalesce(i4, t)", 13, "cannot match integer and text", "cast"},
      {"nullif(c, t)", 0, "nullif of character and text", ""},
      {"nullif(i4, t)", 0, "nullif of integer and text", ""},
      {"t::int4", 1, "cast from text to integer", "hash it"},
      {"b::text", 1, "cast from bytea to text", "bytea_output"},
      {"u::int8", 1, "cast from uuid to bigint", ""},
      {"bo::int8", 2, "cast from boolean to bigint", ""},
      {"i4::numeric", 4, "cast to numeric", "casts are supported"},
      {"i4::float8", 4, "cast to float8", ""},
      {"t::uuid", 3, "cast to uuid", ""},
      {"t::char", 3, "cast to char", "char(1)"},
      {"t::\"char\"", 3, "cast to char is", "casts are supported"},
      {"i4::pg_catalog.integer", 4, "cast to integer", ""},
      {"i4::\"integer\"", 4, "cast to integer", ""},
      {"t::varchar(5)", 10, "with a length", "without a length"},
      {"t::character varying(5)", 20, "with a length", ""},
      // Constants that fail.
      {"1 / 0", 2, "always divides by zero", "before the first row"},
      {"2147483647 + 1", 11, "always out of range", ""},
      {"i4 + 70000::int2", 10, "always out of range", ""},
      {"abs(-2147483648)", 0, "always out of range", ""},
      {"-2147483648::int4", 11, "always out of range", ""},
      {"coalesce(i4, 1 / 0)", 15, "always divides by zero", ""},
  };
  for (const Refusal& expected : refusals) {
    SCOPED_TRACE(expected.sql);
    const auto expression = KeyExpression::compile(expected.sql, all_key_columns());
    ASSERT_FALSE(expression);
    const Error& error = expression.error();
    EXPECT_EQ(error.consequence, Consequence::refuse);
    EXPECT_EQ(error.code, "key-expression");
    EXPECT_THAT(error.message, HasSubstr(expected.message));
    EXPECT_THAT(error.hint, HasSubstr(expected.hint));
    EXPECT_EQ(error.where,
              std::string(expected.sql) + "\n" + std::string(expected.column, ' ') + "^");
  }
}

TEST(KeyRefusalTest, TheCaretCountsCharactersNotBytes) {
  EXPECT_EQ(refusal("'\xc3\xa9\xe6\x97\xa5\xf0\x9f\x90\x98' || nosuch").where,
            "'\xc3\xa9\xe6\x97\xa5\xf0\x9f\x90\x98' || nosuch\n         ^");
}

TEST(KeyRefusalTest, TheExpressionIsShownOnOneLine) {
  EXPECT_EQ(refusal("i4 +\n\tnosuch").where, "i4 +  nosuch\n      ^");
}

TEST(KeyRefusalTest, OnlyThePartAroundThePlaceOfALongExpressionIsShown) {
  std::string arguments;
  for (int i = 0; i < 50; ++i) arguments += "i4, ";
  const Error error = refusal("coalesce(" + arguments + "nosuch, " + arguments + "i4)");
  const std::size_t line_end = error.where.find('\n');
  const std::string line = error.where.substr(0, line_end);
  EXPECT_LT(line.size(), 140U);
  EXPECT_TRUE(line.starts_with("...") && line.ends_with("..."));
  EXPECT_EQ(line.substr(error.where.size() - line_end - 2, 6), "nosuch");
}

TEST(KeyRefusalTest, NestingIsBounded) {
  const auto nested = [](int levels) {
    const auto count = static_cast<std::size_t>(levels);
    return std::string(count, '(') + "i4" + std::string(count, ')');
  };
  EXPECT_TRUE(KeyExpression::compile(nested(90), all_key_columns()));
  EXPECT_THAT(refusal(nested(200)).message, HasSubstr("nested too deeply"));
  EXPECT_THAT(refusal(nested(100000)).message, HasSubstr("longer than"));
}

TEST(KeyRefusalTest, HostileRepetitionIsRefused) {
  for (const char* unit : {"(", "- ", "abs(", "coalesce(", "i4::int4::", "1+", "1,", "'", "\"",
                           "cast(", "pg_catalog.", ")", "::", "t||", "+ "}) {
    for (const std::size_t times : {10U, 1000U, 4000U, 100000U}) {
      std::string sql;
      for (std::size_t i = 0; i < times; ++i) sql += unit;
      EXPECT_EQ(refusal(sql).code, "key-expression") << unit << " x " << times;
      EXPECT_EQ(refusal(sql + "t").code, "key-expression") << unit << " x " << times;
    }
  }
}

TEST(KeyRefusalTest, LongChainsAreRefusedBeforeTheyBecomeDeepTrees) {
  std::string sql = "i4";
  for (int i = 0; i < 1500; ++i) sql += "+i4";
  EXPECT_THAT(refusal(sql).message, HasSubstr("nested too deeply"));
}

TEST(KeyRefusalTest, ZeroBytesAndControlCharacters) {
  EXPECT_THAT(refusal(std::string("i4\0", 3)).message, HasSubstr("control character"));
  EXPECT_THAT(refusal(std::string("hashtext('\0')", 13)).message, HasSubstr("zero byte"));
  EXPECT_THAT(refusal("i4 \x01").message, HasSubstr("control character"));
}

TEST(KeyRefusalTest, RandomBytesAndTokensNeverDoWorseThanRefusal) {
  std::mt19937 random(11);
  const std::vector<std::string> pieces = {"i4",
                                           "i8",
                                           "t",
                                           "u",
                                           "(",
                                           ")",
                                           ",",
                                           "::",
                                           "text",
                                           "int4",
                                           "abs",
                                           "||",
                                           "+",
                                           "-",
                                           "%",
                                           "*",
                                           "/",
                                           "&",
                                           "#",
                                           "'a'",
                                           "5",
                                           "''",
                                           "100",
                                           "::",
                                           "null",
                                           "coalesce",
                                           "cast(",
                                           "as",
                                           ".",
                                           "\"i4\"",
                                           "hashtext",
                                           "(",
                                           ")",
                                           "pg_catalog",
                                           "nullif",
                                           "mod",
                                           "9223372036854775808",
                                           "\xc3",
                                           "\xf0\x9f",
                                           "$",
                                           "\\",
                                           " "};
  for (int i = 0; i < 20000; ++i) {
    std::string sql;
    const auto length = random() % 12 + 1;
    for (unsigned j = 0; j < length; ++j) {
      sql += pieces[random() % pieces.size()];
      if (random() % 2 == 0) sql += ' ';
      if (random() % 50 == 0) sql += static_cast<char>(random());
    }
    const auto expression = KeyExpression::compile(sql, all_key_columns());
    if (!expression) {
      EXPECT_EQ(expression.error().code, "key-expression");
      EXPECT_FALSE(expression.error().message.empty());
    } else {
      // An accepted expression prints as one that is accepted, too.
      EXPECT_TRUE(KeyExpression::compile(expression->qualified_sql({}), all_key_columns())) << sql;
    }
  }
}

}  // namespace
}  // namespace pgfanout
