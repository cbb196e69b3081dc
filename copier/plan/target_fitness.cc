#include "copier/plan/target_fitness.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "copier/catalog/relation_name.h"
#include "copier/columns/column_plan.h"
#include "copier/key/key_plan.h"
#include "copier/plan/target_obstacles.h"

namespace pgfanout {
namespace {

bool is_integer(KeyType type) {
  return type == KeyType::int2 || type == KeyType::int4 || type == KeyType::int8;
}

Result<void> check_partitioning(const Table& table) {
  const std::string hint =
      "name a table that is PARTITION BY LIST on one integer key, or a name that does not exist "
      "yet: then it is made";
  if (table.kind != 'p') {
    return refused("not-partitioned",
                   fmt::format("the target {} exists and is not partitioned", table.qualified),
                   hint, table.qualified);
  }
  if (table.strategy != 'l' || table.partition_columns.size() != 1) {
    return refused("not-list",
                   fmt::format("the target {} is partitioned by {}, not by LIST on one key",
                               table.qualified, table.partition_key),
                   hint, table.qualified);
  }
  if (!table.subpartitioned.empty()) {
    return refused("subpartitioned",
                   fmt::format("the target's partition {} is partitioned itself",
                               table.subpartitioned.front()),
                   "every key must have one leaf of its own", table.subpartitioned.front());
  }
  return {};
}

Result<void> check_target_leaf(const Leaf& leaf) {
  if (leaf.kind != 'r') {
    return refused("foreign-leaf",
                   fmt::format("the target's leaf {} is a foreign table", leaf.qualified),
                   "every leaf must be an ordinary table of the target's database", leaf.qualified);
  }
  if (leaf.access_method != "heap") {
    return refused("not-heap",
                   fmt::format("the target's leaf {} uses the access method {}", leaf.qualified,
                               leaf.access_method),
                   "every leaf must be a heap: pages are read back by their number",
                   leaf.qualified);
  }
  return {};
}

/// "3, 17, 20 and 84 more"
std::string list_keys(const std::vector<std::uint32_t>& keys) {
  constexpr std::size_t kShown = 10;
  std::string text;
  for (std::size_t at = 0; at < std::min(kShown, keys.size()); ++at) {
    text += fmt::format("{}{}", at == 0 ? "" : ", ", keys[at]);
  }
  if (keys.size() > kShown) text += fmt::format(" and {} more", keys.size() - kShown);
  return text;
}

Result<void> check_every_key(const JobDescription& job, const ExistingTarget& existing,
                             const std::string& default_leaf) {
  std::set<std::int64_t> keys;
  for (const TargetLeaf& leaf : existing.leaves) {
    keys.insert(leaf.bound.keys.begin(), leaf.bound.keys.end());
  }
  std::vector<std::uint32_t> missing;
  for (std::uint32_t key = 0; key < job.partitions; ++key) {
    if (!keys.contains(key)) missing.push_back(key);
  }
  if (missing.empty()) return {};
  std::string hint = "create the partitions, or say how many there are with --partitions";
  if (!default_leaf.empty()) {
    hint += fmt::format("; rows are never put into the default partition {}", default_leaf);
  }
  return refused("leaf-missing",
                 fmt::format("{} of {} keys have no partition in {}: {}", missing.size(),
                             job.partitions, existing.table.qualified, list_keys(missing)),
                 std::move(hint), existing.table.qualified);
}

Result<void> read_leaves(const JobDescription& job, ExistingTarget& existing) {
  std::string default_leaf;
  for (const Leaf& leaf : existing.table.leaves) {
    PGFANOUT_TRY(check_target_leaf(leaf));
    auto bound = parse_list_bound(leaf.bound);
    if (!bound) {
      bound.error().where = leaf.qualified;
      return std::move(bound).error();
    }
    if (bound->is_default) default_leaf = leaf.qualified;
    if (bound->keys.empty()) continue;
    std::sort(bound->keys.begin(), bound->keys.end());
    existing.leaves.push_back(
        {leaf.schema, leaf.name, leaf.qualified, std::move(*bound), leaf.oid});
  }
  std::sort(existing.leaves.begin(), existing.leaves.end(),
            [](const TargetLeaf& a, const TargetLeaf& b) {
              return a.bound.keys.front() < b.bound.keys.front();
            });
  return check_every_key(job, existing, default_leaf);
}

/// LIST (expr): the text between the outer parentheses.
std::string expression_of(const std::string& partition_key) {
  const auto open = partition_key.find('(');
  const auto close = partition_key.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close <= open) return {};
  return partition_key.substr(open + 1, close - open - 1);
}

Result<void> find_key_column(const JobDescription& job, const Table& source,
                             ExistingTarget& existing) {
  const Table& table = existing.table;
  const std::string wanted = column_name_of(job.key_column, table.columns);
  const std::string& listed = table.partition_columns.front();
  if (listed.empty()) {
    existing.list_expression = expression_of(table.partition_key);
  } else if (listed != wanted) {
    return refused("key-column-differs",
                   fmt::format("the target {} is listed by its column {}, not by {}",
                               table.qualified, display_name(listed), display_name(wanted)),
                   fmt::format("say so: --key-column '{}'", display_name(listed)), table.qualified);
  }
  const Column* column = table.find(wanted);
  if (column == nullptr) return {};
  if (!is_integer(key_type_of_oid(column->type_oid))) {
    // Listed by an expression, the target may have an ordinary column of that name.
    if (listed.empty() && source.find(wanted) != nullptr) return {};
    return refused(
        "key-column-type",
        fmt::format("the target's key column {} is of type {}", column->quoted, column->type_sql),
        "the key is an integer", table.qualified);
  }
  existing.key_column = static_cast<std::size_t>(column - table.columns.data());
  existing.key_is_generated = column->generated != 0;
  return {};
}

/// The expression as the server itself would write it: both sides of a comparison then agree on
/// casts, parentheses and constants.
Result<std::string> normal_form(Connection& connection, const std::string& expression,
                                const std::string& relation) {
  PGFANOUT_TRY_ASSIGN(const Rows lines,
                      connection.query(fmt::format("EXPLAIN (VERBOSE, COSTS OFF) SELECT ({}) FROM "
                                                   "ONLY {}",
                                                   expression, relation)));
  constexpr std::string_view kOutput = "Output: ";
  for (int row = 0; row < lines.size(); ++row) {
    const std::string_view line = lines.text(row, 0);
    if (const auto at = line.find(kOutput); at != std::string_view::npos) {
      return std::string(line.substr(at + kOutput.size()));
    }
  }
  return expression;
}

}  // namespace

