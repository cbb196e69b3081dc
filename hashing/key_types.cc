// Tables of type names and OIDs.
#include "hashing/key_types.h"

#include <array>

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
