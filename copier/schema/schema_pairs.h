// Which object of the source is which of the target.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "copier/schema/schema_inventory.h"

namespace pgfanout {

/// At least one of the two is there. They point into what was paired.
struct SchemaPair {
  const SchemaObject* source = nullptr;
  const SchemaObject* target = nullptr;

  [[nodiscard]] const SchemaObject& any() const { return source != nullptr ? *source : *target; }
};

/// Every object of either side, once. `key_column` may have joined the target's keys.
[[nodiscard]] std::vector<SchemaPair> pair_schemas(const std::vector<SchemaObject>& source,
                                                   const std::vector<SchemaObject>& target,
                                                   const std::string& key_column);

/// Equal, but for a column's qualification by its table, which servers print differently.
[[nodiscard]] bool is_same_sql(std::string_view left, std::string_view right);

/// `definition` of a key or unique index without `column` in its list of columns; unchanged if it
/// is not there, or is no such definition.
[[nodiscard]] std::string without_key_column(const std::string& definition,
                                             const std::string& column);

/// "(a, b)" of a key or index. Empty if there is none.
[[nodiscard]] std::string_view column_list(std::string_view definition);

/// Of objects that are identified by what they are.
[[nodiscard]] inline bool is_named_by_definition(const SchemaObject& object) {
  return object.name == object.definition;
}

[[nodiscard]] inline bool is_on_leaves_only(const SchemaObject& object) {
  return object.detail.starts_with(kOnLeavesOnly);
}

}  // namespace pgfanout