Result<ExistingTarget> examine_target(const JobDescription& job, const Table& source,
                                      Connection& target, std::uint32_t oid) {
  ExistingTarget existing;
  PGFANOUT_TRY_ASSIGN(existing.table, describe_table(target, oid));
  PGFANOUT_TRY(check_partitioning(existing.table));
  PGFANOUT_TRY(find_key_column(job, source, existing));
  PGFANOUT_TRY(read_leaves(job, existing));
  PGFANOUT_TRY_ASSIGN(existing.issues, find_obstacles(job, target, existing.table));
  return existing;
}

Result<void> check_list_expression(Connection& target, const ExistingTarget& existing,
                                   const std::string& key_sql) {
  if (existing.list_expression.empty()) return {};
  const std::string& leaf = existing.leaves.front().qualified;
  PGFANOUT_TRY_ASSIGN(const std::string listed,
                      normal_form(target, existing.list_expression, leaf));
  PGFANOUT_TRY_ASSIGN(const std::string wanted, normal_form(target, key_sql, leaf));
  if (listed == wanted) return {};
  return refused("list-expression",
                 fmt::format("the target {} is listed by another expression than the job's key: {}",
                             existing.table.qualified, existing.list_expression),
                 fmt::format("give that expression: --key '{}'", existing.list_expression),
                 existing.table.qualified);
}

}  // namespace pgfanout
