// The naive twin: evaluates a RandomKey the way the server's documentation reads.
#include "tests/hashing/naive_key_expression.h"

#include <optional>
#include <string>
#include <utility>

#include "tests/hashing/naive_lookup3.h"

namespace pgfanout {
namespace {

__extension__ using Wide = __int128;

NaiveValue failure(KeyState state) {
  return {state, 0, {}};
}
NaiveValue of_text(std::string text) {
  return {KeyState::ok, 0, std::move(text)};
}

bool is_whole(KeyType type) {
  return type == KeyType::int2 || type == KeyType::int4 || type == KeyType::int8;
}

NaiveValue in_range(Wide value, KeyType type) {
  const int bits = type == KeyType::int2 ? 16 : type == KeyType::int4 ? 32 : 64;
  const Wide limit = Wide{1} << (bits - 1);
  if (value < -limit || value >= limit) return failure(KeyState::out_of_range);
  return {KeyState::ok, static_cast<std::int64_t>(value), {}};
}

std::string stripped(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

/// How a value is written when it becomes text.
std::string as_text(const NaiveValue& value, KeyType type) {
  if (is_whole(type)) return std::to_string(value.number);
  if (type == KeyType::boolean) return value.number != 0 ? "true" : "false";
  if (type == KeyType::bpchar) return stripped(value.text);
  return value.text;
}

NaiveValue convert(NaiveValue value, KeyType from, KeyType to) {
  if (from == KeyType::other && is_whole(to)) return in_range(std::stoll(value.text), to);
  if (from == to || from == KeyType::other) return value;
  if (is_whole(to)) return in_range(value.number, to);
  if (from == KeyType::text || from == KeyType::varchar) return value;
  return of_text(as_text(value, from));
}

NaiveValue hash(const std::string& name, const std::string& bytes, std::int64_t seed) {
  const std::uint64_t bits = naive::lookup3(bytes, static_cast<std::uint64_t>(seed));
  if (name.ends_with("extended")) return {KeyState::ok, static_cast<std::int64_t>(bits), {}};
  return {KeyState::ok, static_cast<std::int32_t>(bits), {}};
}

std::string hashed_bytes(const std::string& name, const NaiveValue& value, KeyType type) {
  if (name.starts_with("hashbpchar")) return stripped(value.text);
  if (name.starts_with("hashtext")) return as_text(value, type);
  if (name.starts_with("uuid")) return binary_from_hex(value.text);
  const auto bits = static_cast<std::uint64_t>(value.number);
  const std::uint64_t high = bits >> 32;
  const std::uint64_t folded = bits ^ (value.number < 0 ? ~high : high);
  const std::string big_endian = binary_integer(static_cast<std::int64_t>(folded), 4);
  return {big_endian.rbegin(), big_endian.rend()};
}

NaiveValue arithmetic(const std::string& name, KeyType type, Wide left, Wide right) {
  if (name == "+") return in_range(left + right, type);
  if (name == "-") return in_range(left - right, type);
  if (name == "*") return in_range(left * right, type);
  if (name == "&") return in_range(left & right, type);
  if (name == "|") return in_range(left | right, type);
  if (name == "#") return in_range(left ^ right, type);
  if (right == 0) return failure(KeyState::division_by_zero);
  return in_range(name == "/" ? left / right : left % right, type);
}

/// A strict operation on values none of which is NULL.
NaiveValue apply_strict(const RandomKey& key, const std::vector<NaiveValue>& values) {
  const KeyType first = key.operands[0]->type;
  if (key.name == "cast") return convert(values[0], first, key.type);
  if (key.name == "negate") return in_range(-Wide{values[0].number}, key.type);
  if (key.name == "plus") return values[0];
  if (key.name == "abs") {
    const Wide value = values[0].number;
    return in_range(value < 0 ? -value : value, key.type);
  }
  if (key.name == "||") {
    return of_text(as_text(values[0], first) + as_text(values[1], key.operands[1]->type));
  }
  if (key.name.find("hash") != std::string::npos) {
    return hash(key.name, hashed_bytes(key.name, values[0], first),
                values.size() > 1 ? values[1].number : 0);
  }
  const NaiveValue left = convert(values[0], first, key.type);
  const NaiveValue right = convert(values[1], key.operands[1]->type, key.type);
  return arithmetic(key.name == "mod" ? "%" : key.name, key.type, left.number, right.number);
}

NaiveValue evaluate(const RandomKey& key, const std::vector<KeyValue>& row);

/// The value of a part without columns, as the server's planner finds it; none if it depends on
/// the row.
std::optional<NaiveValue> constant_value(const RandomKey& key) {
  if (key.name == "literal") return key.literal;
  if (key.name == "column") return std::nullopt;
  bool all = true;
  for (const auto& operand : key.operands) {
    auto value = constant_value(*operand);
    if (key.name == "coalesce" && all && value && value->state != KeyState::null) {
      return convert(*value, operand->type, key.type);
    }
    const bool is_null = value && value->state == KeyState::null;
    const bool decides = key.name == "nullif" ? operand == key.operands[0] : key.name != "coalesce";
    if (is_null && decides) return value;
    all = all && value.has_value();
  }
  if (!all) return std::nullopt;
  return evaluate(key, {});
}

NaiveValue choose(const RandomKey& key, const std::vector<KeyValue>& row) {
  if (key.name == "nullif") {
    NaiveValue left = naive_evaluate(*key.operands[0], row);
    const auto constant = constant_value(*key.operands[1]);
    if (left.state > KeyState::null || (constant && constant->state == KeyState::null)) return left;
    NaiveValue right = naive_evaluate(*key.operands[1], row);
    if (right.state > KeyState::null) return right;
    const KeyType to = is_whole(key.type) ? KeyType::int8 : KeyType::text;
    const bool both = left.state == KeyState::ok && right.state == KeyState::ok;
    if (!both) return left;
    const NaiveValue a = convert(left, key.operands[0]->type, to);
    const NaiveValue b = convert(right, key.operands[1]->type, to);
    return a.number == b.number && a.text == b.text ? failure(KeyState::null) : left;
  }
  for (const auto& operand : key.operands) {
    NaiveValue value = naive_evaluate(*operand, row);
    if (value.state > KeyState::null) return value;
    if (value.state == KeyState::ok) return convert(value, operand->type, key.type);
  }
  return failure(KeyState::null);
}

NaiveValue column_value(const RandomKey& key, const std::vector<KeyValue>& row) {
  const KeyValue& value = row[key.column];
  if (!value) return failure(KeyState::null);
  if (is_whole(key.type)) return {KeyState::ok, std::stoll(*value), {}};
  if (key.type == KeyType::boolean) return {KeyState::ok, *value == "t" ? 1 : 0, {}};
  return of_text(*value);
}

NaiveValue evaluate(const RandomKey& key, const std::vector<KeyValue>& row) {
  if (key.name == "literal") return key.literal;
  if (key.name == "column") return column_value(key, row);
  if (key.name == "coalesce" || key.name == "nullif") return choose(key, row);
  std::vector<NaiveValue> values;
  for (const auto& operand : key.operands) {
    values.push_back(naive_evaluate(*operand, row));
    if (values.back().state > KeyState::null) return values.back();
  }
  for (const NaiveValue& value : values) {
    if (value.state == KeyState::null) return value;
  }
  return apply_strict(key, values);
}

}  // namespace

NaiveValue naive_evaluate(const RandomKey& key, const std::vector<KeyValue>& row) {
  const auto constant = constant_value(key);
  return constant ? *constant : evaluate(key, row);
}

}  // namespace pgfanout
