#include "copier/layout/by_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/base/amount.h"
#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/key/key_plan.h"
#include "hashing/ordered_value.h"

namespace pgfanout {

/// By their first keys; leaves without one, such as a default partition, come last.
Result<std::vector<Leaf>> ByColumns::leaves_in_order(const Table& table) const {
  PGFANOUT_TRY_ASSIGN(const std::string text, key_of(table));
  PGFANOUT_TRY_ASSIGN(const KeyExpression key, KeyExpression::compile(text, key_columns_of(table)));
  PGFANOUT_TRY_ASSIGN(const LayoutPointer layout, layout_of(table.leaves, key));
  std::vector<std::pair<std::int64_t, const Leaf*>> by_key;
  for (std::uint32_t leaf = 0; leaf < table.leaves.size(); ++leaf) {
    by_key.emplace_back(layout->leaf_key(leaf).value_or(INT64_MAX), &table.leaves[leaf]);
  }
  std::ranges::stable_sort(by_key, {}, &std::pair<std::int64_t, const Leaf*>::first);
  return parts_of(by_key, [](const auto& each) { return *each.second; });
}

Result<ExistingLayout> ByColumns::examine(const JobDescription& job, const Table& /*source*/,
                                          const Table& target, const std::string& /*key_column*/,
                                          const KeyExpression& key) const {
  ExistingLayout existing;
  PGFANOUT_TRY_ASSIGN(existing.leaves, leaves_in_order(target));
  PGFANOUT_TRY_ASSIGN(existing.layout, layout_of(existing.leaves, key));
  existing.partition_columns = target.partition_columns;
  const std::uint32_t wanted = wanted_keys(job, key);
  const std::vector<std::string> missing = existing.layout->missing_leaves(wanted);
  if (missing.empty()) return existing;
  return refused("leaf-missing",
                 fmt::format("{} of {} remainders have no partition in {}: {}", missing.size(),
                             wanted, target.qualified, some_of(missing, 10)),
                 fmt::format("create the partitions that are missing: CREATE TABLE ... PARTITION "
                             "OF {} FOR VALUES WITH (MODULUS {}, REMAINDER {})",
                             target.qualified, wanted, missing.front()),
                 target.qualified);
}

Result<void> ByColumns::check_plain_columns(const Table& table) {
  if (contains(table.partition_columns, "")) {
    return refused(
        "partition-expression",
        fmt::format("{} is partitioned by an expression: {}", table.qualified, table.partition_key),
        "copy into a table that is partitioned by plain columns, or by LIST on a key",
        table.qualified);
  }
  if (!table.is_plainly_partitioned()) {
    return refused("partition-operators",
                   fmt::format("{} is partitioned with a collation or operators of its own: {}",
                               table.qualified, table.partition_key),
                   "copy into a table whose partition columns are compared as their types are",
                   table.qualified);
  }
  if (table.subpartitioned.empty()) return {};
  return refused(
      "subpartitioned",
      fmt::format("the partition {} is partitioned itself", table.subpartitioned.front()),
      "copy into a table whose partitions are not partitioned", table.subpartitioned.front());
}

std::optional<std::int64_t> ByColumns::place_in(const PartitionKey& key,
                                                const std::vector<BoundValue>& bound) {
  const auto exactly = std::ranges::find(key.bounds, bound);
  if (exactly != key.bounds.end()) return exactly - key.bounds.begin();
  const auto is_same_time = [](const BoundValue& left, const BoundValue& right) {
    const auto time = binary_form(KeyType::timestamptz, left.text);
    return left == right ||
           (time.has_value() && time == binary_form(KeyType::timestamptz, right.text));
  };
  const auto found = std::ranges::find_if(key.bounds, [&](const std::vector<BoundValue>& each) {
    return std::ranges::equal(each, bound, is_same_time);
  });
  if (found == key.bounds.end()) return std::nullopt;
  return found - key.bounds.begin();
}

std::string ByColumns::literal_of(const BoundValue& value, const Column& column) {
  return bound_sql(value) + "::" + column.type_sql;
}

std::string ByColumns::columns_sql(const NewLayoutRequest& request) {
  return joined(request.key_inputs, ", ", &Column::quoted);
}

Result<std::vector<std::string>> ByColumns::columns_of(const TableRequest& job,
                                                       const Table& table) {
  PGFANOUT_TRY_ASSIGN(PartitionBy by, parse_partition_by(job.layout.by));
  for (const std::string& name : by.columns) {
    if (table.find(name) != nullptr) continue;
    return refused("no-such-column",
                   fmt::format("{} has no column {}", table.qualified, display_name(name)),
                   "name columns of the source", "--partition-by");
  }
  return std::move(by.columns);
}

}  // namespace pgfanout
