// Compares key expressions with a server: whether they are accepted, their type, and their value or
// error for each row.
#include "hashing/key_expression.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/harness/test_server.h"
#include "tests/hashing/random_key_expression.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t seed = 424242;

std::string copy_text(const KeyValue& value) {
  if (!value) return "\\N";
  std::string escaped;
  for (const char c : *value) escaped += c == '\\' ? std::string("\\\\") : std::string(1, c);
  return escaped;
}

/// A server with a table `k` of the columns of the random rows, and two functions: one computes an
/// expression for every row, one returns its type.
class Oracle {
 public:
  explicit Oracle(const std::vector<std::vector<KeyValue>>& rows) : session_(connect()) {
    session_.execute(
        "CREATE TABLE k (id int, i2 int2, i4 int4, i8 int8, t text, v varchar, c char(8), u uuid,"
        " bo bool, b bytea, \"eé\" int4)");
    std::string data;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      data += std::to_string(i);
      for (std::size_t column = 0; column < 9; ++column) data += "\t" + copy_text(rows[i][column]);
      data += "\t" + copy_text(rows[i][11]) + "\n";
    }
    session_.copy_in("COPY k FROM STDIN", data);
    session_.execute(R"(
      CREATE FUNCTION answers(expression text) RETURNS text[] LANGUAGE plpgsql AS $$
      DECLARE
        result text[];
        answer text;
      BEGIN
        BEGIN
          EXECUTE 'SELECT array_agg((' || expression || ')::text ORDER BY id) FROM k' INTO result;
          RETURN result;
        EXCEPTION WHEN numeric_value_out_of_range OR division_by_zero THEN
        END;
        FOR i IN 0 .. (SELECT max(id) FROM k) LOOP
          BEGIN
            EXECUTE 'SELECT (' || expression || ')::text FROM k WHERE id = ' || i INTO answer;
          EXCEPTION WHEN numeric_value_out_of_range OR division_by_zero THEN
            answer := SQLSTATE;
            answer := 'error ' || answer;
          END;
          result[i + 1] := answer;
        END LOOP;
        RETURN result;
      END $$;
      CREATE FUNCTION type_of(expression text) RETURNS text LANGUAGE plpgsql AS $$
      DECLARE
        answer text;
      BEGIN
        EXECUTE 'SELECT pg_catalog.format_type(pg_typeof(coalesce((SELECT ' || expression ||
                ' FROM k LIMIT 0)))::oid, NULL)' INTO answer;
        RETURN answer;
      EXCEPTION WHEN numeric_value_out_of_range OR division_by_zero THEN
        RETURN 'fails';
      WHEN OTHERS THEN
        RETURN 'refused';
      END $$;)");
  }

  std::vector<KeyValue> answers(const std::string& sql) {
    const harness::TextRows rows = session_.rows("SELECT x FROM unnest(answers(" + quoted(sql) +
                                                 ")) WITH ORDINALITY AS u(x, n) ORDER BY n");
    std::vector<KeyValue> result;
    for (const harness::TextRow& row : rows) result.push_back(row[0]);
    return result;
  }

  /// Its type; "fails" if the server's planner has an arithmetic error; "refused".
  std::string type_of(const std::string& sql) {
    return session_.value("SELECT type_of(" + quoted(sql) + ")");
  }

 private:
  static harness::Session connect() {
    harness::TestServer& server = harness::TestServer::shared();
    return server.connect(server.create_database("key_expression"));
  }

  static std::string quoted(const std::string& sql) { return "$sql$" + sql + "$sql$"; }

  harness::Session session_;
};

std::string type_name(KeyType type) {
  if (type == KeyType::int2) return "smallint";
  return type == KeyType::int4 ? "integer" : "bigint";
}

KeyValue as_answer(KeyState state, std::int64_t key) {
  switch (state) {
    case KeyState::ok:
      return std::to_string(key);
    case KeyState::null:
      return std::nullopt;
    case KeyState::out_of_range:
      return "error 22003";
    case KeyState::division_by_zero:
      return "error 22012";
    default:
      return "malformed";
  }
}

