#include "copier/layout/list_by_key.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "copier/base/amount.h"
#include "copier/base/lists.h"
#include "copier/base/shell_word.h"
#include "copier/catalog/partition_bound.h"
#include "copier/catalog/relation_name.h"
#include "copier/key/key_plan.h"
#include "copier/layout/leaf_map.h"

namespace pgfanout {
namespace {

constexpr std::uint32_t kMostLeaves = 10000;

Result<std::vector<std::int64_t>> sorted_keys(const Leaf& leaf) {
  auto bound = parse_list_bound(leaf.bound);
  if (!bound) {
    bound.error().where = leaf.qualified;
    return std::move(bound).error();
  }
  std::ranges::sort(bound->keys);
  return std::move(bound->keys);
}

Result<std::vector<Leaf>> leaves_by_key(const Table& table) {
  std::vector<std::pair<std::int64_t, const Leaf*>> by_key;
  for (const Leaf& leaf : table.leaves) {
    PGFANOUT_TRY_ASSIGN(const auto keys, sorted_keys(leaf));
    by_key.emplace_back(keys.empty() ? -1 : keys.front(), &leaf);
  }
  std::ranges::stable_sort(by_key, {}, &std::pair<std::int64_t, const Leaf*>::first);
  return parts_of(by_key, [](const auto& each) { return *each.second; });
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

/// LIST (expr): the text between the outer parentheses.
std::string expression_of(const std::string& partition_key) {
  const auto open = partition_key.find('(');
  const auto close = partition_key.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close <= open) return {};
  return partition_key.substr(open + 1, close - open - 1);
}

Result<void> find_key_column(const std::string& wanted, const Table& source, const Table& table,
                             ExistingLayout& existing) {
  const std::string& listed = table.partition_columns.front();
  if (listed.empty()) {
    existing.expression = expression_of(table.partition_key);
  } else if (listed != wanted) {
    return refused("key-column-differs",
                   fmt::format("the target {} is listed by its column {}, not by {}",
                               table.qualified, display_name(listed), display_name(wanted)),
                   fmt::format("say so: --key-column {}", shell_word(display_name(listed))),
                   table.qualified);
  } else {
    existing.partition_columns = {listed};
  }
  const Column* column = table.find(wanted);
  if (column == nullptr) return {};
  if (!is_key_integer(key_type_of_oid(column->type_oid))) {
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

Result<LayoutPointer> layout_by_bounds(const std::vector<Leaf>& leaves, const KeyExpression& key) {
  std::vector<std::vector<std::int64_t>> keys;
  for (const Leaf& leaf : leaves) {
    PGFANOUT_TRY_ASSIGN(keys.emplace_back(), sorted_keys(leaf));
  }
  return LayoutPointer(std::make_shared<LeafMap>(LeafMap::Leaves{std::move(keys), {}, {}}, key));
}

Result<void> read_leaves(const JobDescription& job, const Table& table, const KeyExpression& key,
                         ExistingLayout& existing) {
  PGFANOUT_TRY_ASSIGN(existing.leaves, leaves_by_key(table));
  std::string hint = "create the partitions, or say how many there are with --partitions";
  std::erase_if(existing.leaves, [&](const Leaf& leaf) {
    const auto bound = parse_list_bound(leaf.bound);
    if (bound->is_default) {
      hint += "; rows are never put into the default partition " + leaf.qualified;
    }
    return bound->keys.empty();
  });
  PGFANOUT_TRY_ASSIGN(existing.layout, layout_by_bounds(existing.leaves, key));
  const std::uint32_t wanted = wanted_keys(job, key);
  const std::vector<std::string> missing = existing.layout->missing_leaves(wanted);
  if (missing.empty()) return {};
  return refused("leaf-missing",
                 fmt::format("{} of {} keys have no partition in {}: {}", missing.size(), wanted,
                             table.qualified, some_of(missing, 10)),
                 std::move(hint), table.qualified);
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

Result<ListBound> parse_list_bound(std::string_view bound) {
  PGFANOUT_TRY_ASSIGN(const PartitionBound whole, parse_partition_bound(bound));
  ListBound parsed;
  parsed.is_default = whole.kind == PartitionBound::Kind::rest;
  if (parsed.is_default) return parsed;
  if (whole.kind != PartitionBound::Kind::list) {
    return refused("not-list", fmt::format("the bound \"{}\" is not one of LIST", bound),
                   "the target must be partitioned by LIST on the key");
  }
  for (const BoundValue& value : whole.values) {
    if (value.kind == BoundValue::Kind::null) continue;
    const char* end = value.text.data() + value.text.size();
    const auto [behind, error] =
        std::from_chars(value.text.data(), end, parsed.keys.emplace_back());
    if (error == std::errc() && behind == end) continue;
    return refused("not-integer", fmt::format("the bound \"{}\" holds no integers", bound),
                   "the target must be partitioned by LIST on an integer key");
  }
  return parsed;
}

// --- the kind ---

namespace {

struct ModeFacts {
  LayoutRules rules;  ///< stores, supplies and checks the key; by columns
  const char* note;   ///< {}: the key column.
};

/// By KeyMode.
constexpr std::array<ModeFacts, 4> kModes = {{
    {{true, true, true, true}, "inserts must supply {}, and a CHECK refuses a wrong one"},
    {{true, false, false, false},
     "inserts need no change; keys that are unique over all leaves are not possible, and only "
     "conditions on the whole expression pick one leaf"},
    {{false, false, false, false},
     "inserts need no change and no column stores the key; only conditions on the whole "
     "expression pick one leaf"},
    {{true, true, false, true}, "inserts must supply {}, and nothing checks that it is right"},
}};

/// Of a key that is the key column itself: there is no wrong one.
constexpr ModeFacts kOwnColumn = {
    {true, true, false, true},
    "{} is a column of the table already: inserts that name their columns need no change"};

/// Whether the job's key is its key column, which the source has. A spelling that could mean
/// another column is none.
bool is_own_column(const JobDescription& job) {
  const std::string_view column = job.key_column.empty() ? kDefaultKeyColumn : job.key_column;
  const auto key = parse_identifier(job.key);
  return key && (*key == column || (column.starts_with('"') && key == parse_identifier(column)));
}

const ModeFacts& mode_of(const JobDescription& job) {
  const ModeFacts& facts = kModes[static_cast<std::size_t>(job.key_mode.value_or(KeyMode::check))];
  return facts.rules.supplies_key && is_own_column(job) ? kOwnColumn : facts;
}

class ListKind final : public LayoutKind {
 public:
  Result<std::string> key_of(const Table& /*table*/) const override { return std::string(); }

  Result<std::vector<Leaf>> leaves_in_order(const Table& table) const override {
    return leaves_by_key(table);
  }

  Result<LayoutPointer> layout_of(const std::vector<Leaf>& leaves,
                                  const KeyExpression& key) const override {
    return layout_by_bounds(leaves, key);
  }

  std::optional<std::uint32_t> key_count(const Table& table) const override {
    std::int64_t highest = -1;
    for (const Leaf& leaf : table.leaves) {
      const auto keys = sorted_keys(leaf);
      if (keys && !keys->empty()) highest = std::max(highest, keys->back());
    }
    if (highest < 0 || highest >= kMostLeaves) return std::nullopt;
    return static_cast<std::uint32_t>(highest + 1);
  }

  bool is_by_key(const Table& table, const Column* key_column) const override {
    if (table.strategy != 'l' || table.partition_columns.size() != 1) return false;
    const std::string& listed = table.partition_columns.front();
    return listed.empty() || (key_column != nullptr && listed == key_column->name);
  }

  Result<ExistingLayout> examine(const JobDescription& job, const Table& source,
                                 const Table& target, const std::string& key_column,
                                 const KeyExpression& key) const override {
    ExistingLayout existing;
    PGFANOUT_TRY(check_partitioning(target));
    PGFANOUT_TRY(find_key_column(key_column, source, target, existing));
    PGFANOUT_TRY(read_leaves(job, target, key, existing));
    return existing;
  }

  Result<void> check_expression(Connection& connection, const Table& target,
                                const ExistingLayout& existing,
                                const std::string& key_sql) const override {
    if (existing.expression.empty()) return {};
    const std::string& leaf = existing.leaves.front().qualified;
    PGFANOUT_TRY_ASSIGN(const std::string listed,
                        normal_form(connection, existing.expression, leaf));
    PGFANOUT_TRY_ASSIGN(const std::string wanted, normal_form(connection, key_sql, leaf));
    if (listed == wanted) return {};
    return refused(
        "list-expression",
        fmt::format("the target {} is listed by another expression than the job's key: {}",
                    target.qualified, existing.expression),
        fmt::format("give that expression: --key {}", shell_word(existing.expression)),
        target.qualified);
  }

  Result<void> check_request(const JobDescription& job) const override {
    const std::uint32_t wanted = job.partitions.value_or(kDefaultPartitions);
    if (!job.target.leaf_name.empty()) PGFANOUT_TRY(name_by_pattern(job.target.leaf_name, "", 0));
    if (wanted > 0 && wanted <= kMostLeaves) return {};
    return refused("bad-partitions", fmt::format("{} partitions are not possible", wanted),
                   fmt::format("use 1 to {}", kMostLeaves), "--partitions");
  }

  Result<SettledLayout> settle(const TableRequest& job, Connection& /*source*/,
                               const Table& /*table*/) const override {
    return SettledLayout{job.key, job.partitions.value_or(kDefaultPartitions)};
  }

  NewLayout make(const NewLayoutRequest& request) const override;

  LayoutRules rules(const JobDescription& job) const override { return mode_of(job).rules; }

  std::string note(const JobDescription& job,
                   const std::optional<std::string>& key_column) const override {
    return fmt::format(fmt::runtime(mode_of(job).note), display_name(key_column.value_or("")));
  }

  std::optional<std::string> wrong_key_sql(const JobDescription& job,
                                           std::string_view key) const override {
    const std::uint32_t leaves = job.partitions.value_or(kDefaultPartitions);
    if (!rules(job).checks_key || leaves < 2) return std::nullopt;
    return fmt::format("({} + 1) % {}", key, leaves);
  }
};

NewLayout ListKind::make(const NewLayoutRequest& request) const {
  const LayoutRules mode = rules(request.job);
  const std::string operand =
      mode.by_columns ? request.key_column->quoted : fmt::format("({})", request.key_sql);
  NewLayout made;
  made.ddl.partition_by = fmt::format("LIST ({})", operand);
  if (mode.by_columns) made.partition_columns = {request.key_column->name};
  if (mode.checks_key) {
    // Where an input of the key may be NULL, a plain comparison would let any key pass.
    const bool inputs_are_not_null = std::ranges::all_of(request.key_inputs, &Column::is_not_null);
    made.ddl.row_check =
        fmt::format("CONSTRAINT {} CHECK ({} {} {})",
                    quoted_name(suffixed_name(request.key_column->name, "_check")), operand,
                    inputs_are_not_null ? "=" : "IS NOT DISTINCT FROM", request.key_sql);
  }
  // Of the partition key's own type, so that the bound and its check compare the same way.
  const KeyType type = request.key.result_type();
  std::vector<std::vector<std::int64_t>> keys;
  const std::int64_t leaves = request.job.partitions.value_or(kDefaultPartitions);
  for (std::int64_t key = 0; key < leaves; ++key) {
    const std::string literal = type == KeyType::int4
                                    ? std::to_string(key)
                                    : fmt::format("'{}'::{}", key, key_type_sql(type));
    made.ddl.leaves.push_back({fmt::format("FOR VALUES IN ({})", key),
                               fmt::format("{0} IS NOT NULL AND {0} = {1}", operand, literal)});
    keys.push_back({key});
  }
  made.layout = std::make_shared<LeafMap>(LeafMap::Leaves{std::move(keys), {}, {}}, request.key);
  return made;
}

}  // namespace

const LayoutKind& list_by_key() {
  static const ListKind kind;
  return kind;
}

}  // namespace pgfanout
