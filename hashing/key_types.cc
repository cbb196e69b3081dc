// Tables of type names and OIDs, and the rules that need no syntax.
#include "hashing/key_types.h"

#include <array>
#include <charconv>

namespace pgfanout {

KeyType key_type_of_oid(std::uint32_t type_oid) {
  switch (type_oid) {
    case 16:
      return KeyType::boolean;
    case 17:
      return KeyType::bytea;
    case 20:
      return KeyType::int8;
    case 21:
      return KeyType::int2;
    case 23:
      return KeyType::int4;
    case 25:
      return KeyType::text;
    case 1042:
      return KeyType::bpchar;
    case 1043:
      return KeyType::varchar;
    case 2950:
      return KeyType::uuid;
    default:
      return KeyType::other;
  }
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

namespace keyexpr {
namespace {

struct TypeNames {
  KeyType type;
  std::string_view catalog;
  std::string_view display;
  bool castable;
};

constexpr std::array type_names = std::to_array<TypeNames>({
    {KeyType::int2, "int2", "smallint", true},
    {KeyType::int4, "int4", "integer", true},
    {KeyType::int8, "int8", "bigint", true},
    {KeyType::text, "text", "text", true},
    {KeyType::varchar, "varchar", "character varying", true},
    {KeyType::bpchar, "bpchar", "character", true},
    {KeyType::uuid, "uuid", "uuid", false},
    {KeyType::bytea, "bytea", "bytea", false},
    {KeyType::boolean, "bool", "boolean", false},
});

const TypeNames* find(KeyType type) {
  for (const TypeNames& names : type_names) {
    if (names.type == type) return &names;
  }
  return nullptr;
}

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
  const TypeNames* names = find(type);
  return names == nullptr ? "unknown" : names->display;
}

std::string_view catalog_name(KeyType type) {
  const TypeNames* names = find(type);
  return names == nullptr ? "unknown" : names->catalog;
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

}  // namespace keyexpr
}  // namespace pgfanout
