#include "copier/columns/stored_key.h"

#include <fmt/format.h>

#include "copier/catalog/relation_name.h"
#include "copier/columns/cast.h"

namespace pgfanout {
namespace {

/// The planned column that carries source column `index` with its bytes, preferring its own name.
const PlannedColumn* carrier_of(const ColumnPlan& plan, const Table& source, std::size_t index) {
  const PlannedColumn* carrier = nullptr;
  for (const PlannedColumn& planned : plan.columns) {
    if (planned.source_column != index || planned.role == ColumnRole::left_out) continue;
    const bool is_better = carrier == nullptr || planned.column.name == source.columns[index].name;
    if (is_better && keeps_bytes(source.columns[index], planned.column)) carrier = &planned;
  }
  return carrier;
}

/// The place of a planned column in the stream: copied columns first, then compared ones.
std::uint16_t stream_field_of(const ColumnPlan& plan, const PlannedColumn& wanted) {
  std::uint16_t field = 0;
  for (const ColumnRole role : {ColumnRole::copied, ColumnRole::compared}) {
    for (const PlannedColumn& planned : plan.columns) {
      if (&planned == &wanted) return field;
      if (planned.role == role) ++field;
    }
    if (wanted.role == role) break;
  }
  return field;
}

}  // namespace

Result<std::optional<std::size_t>> find_stored_key(const Table& source, const Mappings& mappings,
                                                   std::string_view key_column) {
  const Column* column = source.find(key_column);
  if (column == nullptr || mappings.skipped.contains(column->name)) return std::nullopt;
  const KeyType type = key_type_of_oid(column->type_oid);
  if (type != KeyType::int2 && type != KeyType::int4 && type != KeyType::int8) {
    return refused("key-column-taken",
                   fmt::format("the source has a column {} of type {}, which cannot hold the key",
                               column->quoted, column->type_sql),
                   "name another column for the key: --key-column NAME", source.qualified);
  }
  return static_cast<std::size_t>(column - source.columns.data());
}

Result<KeyCarriers> find_key_carriers(const ColumnPlan& plan, const Table& source,
                                      const KeyExpression& key) {
  KeyCarriers carriers;
  carriers.target_names.resize(source.columns.size());
  for (std::size_t at = 0; at < source.columns.size(); ++at) {
    carriers.target_names[at] = source.columns[at].name;
  }
  for (const std::size_t index : key.used_columns()) {
    const Column& column = source.columns[index];
    if (plan.stored_key == index && plan.key_column) {
      carriers.uses_stored_key = true;
      carriers.target_names[index] = plan.key_column->name;
      std::uint16_t field = 0;
      for (const PlannedColumn& planned : plan.columns) {
        if (planned.role != ColumnRole::left_out) ++field;
      }
      carriers.stream_fields.push_back(field);
      continue;
    }
    const PlannedColumn* carrier = carrier_of(plan, source, index);
    if (carrier == nullptr) {
      return refused(
          "key-column-changed",
          fmt::format("column {} is part of the key and does not reach the target unchanged: "
                      "nobody could check the key afterwards",
                      column.quoted),
          fmt::format("copy it as it is, also under another name: --map NAME={}", column.quoted),
          source.qualified);
    }
    if (!carrier->column.is_deterministic) {
      return refused("nondeterministic-collation",
                     fmt::format("the target's column {} has a nondeterministic collation: its "
                                 "server hashes a sort key of it, not its bytes",
                                 carrier->column.quoted),
                     "give the target's column a deterministic collation", source.qualified);
    }
    carriers.target_names[index] = carrier->column.name;
    carriers.stream_fields.push_back(stream_field_of(plan, *carrier));
    carriers.uses_generated = carriers.uses_generated || carrier->role == ColumnRole::compared;
  }
  return carriers;
}

}  // namespace pgfanout
