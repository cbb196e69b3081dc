// Seeded random key expressions over all_key_columns(): trees that are correct by construction, and
// their SQL. A header, since the tests of two programs use it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "hashing/key_expression.h"
#include "tests/hashing/key_rows.h"

namespace pgfanout {

/// The value for a row: a number or text, or the reason why there is none.
struct NaiveValue {
  KeyState state = KeyState::ok;
  std::int64_t number = 0;
  std::string text;
};

struct RandomKey {
  /// `name` is an operator, a function, "cast", "coalesce", "nullif", "column" or "literal".
  std::string name;
  KeyType type = KeyType::other;  ///< `other` for a string or NULL without a type.
  std::vector<std::unique_ptr<RandomKey>> operands;
  std::size_t column = 0;
  NaiveValue literal;

  /// As SQL, with as few parentheses as precedence allows, and now and then more.
  [[nodiscard]] std::string sql(std::mt19937_64& random) const;
};

/// An expression whose result is an integer, at most `depth` levels deep.
[[nodiscard]] std::unique_ptr<RandomKey> random_key(std::mt19937_64& random, int depth);

/// Values that are likely to find something: extremes, NULL, text of 0 to 40 bytes in one and more
/// bytes a character, text whose hash is the smallest integer. char(8) comes padded.
[[nodiscard]] std::vector<std::vector<KeyValue>> random_key_rows(std::mt19937_64& random,
                                                                 std::size_t count);

namespace key_drawing {

using Tree = std::unique_ptr<RandomKey>;
using Random = std::mt19937_64;

template <class T>
const T& pick(Random& random, const std::vector<T>& choices) {
  return choices[random() % choices.size()];
}

inline bool is_whole(KeyType type) {
  return type == KeyType::int2 || type == KeyType::int4 || type == KeyType::int8;
}

inline Tree tree(std::string name, KeyType type) {
  auto result = std::make_unique<RandomKey>();
  result->name = std::move(name);
  result->type = type;
  return result;
}

inline Tree with(Tree parent, Tree child) {
  parent->operands.push_back(std::move(child));
  return parent;
}

inline Tree column(std::size_t index) {
  Tree result = tree("column", all_key_columns()[index].type);
  result->column = index;
  return result;
}

inline Tree untyped_null() {
  Tree result = tree("literal", KeyType::other);
  result->literal.state = KeyState::null;
  return result;
}

inline Tree number(Random& random) {
  static const std::vector<std::int64_t> values = {
      0,     1,          -1,          2,          3,          7,
      10,    100,        -100,        32767,      -32768,     32768,
      65536, 2147483647, -2147483648, 2147483648, 4294967296, 9223372036854775807};
  const std::int64_t value = random() % 3 == 0 ? 100 : pick(random, values);
  Tree result =
      tree("literal", value == static_cast<std::int32_t>(value) ? KeyType::int4 : KeyType::int8);
  result->literal.number = value;
  return result;
}

inline Tree untyped_string(Random& random) {
  static const std::vector<std::string> values = {"",   "x",  "a b", "it's", " trailing  ",
                                                  "\\", "é日"};
  Tree result = tree("literal", KeyType::other);
  result->literal.text = pick(random, values);
  return result;
}

inline Tree untyped_number(Random& random) {
  static const std::vector<std::string> values = {"0", "5", " 7 ", "-3", "+12", "100"};
  Tree result = tree("literal", KeyType::other);
  result->literal.text = pick(random, values);
  return result;
}

inline Tree whole(Random& random, int depth);
inline Tree text(Random& random, int depth);

inline Tree cast(Tree operand, KeyType type) {
  return with(tree("cast", type), std::move(operand));
}

inline Tree whole_leaf(Random& random) {
  if (random() % 4 == 0) return number(random);
  if (random() % 30 == 0) {
    return cast(untyped_null(), pick<KeyType>(random, {KeyType::int2, KeyType::int4}));
  }
  return column(random() % 3);
}

inline Tree arithmetic(Random& random, int depth) {
  static const std::vector<std::string> names = {"+", "-", "*", "/", "%",
                                                 "%", "&", "|", "#", "mod"};
  Tree left = whole(random, depth);
  Tree right = random() % 8 == 0 ? untyped_number(random) : whole(random, depth);
  if (random() % 40 == 0) right = untyped_null();
  const KeyType type =
      right->type == KeyType::other ? left->type : std::max(left->type, right->type);
  Tree result = tree(pick(random, names), type);
  return with(with(std::move(result), std::move(left)), std::move(right));
}

inline Tree unary(Random& random, int depth) {
  static const std::vector<std::string> names = {"negate", "abs", "abs", "plus"};
  Tree operand = whole(random, depth);
  const KeyType type = operand->type;
  return with(tree(pick(random, names), type), std::move(operand));
}

inline Tree hash(Random& random, int depth) {
  const bool extended = random() % 3 == 0;
  const std::string suffix = extended ? "extended" : "";
  std::string name;
  Tree operand;
  switch (random() % 6) {
    case 0:
      name = "hashbpchar" + suffix;
      operand = text(random, depth);
      break;
    case 1:
      name = extended ? "uuid_hash_extended" : "uuid_hash";
      operand = column(6);
      break;
    case 2:
      operand = whole(random, depth);
      name = operand->type == KeyType::int2   ? "hashint2"
             : operand->type == KeyType::int4 ? "hashint4"
                                              : "hashint8";
      name += suffix;
      break;
    default:
      name = "hashtext" + suffix;
      operand = text(random, depth);
  }
  Tree result = with(tree(name, extended ? KeyType::int8 : KeyType::int4), std::move(operand));
  return extended ? with(std::move(result), whole(random, depth)) : std::move(result);
}

inline Tree whole_choice(Random& random, int depth) {
  if (random() % 3 == 0) {
    Tree left = whole(random, depth);
    const KeyType type = left->type;
    return with(with(tree("nullif", type), std::move(left)), whole(random, depth));
  }
  Tree result = tree("coalesce", KeyType::int2);
  const auto count = random() % 3 + 1;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (random() % 10 == 0) result = with(std::move(result), untyped_null());
    Tree operand = whole(random, depth);
    result->type = std::max(result->type, operand->type);
    result = with(std::move(result), std::move(operand));
  }
  return result;
}

inline Tree whole(Random& random, int depth) {
  if (depth <= 1) return whole_leaf(random);
  switch (random() % 8) {
    case 0:
      return whole_leaf(random);
    case 1:
      return unary(random, depth - 1);
    case 2:
      return cast(random() % 8 == 0 ? column(7) : whole(random, depth - 1), KeyType::int4);
    case 3:
      return cast(whole(random, depth - 1), pick<KeyType>(random, {KeyType::int2, KeyType::int8}));
    case 4:
      return whole_choice(random, depth - 1);
    case 5:
      return hash(random, depth - 1);
    default:
      return arithmetic(random, depth - 1);
  }
}

inline Tree concatenation(Random& random, int depth) {
  Tree left = text(random, depth);
  Tree right;
  switch (random() % 5) {
    case 0:
      right = whole(random, depth);
      break;
    case 1:
      right = column(6 + random() % 2);
      break;
    case 2:
      right = untyped_string(random);
      break;
    default:
      right = text(random, depth);
  }
  if (random() % 2 == 0) std::swap(left, right);
  return with(with(tree("||", KeyType::text), std::move(left)), std::move(right));
}

inline Tree text_choice(Random& random, int depth) {
  Tree first = text(random, depth);
  if (random() % 3 == 0 && first->type != KeyType::bpchar) {
    Tree result = with(tree("nullif", KeyType::text), std::move(first));
    return with(std::move(result), random() % 2 == 0 ? untyped_string(random)
                                                     : cast(text(random, depth), KeyType::varchar));
  }
  const KeyType type = first->type;
  Tree result = with(tree("coalesce", type), std::move(first));
  if (random() % 2 == 0) result = with(std::move(result), text(random, depth));
  return with(std::move(result), untyped_string(random));
}

inline Tree text(Random& random, int depth) {
  const KeyType target = pick<KeyType>(random, {KeyType::text, KeyType::varchar, KeyType::bpchar});
  if (depth <= 1) return column(3 + random() % 3);
  switch (random() % 7) {
    case 0:
      return column(3 + random() % 3);
    case 1:
      return cast(whole(random, depth - 1), target);
    case 2:
      return cast(column(6 + random() % 2), target);
    case 3:
      return cast(random() % 4 == 0 ? untyped_string(random) : text(random, depth - 1), target);
    case 4:
      return text_choice(random, depth - 1);
    default:
      return concatenation(random, depth - 1);
  }
}

// --- Printing ---

inline int precedence(const RandomKey& key) {
  if (key.name == "||" || key.name == "&" || key.name == "|" || key.name == "#") return 1;
  if (key.name == "+" || key.name == "-") return 2;
  if (key.name == "*" || key.name == "/" || key.name == "%") return 3;
  // A number with a sign is printed like the operator that its sign is.
  const bool signed_number = key.name == "literal" && is_whole(key.type) && key.literal.number < 0;
  if (key.name == "negate" || key.name == "plus" || signed_number) return 4;
  return key.name == "cast" ? 5 : 6;
}

inline std::string child_sql(const RandomKey& child, int needed, Random& random) {
  const std::string sql = child.sql(random);
  return precedence(child) < needed || random() % 10 == 0 ? "(" + sql + ")" : sql;
}

inline std::string call_sql(const std::string& name, const RandomKey& key, Random& random) {
  std::string sql = name + "(";
  for (const auto& operand : key.operands) {
    sql += (sql.back() == '(' ? "" : ", ") + operand->sql(random);
  }
  return sql + ")";
}

inline std::string literal_sql(const RandomKey& key) {
  if (key.literal.state == KeyState::null) return "NULL";
  if (is_whole(key.type)) return std::to_string(key.literal.number);
  std::string sql = "'";
  for (const char c : key.literal.text) sql += c == '\'' ? std::string("''") : std::string(1, c);
  return sql + "'";
}

inline std::string cast_sql(const RandomKey& key, Random& random) {
  static const std::array<std::vector<std::string>, 6> names = {{
      {"int2", "smallint", "SMALLINT"},
      {"int4", "integer", "int", "pg_catalog.int4"},
      {"int8", "bigint", "\"int8\""},
      {"text", "pg_catalog.text"},
      {"varchar", "character varying"},
      {"bpchar", "pg_catalog.bpchar"},
  }};
  const std::string& type = pick(random, names[static_cast<std::size_t>(key.type)]);
  if (random() % 4 == 0) return "CAST(" + key.operands[0]->sql(random) + " AS " + type + ")";
  return child_sql(*key.operands[0], 5, random) + "::" + type;
}

}  // namespace key_drawing

