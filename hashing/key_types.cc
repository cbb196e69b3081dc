// Tables of types and functions, and the rules that need no syntax.
#include "hashing/key_forms.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "copier/base/lists.h"

namespace pgfanout {
namespace keyexpr {
namespace {

struct KeyTypeFacts {
  KeyType type;
  std::uint32_t oid;
  std::int32_t bytes;  // 0: any.
  std::string_view catalog;
  std::string_view display;
  bool castable;
};

// In the order of KeyType.
constexpr std::array type_facts = std::to_array<KeyTypeFacts>({
    {KeyType::int2, 21, 2, "int2", "smallint", true},
    {KeyType::int4, 23, 4, "int4", "integer", true},
    {KeyType::int8, 20, 8, "int8", "bigint", true},
    {KeyType::text, 25, 0, "text", "text", true},
    {KeyType::varchar, 1043, 0, "varchar", "character varying", true},
    {KeyType::bpchar, 1042, 0, "bpchar", "character", true},
    {KeyType::uuid, 2950, 16, "uuid", "uuid", false},
    {KeyType::bytea, 17, 0, "bytea", "bytea", false},
    {KeyType::boolean, 16, 1, "bool", "boolean", false},
    {KeyType::other, 0, 0, "unknown", "unknown", false},
    {KeyType::name, 19, 0, "name", "name", false},
    {KeyType::oid, 26, 4, "oid", "oid", false},
    {KeyType::date, 1082, 4, "date", "date", false},
    {KeyType::timestamp, 1114, 8, "timestamp", "timestamp without time zone", false},
    {KeyType::timestamptz, 1184, 8, "timestamptz", "timestamp with time zone", false},
    {KeyType::numeric, 1700, 0, "numeric", "numeric", false},
});

const KeyTypeFacts& facts_of(KeyType type) {
  return type_facts[static_cast<std::size_t>(type)];
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

std::int32_t width_of(KeyType type) {
  return facts_of(type).bytes;
}

std::string_view display_name(KeyType type) {
  return facts_of(type).display;
}

std::string_view catalog_name(KeyType type) {
  return facts_of(type).catalog;
}

KeyType castable_type(std::string_view name, bool keyword_allowed) {
  for (const KeyTypeFacts& names : type_facts) {
    if (!names.castable) continue;
    if (name == names.catalog) return names.type;
    // "character" alone means char(1), not bpchar.
    const bool is_keyword = names.type != KeyType::text && names.type != KeyType::bpchar;
    if (keyword_allowed && is_keyword && name == names.display) return names.type;
  }
  return keyword_allowed && name == "int" ? KeyType::int4 : KeyType::other;
}

const HashFunction* find_hash_function(std::string_view name) {
  return find_by(hash_functions, &HashFunction::name, name);
}

}  // namespace keyexpr

KeyType key_type_of_oid(std::uint32_t type_oid) {
  const auto* facts = find_by(keyexpr::type_facts, &keyexpr::KeyTypeFacts::oid, type_oid);
  return facts != nullptr ? facts->type : KeyType::other;
}

std::string_view to_string(KeyState state) {
  constexpr std::string_view names[] = {"ok", "null", "out-of-range", "division-by-zero",
                                        "malformed"};
  return names[static_cast<std::size_t>(state)];
}

}  // namespace pgfanout
