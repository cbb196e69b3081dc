// LIST by a plain column: a leaf takes some of the column's values, NULL among them. The key of a
// row is the place of its value in the list of all of them.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/partition_bound.h"
#include "copier/layout/by_columns.h"
#include "copier/layout/leaf_map.h"

namespace pgfanout {
namespace {

constexpr std::size_t kMostValues = 1000;

/// Whether "=" in SQL means the operator that the partitions are compared by. That of an
/// extension's type is in the extension's schema, which own sessions do not search: citext would be
/// compared as text.
bool has_equality_of_the_server(const Column& column) {
  constexpr std::uint32_t kFirstOfUsers = 16384;
  return column.base_type_oid < kFirstOfUsers || column.type_type == 'e';
}

Result<PartitionBound> list_bound_of(const Leaf& leaf) {
  PGFANOUT_TRY_ASSIGN(PartitionBound bound, parse_partition_bound(leaf.bound));
  if (bound.kind == PartitionBound::Kind::list || bound.kind == PartitionBound::Kind::rest) {
    return bound;
  }
  return refused("not-list", fmt::format("the bound \"{}\" is not one of LIST", leaf.bound),
                 "the target must be partitioned by LIST on the key", leaf.qualified);
}

/// The values of the column, each once, NULL last. At most 1,000.
Result<std::vector<std::vector<BoundValue>>> values_of(Connection& source, const Table& table,
                                                       const Column& column) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      source.query(fmt::format("SELECT v FROM (SELECT DISTINCT {} AS v FROM {}) AS d ORDER BY v"
                               " LIMIT {}",
                               column.quoted, table.qualified, kMostValues + 1)));
  if (rows.size() > static_cast<int>(kMostValues)) {
    PGFANOUT_TRY_ASSIGN(const Rows count,
                        source.query(fmt::format("SELECT count(DISTINCT {}) FROM {}", column.quoted,
                                                 table.qualified)));
    return refused("too-many-leaves",
                   fmt::format("{} has {} values; LIST by a column makes a leaf for each, and {} "
                               "are possible",
                               column.quoted, count.text(0, 0), kMostValues),
                   fmt::format("use --partition-by 'HASH ({})', or create the partitioned table "
                               "with your groups and name it with --into",
                               column.quoted),
                   "--partition-by");
  }
  std::vector<std::vector<BoundValue>> values;
  for (int row = 0; row < rows.size(); ++row) {
    const bool is_null = rows.is_null(row, 0);
    values.push_back({is_null ? BoundValue{BoundValue::Kind::null, ""}
                              : BoundValue{BoundValue::Kind::value, rows.str(row, 0)}});
  }
  return values;
}

class ListByColumnKind final : public ByColumns {
 public:
  Result<std::string> key_of(const Table& table) const override {
    PGFANOUT_TRY(check_plain_columns(table));
    PartitionKey key{PartitionKey::Strategy::list, table.partition_columns, 0, {}};
    for (const Leaf& leaf : table.leaves) {
      PGFANOUT_TRY_ASSIGN(const PartitionBound bound, list_bound_of(leaf));
      for (const BoundValue& value : bound.values) key.bounds.push_back({value});
    }
    return text_of(key);
  }

  Result<LayoutPointer> layout_of(const std::vector<Leaf>& leaves,
                                  const KeyExpression& key) const override {
    LeafMap::Leaves map;
    for (const Leaf& leaf : leaves) {
      PGFANOUT_TRY_ASSIGN(const PartitionBound bound, list_bound_of(leaf));
      std::vector<std::int64_t>& keys = map.keys.emplace_back();
      if (bound.kind == PartitionBound::Kind::rest) {
        map.rest = static_cast<std::uint32_t>(map.keys.size() - 1);
      }
      for (const BoundValue& value : bound.values) {
        const auto place = place_in(*key.partition_key(), {value});
        // A value that the job does not know has no rows in it.
        if (place) keys.push_back(*place);
      }
      std::ranges::sort(keys);
    }
    return LayoutPointer(std::make_shared<LeafMap>(std::move(map), key));
  }

  Result<void> check_request(const JobDescription& job) const override {
    if (!job.target.leaf_name.empty()) PGFANOUT_TRY(name_by_pattern(job.target.leaf_name, "", 0));
    return {};
  }

  Result<SettledLayout> settle(const TableRequest& job, Connection& source,
                               const Table& table) const override {
    PGFANOUT_TRY_ASSIGN(std::vector<std::string> columns, columns_of(job, table));
    PartitionKey key{PartitionKey::Strategy::list, std::move(columns), 0, {}};
    PGFANOUT_TRY_ASSIGN(key.bounds, values_of(source, table, *table.find(key.columns.front())));
    if (key.bounds.empty() && !job.layout.default_partition) {
      return refused("layout-no-rows",
                     fmt::format("{} has no rows, so LIST would have no leaves", table.qualified),
                     "add --default-partition, or create the partitioned table and name it with "
                     "--into",
                     "--partition-by");
    }
    return settled_layout(key, job.layout);
  }

  NewLayout make(const NewLayoutRequest& request) const override {
    NewLayout made;
    made.ddl.partition_by = fmt::format("LIST ({})", columns_sql(request));
    made.partition_columns = parts_of(request.key_inputs, &Column::name);
    const Column& column = request.key_inputs.front();
    LeafMap::Leaves map;
    for (const std::vector<BoundValue>& listed : request.key.partition_key()->bounds) {
      const BoundValue& value = listed.front();
      std::string check;  // Without one ATTACH reads the leaf.
      if (value.kind == BoundValue::Kind::null) {
        check = fmt::format("{} IS NULL", column.quoted);
      } else if (has_equality_of_the_server(column)) {
        check =
            fmt::format("{0} IS NOT NULL AND {0} = {1}", column.quoted, literal_of(value, column));
      }
      made.ddl.leaves.push_back({fmt::format("FOR VALUES IN ({})", bound_sql(value)), check});
      map.keys.push_back({static_cast<std::int64_t>(map.keys.size())});
    }
    if (request.job.layout.default_partition) {
      map.rest = static_cast<std::uint32_t>(map.keys.size());
      map.keys.emplace_back();
      made.ddl.leaves.push_back({"DEFAULT", ""});
    }
    made.layout = std::make_shared<LeafMap>(std::move(map), request.key);
    return made;
  }

  std::string note(const JobDescription& /*job*/,
                   const std::optional<std::string>& /*key_column*/) const override {
    return "inserts need no change, and no column stores a key, but a new value needs a new leaf; "
           "conditions on the partition column pick the leaves";
  }
};

}  // namespace

const LayoutKind& list_by_column() {
  static const ListByColumnKind kind;
  return kind;
}

}  // namespace pgfanout