std::string shown(const KeyValue& answer) {
  return answer.value_or("NULL");
}

/// Compares values and errors of all rows, with the expression as given and as printed.
void expect_same_answers(Oracle& oracle, const KeyExpression& expression,
                         const std::vector<std::vector<KeyValue>>& rows, KeyScratch& scratch) {
  const KeyAnswers mine = evaluate_rows(expression, all_key_columns(), rows, scratch);
  for (const std::string& sql : {expression.sql(), expression.qualified_sql({})}) {
    const std::vector<KeyValue> theirs = oracle.answers(sql);
    ASSERT_EQ(theirs.size(), rows.size()) << sql;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const KeyValue answer = as_answer(mine.states[row], mine.keys[row]);
      ASSERT_EQ(shown(answer), shown(theirs[row])) << sql << "\nrow " << row;
    }
  }
}

std::vector<std::vector<KeyValue>> some_rows(std::size_t count) {
  std::mt19937_64 random(seed);
  auto rows = random_key_rows(random, count);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i % 5 != 0) rows[i][8] = "\\x" + std::string(2 * (i % 4), 'a');
    rows[i][11] = std::to_string(i);
  }
  return rows;
}

TEST(KeyExpressionTest, RandomExpressionsHaveTheServersValuesAndErrors) {
  const auto rows = some_rows(40);
  Oracle oracle(rows);
  std::mt19937_64 random(seed);
  KeyScratch scratch;
  for (int i = 0; i < 400; ++i) {
    const auto key = random_key(random, 1 + static_cast<int>(random() % 6));
    const std::string sql = key->sql(random);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", expression " + std::to_string(i) + ": " + sql);
    const auto expression = KeyExpression::compile(sql, all_key_columns());
    if (!expression) {
      ASSERT_EQ(oracle.type_of(sql), "fails") << expression.error().message;
      continue;
    }
    ASSERT_EQ(oracle.type_of(sql), type_name(expression->result_type()));
    expect_same_answers(oracle, *expression, rows, scratch);
    if (HasFatalFailure()) return;
  }
}

TEST(KeyExpressionTest, ChosenExpressionsHaveTheServersValuesAndErrors) {
  const auto rows = some_rows(60);
  Oracle oracle(rows);
  KeyScratch scratch;
  for (const char* sql : {
           "abs(hashtext(u::text)) % 100",
           "abs(hashtext(t)) % 100",
           "abs(hashtext(v)) % 100",
           "abs(hashtext(c)) % 100",
           "mod(hashtext(t), 100)",
           "(hashtext(t) % 100 + 100) % 100",
           "abs(hashtext(t)::int8) % 100",
           "hashtextextended(t || '/' || u::text, 17) % 100",
           "hashtext(coalesce(t, v, c, u::text, ''))",
           "hashbpchar(c) # hashbpchar(t) # hashbpchar(v::bpchar)",
           "abs(i4) + i2",
           "i2 + abs(i4)",
           "abs(i4) + NULL",
           "abs(i4) + nullif(5, 5)",
           "coalesce(i8, abs(i4), 1 % i2)",
           "coalesce(7, 1 / 0)",
           "coalesce(i4, 7, 1 / 0)",
           "nullif(i4, 1 / i2)",
           "nullif(abs(i4), NULL) + nullif(i4, i2 + NULL)",
           "nullif(NULL, abs(i4)) + nullif(i4 + NULL, abs(i4))",
           "hashtext(nullif(v, 'a'))",
           "hashtext(i4 || t) # hashtext(t || i8) # hashtext(bo || t) # hashtext(u || t)",
           "hashtext(c || i2) # hashtext(c || c) # hashtext(v || c) # hashtext('x' || c)",
           "hashtext(coalesce(c, t) || '|') # hashtext(coalesce(t, c) || '|')",
           "hashtext(coalesce(v::bpchar, t) || '|') # hashtext(coalesce(t, v::bpchar) || '|')",
           "hashtext('a\\b''c' || t)",
           "i2 / -1::int2",
           "i4 / '-1' % 7",
           "i8 % -1",
           "- i2 % 4 - -i4",
           "i4 * - 3 + + i2",
           "\"eé\" + Eé",
           "-2147483648 + i4",
           "- - 2147483648 + i4",
           "bo::int4 + bo::int",
           "i2 + ' 7 ' - '-3'",
       }) {
    const auto expression = KeyExpression::compile(sql, all_key_columns());
    ASSERT_TRUE(expression) << sql << "\n" << expression.error().message;
    ASSERT_EQ(oracle.type_of(sql), type_name(expression->result_type())) << sql;
    expect_same_answers(oracle, *expression, rows, scratch);
    if (HasFatalFailure()) return;
  }
}

