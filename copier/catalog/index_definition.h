// The definition of an index as a person writes it for a table that is still to be made: CREATE
// [UNIQUE] INDEX name ON {table} ... The server understands the rest; here it is only cut.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/result.h"

namespace pgfanout {

struct IndexDefinition {
  bool is_unique = false;
  std::string name;   ///< Unquoted.
  std::string tail;   ///< Behind the table, without the condition: " USING gin (a) WITH (...)".
  std::string where;  ///< " WHERE ...", or empty.
  std::vector<std::string> columns;  ///< Unquoted; of its items those that are plain columns.
  bool has_expressions = false;

  /// On a table, under a name; both as SQL has them.
  [[nodiscard]] std::string on(std::string_view table, std::string_view quoted_name) const;
};

/// Refuses other statements with "bad-index".
Result<IndexDefinition> parse_index_definition(std::string_view sql);

}  // namespace pgfanout
