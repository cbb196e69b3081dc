// Names of relations and columns: as people write them, and so that they fit. PostgreSQL truncates
// at 63 bytes, and two long names with different ends would then be the same.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/result.h"

namespace pgfanout {

inline constexpr std::size_t kMaxNameBytes = 63;
/// A byte less: a table's array type is its name behind an underscore, cut to 63 bytes, and the
/// array types of a hundred leaves whose names differ in the last byte only would collide.
inline constexpr std::size_t kMaxMadeNameBytes = kMaxNameBytes - 1;

/// Unquoted, as in the catalog.
struct RelationName {
  std::string schema;  ///< Empty: not said.
  std::string name;
};

/// `name` + `suffix`. If that is too long, `name` is cut (at a character's start, in UTF-8) and a
/// hash of the whole name is put between: equal names give equal results, different ones different.
[[nodiscard]] std::string suffixed_name(std::string_view name, std::string_view suffix);

/// One SQL identifier, as the catalog has it: unquoted ones are folded to lower case. Absent if
/// `written` is anything else.
[[nodiscard]] std::optional<std::string> parse_identifier(std::string_view written);

/// "name" or "schema.name", each part quoted where needed, as in an SQL statement. Refuses the rest
/// with code "bad-name".
Result<RelationName> parse_relation_name(std::string_view written);

/// Quoted where SQL needs it beyond doubt: names of lower-case letters, digits and underscores stay
/// as they are. Key words are not known here: for messages and suggestions, not for statements.
[[nodiscard]] std::string display_name(std::string_view name);

/// For statements: in double quotes, whatever the name. As libpq does it, in any encoding that a
/// server can have.
[[nodiscard]] std::string quoted_name(std::string_view name);
/// schema.name, both quoted.
[[nodiscard]] std::string quoted_name(std::string_view schema, std::string_view name);

/// Up to three of `candidates` that `name` could be a misspelling of, nearest first.
[[nodiscard]] std::vector<std::string> near_names(std::string_view name,
                                                  const std::vector<std::string>& candidates);

/// "did you mean a, b or c?", or nothing.
[[nodiscard]] std::string near_names_hint(std::string_view name,
                                          const std::vector<std::string>& candidates);

}  // namespace pgfanout