inline std::string RandomKey::sql(std::mt19937_64& random) const {
  if (name == "column") return all_key_columns()[column].name;
  if (name == "literal") return key_drawing::literal_sql(*this);
  if (name == "cast") return key_drawing::cast_sql(*this, random);
  if (name == "negate" || name == "plus") {
    const std::string sign = name == "plus" ? "+ " : "- ";
    // Folding the sign into a literal could change the literal's type; the tree means an operator.
    const bool is_literal = operands[0]->name == "literal";
    const std::string operand = key_drawing::child_sql(*operands[0], 4, random);
    return sign + (is_literal ? "(+ " + operand + ")" : operand);
  }
  if (operands.size() == 2 && key_drawing::precedence(*this) <= 3) {
    const int level = key_drawing::precedence(*this);
    return key_drawing::child_sql(*operands[0], level, random) + " " + name + " " +
           key_drawing::child_sql(*operands[1], level + 1, random);
  }
  return key_drawing::call_sql(name, *this, random);
}

inline std::unique_ptr<RandomKey> random_key(std::mt19937_64& random, int depth) {
  return key_drawing::whole(random, depth);
}

inline std::vector<std::vector<KeyValue>> random_key_rows(std::mt19937_64& random,
                                                          std::size_t count) {
  static const std::vector<std::string> texts = {"",
                                                 " ",
                                                 "a",
                                                 "abc  ",
                                                 "c1606105947x",
                                                 "fgcaxj4b",
                                                 "l7ba1ah7",
                                                 "é",
                                                 "日本語",
                                                 "🐘🐘",
                                                 "Zażółć gęślą jaźń",
                                                 "1234567890123456789012345678901234567890",
                                                 "\\",
                                                 "it's",
                                                 "0"};
  const std::array<std::vector<std::string>, 3> numbers = {{
      {"0", "1", "-1", "7", "32767", "-32768"},
      {"0", "1", "-1", "100", "2147483647", "-2147483648", "65536"},
      {"0", "1", "-1", "9223372036854775807", "-9223372036854775808", "4294967296", "-4294967297"},
  }};
  const auto some_text = [&] {
    if (random() % 3 != 0) return key_drawing::pick(random, texts);
    std::string text(random() % 41, ' ');
    for (char& c : text) c = static_cast<char>('a' + random() % 26);
    return text;
  };
  std::vector<std::vector<KeyValue>> rows(count);
  for (auto& row : rows) {
    row.resize(all_key_columns().size());
    const auto set = [&](std::size_t column, std::string value) {
      if (random() % 8 != 0) row[column] = std::move(value);
    };
    for (std::size_t i = 0; i < 3; ++i) {
      set(i, random() % 2 == 0 ? key_drawing::pick(random, numbers[i])
                               : std::to_string(static_cast<std::int16_t>(random())));
    }
    set(3, some_text());
    set(4, some_text());
    const std::string word =
        key_drawing::pick<std::string>(random, {"", "a", "ab cd", "12345678", "l7ba1ah7"});
    set(5, word + std::string(8 - word.size(), ' '));
    std::string uuid = "00000000-0000-0000-0000-000000000000";
    for (char& c : uuid) {
      if (c != '-') c = "0123456789abcdef"[random() % 16];
    }
    set(6, uuid);
    set(7, random() % 2 == 0 ? "t" : "f");
  }
  return rows;
}

}  // namespace pgfanout
