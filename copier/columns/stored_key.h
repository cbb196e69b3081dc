// The key that a source may store already, and the way of the key's own columns into the target.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/columns/column_plan.h"
#include "copier/columns/mapping.h"
#include "hashing/key_expression.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The source's column of that name, to be checked against the recomputed key; absent if there is
/// none or it is skipped. Refuses one that holds no integers.
Result<std::optional<std::size_t>> find_stored_key(const Table& source, const Mappings& mappings,
                                                   std::string_view key_column);

/// Where the columns of the key expression arrive.
struct KeyCarriers {
  std::vector<std::string> target_names;     ///< Parallel to the source's columns.
  std::vector<std::uint16_t> stream_fields;  ///< Parallel to KeyExpression::used_columns().
  bool uses_generated = false;               ///< A carrier is a generated column of the target.
  bool uses_stored_key = false;
};

/// Refuses with "key-column-changed" if one does not reach the target, or not unchanged, and with
/// "nondeterministic-collation" where the target would hash it otherwise.
Result<KeyCarriers> find_key_carriers(const ColumnPlan& plan, const Table& source,
                                      const KeyExpression& key);

}  // namespace pgfanout
