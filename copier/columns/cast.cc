#include "copier/columns/cast.h"

#include <fmt/format.h>

#include <array>

namespace pgfanout {
namespace {

constexpr std::uint32_t kText = 25;
constexpr std::uint32_t kBpchar = 1042;
constexpr std::uint32_t kVarchar = 1043;
constexpr std::uint32_t kBit = 1560;
constexpr std::uint32_t kVarbit = 1562;

struct LengthCast {
  std::uint32_t type;
  std::string_view name;  ///< Of the type, and of its function (value, modifier, is explicit).
};

// An explicit cast to these cuts silently; their functions with `is explicit` false do not.
constexpr std::array kLengthCasts = {LengthCast{kBpchar, "bpchar"}, LengthCast{kVarchar, "varchar"},
                                     LengthCast{kBit, "bit"}, LengthCast{kVarbit, "varbit"}};

}  // namespace

std::string cast_sql(std::string_view sql, const Column& from, const Column& to) {
  if (from.type_sql == to.type_sql) return std::string(sql);
  if (to.type_modifier >= 0) {
    for (const LengthCast& cast : kLengthCasts) {
      if (cast.type == to.type_oid) {
        return fmt::format("pg_catalog.\"{0}\"({1}::pg_catalog.\"{0}\", {2}, false)", cast.name,
                           sql, to.type_modifier);
      }
    }
  }
  // "character" without a length would mean one character.
  if (to.type_oid == kBpchar) return fmt::format("{}::pg_catalog.bpchar", sql);
  return fmt::format("{}::{}", sql, to.type_sql);
}

bool keeps_bytes(const Column& from, const Column& to) {
  if (from.type_sql == to.type_sql) return true;
  const auto is_text = [](const Column& column) {
    return column.type_oid == kText || column.type_oid == kVarchar;
  };
  if (!is_text(from) || !is_text(to)) return false;
  if (to.type_modifier < 0) return true;
  return from.type_oid == kVarchar && from.type_modifier >= 0 &&
         from.type_modifier <= to.type_modifier;
}

}  // namespace pgfanout
