// Tables of types and functions, and the rules that need no syntax.
#include "hashing/key_types.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace pgfanout {
namespace keyexpr {
namespace {

struct TypeNames {
  KeyType type;
  std::uint32_t oid;
  std::string_view catalog;
  std::string_view display;
  bool castable;
};

constexpr std::array type_names = std::to_array<TypeNames>({
    {KeyType::int2, 21, "int2", "smallint", true},
    {KeyType::int4, 23, "int4", "integer", true},
    {KeyType::int8, 20, "int8", "bigint", true},
    {KeyType::text, 25, "text", "text", true},
    {KeyType::varchar, 1043, "varchar", "character varying", true},
    {KeyType::bpchar, 1042, "bpchar", "character", true},
    {KeyType::uuid, 2950, "uuid", "uuid", false},
    {KeyType::bytea, 17, "bytea", "bytea", false},
    {KeyType::boolean, 16, "bool", "boolean", false},
    {KeyType::other, 0, "unknown", "unknown", false},
});

const TypeNames& names_of(KeyType type) {
  return *std::find_if(type_names.begin(), type_names.end() - 1,
                       [&](const TypeNames& names) { return names.type == type; });
}

constexpr std::array hash_functions = std::to_array<HashFunction>({
    {"hashtext", KeyType::text, false},
    {"hashtextextended", KeyType::text, true},
    {"hashbpchar", KeyType::bpchar, false},
    {"hashbpcharextended", KeyType::bpchar, true},
    {"hashint2", KeyType::int2, false},
    {"hashint2extended", KeyType::int2, true},
    {"hashint4", KeyType::int4, false},
    {"hashint4extended", KeyType::int4, true},
    {"hashint8", KeyType::int8, false},
    {"hashint8extended", KeyType::int8, true},
    {"uuid_hash", KeyType::uuid, false},
    {"uuid_hash_extended", KeyType::uuid, true},
    // From server version 18 on; KeyExpression::functions() lets callers check.
    {"hashbytea", KeyType::bytea, false},
    {"hashbyteaextended", KeyType::bytea, true},
});

}  // namespace

bool casts_implicitly(KeyType from, KeyType to) {
  if (from == to) return true;
  if (is_integer(from) && is_integer(to)) return wider(from, to) == to;
  return is_textual(from) && is_textual(to);
}

bool fits(std::int64_t value, KeyType type) {
  if (type == KeyType::int2) return value == static_cast<std::int16_t>(value);
  if (type == KeyType::int4) return value == static_cast<std::int32_t>(value);
  return true;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\v\f\r";
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  text = text.substr(0, text.find_last_not_of(blanks) + 1);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

std::string_view display_name(KeyType type) {
  return names_of(type).display;
}

std::string_view catalog_name(KeyType type) {
  return names_of(type).catalog;
}

KeyType castable_type(std::string_view name, bool keyword_allowed) {
  for (const TypeNames& names : type_names) {
    if (!names.castable) continue;
    if (name == names.catalog) return names.type;
    // "character" alone means char(1), not bpchar.
    const bool is_keyword = names.type != KeyType::text && names.type != KeyType::bpchar;
    if (keyword_allowed && is_keyword && name == names.display) return names.type;
  }
  return keyword_allowed && name == "int" ? KeyType::int4 : KeyType::other;
}

const HashFunction* find_hash_function(std::string_view name) {
  for (const HashFunction& function : hash_functions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

}  // namespace keyexpr

KeyType key_type_of_oid(std::uint32_t type_oid) {
  for (const keyexpr::TypeNames& names : keyexpr::type_names) {
    if (names.oid == type_oid) return names.type;
  }
  return KeyType::other;
}

std::string_view to_string(KeyState state) {
  switch (state) {
    case KeyState::ok:
      return "ok";
    case KeyState::null:
      return "null";
    case KeyState::out_of_range:
      return "out-of-range";
    case KeyState::division_by_zero:
      return "division-by-zero";
    case KeyState::malformed:
      return "malformed";
  }
  return "unknown";
}

}  // namespace pgfanout