/// Expressions that combine values of any two types.
std::vector<std::string> all_forms() {
  const std::vector<std::string> values = {"i2", "i4", "i8",  "t",    "v", "c",         "u",
                                           "b",  "bo", "'5'", "NULL", "5", "5000000000"};
  std::vector<std::string> forms;
  for (const std::string& left : values) {
    for (const char* name : {"abs", "hashtext", "hashbpchar", "hashint2", "hashint4", "hashint8",
                             "uuid_hash", "-", "+", "coalesce"}) {
      forms.push_back(fmt::format("{}({})", name, left));
    }
    for (const char* type : {"int2", "int4", "int8", "text", "varchar", "bpchar"}) {
      forms.push_back(fmt::format("{}::{}", left, type));
    }
    for (const std::string& right : values) {
      for (const char* op : {"+", "/", "%", "&", "||"}) {
        forms.push_back(fmt::format("{} {} {}", left, op, right));
      }
      for (const char* name :
           {"coalesce", "nullif", "mod", "hashtextextended", "hashbpcharextended",
            "hashint2extended", "hashint4extended", "hashint8extended", "uuid_hash_extended"}) {
        forms.push_back(fmt::format("{}({}, {})", name, left, right));
      }
    }
  }
  return forms;
}

/// Servers accept these; pgfanout refuses them, as KEY_EXPRESSION.md says.
bool is_deliberate(const Error& error) {
  static const char* reasons[] = {
      "a literal of type",      "bytea cannot be joined", "nullif of",
      "a cast from bytea",      "cast from text to",      "cast from character varying to",
      "cast from character to", "floating-point"};
  return std::any_of(std::begin(reasons), std::end(reasons), [&](const char* reason) {
    return error.message.find(reason) != std::string::npos;
  });
}

bool is_integer_name(const std::string& type) {
  return type == "smallint" || type == "integer" || type == "bigint";
}

/// The expression itself; or, if its value is not an integer, ways to make it one that distinguish
/// text types.
std::vector<std::string> keys_from(const std::string& form, const std::string& type) {
  if (is_integer_name(type) || type == "refused" || type == "fails") return {form};
  return {form, "hashtext(" + form + ")", "hashbpchar(" + form + ")",
          "hashtext((" + form + ") || '|')"};
}

TEST(KeyExpressionTest, WhatIsAcceptedIsWhatTheServerAccepts) {
  const auto rows = some_rows(12);
  Oracle oracle(rows);
  KeyScratch scratch;
  std::map<std::string, int> outcomes;
  for (const std::string& form : all_forms()) {
    for (const std::string& sql : keys_from(form, oracle.type_of(form))) {
      SCOPED_TRACE(sql);
      const auto expression = KeyExpression::compile(sql, all_key_columns());
      const std::string type = oracle.type_of(sql);
      if (expression) {
        ASSERT_EQ(type, type_name(expression->result_type()));
        expect_same_answers(oracle, *expression, rows, scratch);
        if (HasFatalFailure()) return;
        ++outcomes["accepted"];
      } else if (is_integer_name(type)) {
        EXPECT_TRUE(is_deliberate(expression.error())) << expression.error().message;
        ++outcomes["refused here"];
      } else {
        ++outcomes["refused by both"];
      }
    }
  }
  EXPECT_GT(outcomes["accepted"], 1000);
  EXPECT_GT(outcomes["refused by both"], 1000);
}

}  // namespace
}  // namespace pgfanout
