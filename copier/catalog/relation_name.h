// Names of relations and columns: parsed as people write them, quoted, and shortened so that they
// fit. PostgreSQL truncates at 63 bytes, which makes two long names with different ends the same.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/result.h"

namespace pgfanout {

inline constexpr std::size_t kMaxNameBytes = 63;
/// A byte less: a table's array type is named by an underscore and the table's name, cut to 63
/// bytes, so the array types of leaves whose names differ in the last byte only would collide.
inline constexpr std::size_t kMaxMadeNameBytes = kMaxNameBytes - 1;

/// Unquoted, as in the catalog.
struct RelationName {
  std::string schema;  ///< Empty: not given.
  std::string name;
};

/// `name` + `suffix`. If that is too long, `name` is cut (at a character's start, in UTF-8) and a
/// hash of the whole name comes between: equal names give equal results, different ones different.
[[nodiscard]] std::string suffixed_name(std::string_view name, std::string_view suffix);

/// Of the table for the rows that a copy into `target` sets aside, in the target's schema.
[[nodiscard]] std::string reject_table_name(std::string_view target);

// Bytes of a name in SQL text, as the server's own scanner sees them.
[[nodiscard]] inline bool is_sql_digit(char byte) {
  return byte >= '0' && byte <= '9';
}
[[nodiscard]] inline bool starts_sql_name(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
         static_cast<unsigned char>(byte) >= 0x80U;
}
[[nodiscard]] inline bool continues_sql_name(char byte) {
  return starts_sql_name(byte) || is_sql_digit(byte) || byte == '$';
}

/// As the server folds a name that is not quoted: ASCII letters only.
[[nodiscard]] std::string lower_case(std::string_view name);

/// One SQL identifier, as the catalog has it: unquoted ones are folded to lower case. Absent if
/// `written` is anything else.
[[nodiscard]] std::optional<std::string> parse_identifier(std::string_view written);

/// "name" or "schema.name", each part quoted where needed, as in an SQL statement. Refuses the rest
/// with code "bad-name".
Result<RelationName> parse_relation_name(std::string_view written);

/// For messages and hints, not for statements: quoted unless it consists of lower-case letters,
/// digits and underscores. Key words stay as they are.
[[nodiscard]] std::string display_name(std::string_view name);

/// For statements: always in double quotes, as libpq writes it in any encoding that a server can
/// have.
[[nodiscard]] std::string quoted_name(std::string_view name);
/// schema.name, both quoted.
[[nodiscard]] std::string quoted_name(std::string_view schema, std::string_view name);

/// Letters to insert, drop, replace, or swap with their neighbour (optimal string alignment).
[[nodiscard]] std::size_t edit_distance(std::string_view left, std::string_view right);

/// Up to three of `candidates` that `name` could be a misspelling of, nearest first.
[[nodiscard]] std::vector<std::string> near_names(std::string_view name,
                                                  const std::vector<std::string>& candidates);

/// "did you mean a, b or c?", or nothing.
[[nodiscard]] std::string near_names_hint(std::string_view name,
                                          const std::vector<std::string>& candidates);

}  // namespace pgfanout
