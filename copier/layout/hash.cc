// HASH by plain columns: a leaf takes the rows of some remainders by the largest modulus. The
// moduli of a table that exists may differ; each divides the next larger one (the server sees to
// it).
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <random>

#include "copier/base/lists.h"
#include "copier/catalog/partition_bound.h"
#include "copier/key/key_plan.h"
#include "copier/layout/by_columns.h"
#include "copier/layout/leaf_map.h"
#include "hashing/key_forms.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

constexpr std::uint32_t kMostLeavesOfHash = 1000;
/// Of a table that exists: every remainder has an entry in the map.
constexpr std::uint32_t kMostRemainders = 65536;
constexpr std::size_t kRandomProbes = 100;
/// The server's own types have smaller ones: FirstNormalObjectId.
constexpr std::uint32_t kFirstOwnOid = 16384;

bool is_maybe_collated(const Column& column) {
  switch (key_type_of_oid(column.base_type_oid)) {
    case KeyType::text:
    case KeyType::varchar:
    case KeyType::bpchar:
    case KeyType::name:
    case KeyType::other:
      return column.type_type != 'e';
    default:
      return false;
  }
}

/// The remainder of a row by the server's SQL, or -1 if the server itself wants another one.
std::string confirmed_sql(const Table& table, const KeyExpression& key) {
  const std::string columns = joined(
      key.used_columns(), ", ", [&](std::size_t column) { return table.columns[column].quoted; });
  return fmt::format(
      "CASE WHEN satisfies_hash_partition({}::oid, {}, ({})::int4, {}) THEN {} ELSE -1 END",
      table.oid, *key.modulus(), key.qualified_sql({}), columns, key.qualified_sql({}));
}

class HashKind final : public ByColumns {
 public:
  Result<std::string> key_of(const Table& table) const override {
    PGFANOUT_TRY(check_plain_columns(table));
    PartitionKey key{PartitionKey::Strategy::hash, table.partition_columns, 1, {}};
    for (const Leaf& leaf : table.leaves) {
      PGFANOUT_TRY_ASSIGN(const PartitionBound bound, parse_partition_bound(leaf.bound));
      key.modulus = std::max(key.modulus, bound.modulus);
    }
    if (key.modulus <= kMostRemainders) return text_of(key);
    return refused(
        "hash-key", fmt::format("the largest modulus of {} is {}", table.qualified, key.modulus),
        fmt::format("use a table whose moduli are {} at most", kMostRemainders), table.qualified);
  }

  Result<LayoutPointer> layout_of(const std::vector<Leaf>& leaves,
                                  const KeyExpression& key) const override {
    LeafMap::Leaves map;
    for (const Leaf& leaf : leaves) {
      PGFANOUT_TRY_ASSIGN(const PartitionBound bound, parse_partition_bound(leaf.bound));
      std::vector<std::int64_t>& keys = map.keys.emplace_back();
      for (std::uint32_t at = bound.remainder; at < key.modulus().value_or(0);
           at += bound.modulus) {
        keys.push_back(at);
      }
    }
    return LayoutPointer(std::make_shared<LeafMap>(std::move(map), key));
  }

  /// Compares what the client computes with satisfies_hash_partition() of the table itself. Rows of
  /// the source are compared with the server's SQL for the key (Layout::prove).
  Result<void> check_expression(Connection& connection, const Table& target,
                                const ExistingLayout& /*existing*/,
                                const std::string& /*key_sql*/) const override {
    PGFANOUT_TRY_ASSIGN(const std::string text, key_of(target));
    PGFANOUT_TRY_ASSIGN(const KeyExpression key,
                        KeyExpression::compile(text, key_columns_of(target)));
    RowFunction function = row_function(target, key);
    // It takes the columns' own types: no domain's base.
    const bool is_asked =
        !key.is_by_server() && std::ranges::all_of(function.columns, [&](std::size_t column) {
          return target.columns[column].type_oid == target.columns[column].base_type_oid;
        });
    if (!is_asked) return {};
    function.sql = confirmed_sql(target, key);
    std::mt19937_64 random(1);
    std::vector<ProbeRow> rows = adversarial_rows(function.types, connection.encoding(), random);
    for (std::size_t more = 0; more < kRandomProbes; ++more) {
      ProbeRow& row = rows.emplace_back();
      for (const KeyType type : function.types) row.push_back(random_value(type, random));
    }
    PGFANOUT_TRY_ASSIGN(const std::vector<KeyOutcome> server,
                        ask_server(connection, function, rows));
    const std::vector<KeyOutcome> client = function.compute(rows);
    const auto wrong = std::ranges::mismatch(client, server).in1 - client.begin();
    if (wrong == static_cast<std::ptrdiff_t>(client.size())) return {};
    const auto at = static_cast<std::size_t>(wrong);
    return refused("key-disagrees",
                   fmt::format("pgfanout and the server disagree on the partition of a row of {}: "
                               "remainder {} and {}",
                               target.qualified, client[at].key, server[at].key),
                   "a server on a big-endian machine hashes otherwise and is not supported; in all "
                   "other cases please report this",
                   target.qualified);
  }

  Result<void> check_request(const JobDescription& job) const override {
    const std::uint32_t modulus = job.partitions.value_or(kDefaultPartitions);
    if (!job.target.leaf_name.empty()) PGFANOUT_TRY(name_by_pattern(job.target.leaf_name, "", 0));
    if (modulus > 0 && modulus <= kMostLeavesOfHash) return {};
    return refused("bad-partitions",
                   fmt::format("HASH with {} partitions is not possible", modulus),
                   fmt::format("use 1 to {}", kMostLeavesOfHash), "--partitions");
  }

  Result<SettledLayout> settle(const TableRequest& job, Connection& /*source*/,
                               const Table& table) const override {
    const std::uint32_t modulus = job.partitions.value_or(kDefaultPartitions);
    PGFANOUT_TRY_ASSIGN(std::vector<std::string> columns, columns_of(job, table));
    return SettledLayout{text_of({PartitionKey::Strategy::hash, std::move(columns), modulus, {}}),
                         modulus};
  }

  NewLayout make(const NewLayoutRequest& request) const override {
    NewLayout made;
    made.ddl.partition_by = fmt::format("HASH ({})", columns_sql(request));
    made.partition_columns = parts_of(request.key_inputs, &Column::name);
    const std::int64_t modulus = request.key.modulus().value_or(1);
    // The bound's own call has no collation, which SQL cannot say of a column that has one: then
    // ATTACH reads the leaf. The table's name becomes its OID, as in the bound.
    const bool skips_scan = std::ranges::none_of(request.key_inputs, is_maybe_collated);
    LeafMap::Leaves map;
    for (std::int64_t remainder = 0; remainder < modulus; ++remainder) {
      std::string check;
      if (skips_scan) {
        check = fmt::format("satisfies_hash_partition({}::regclass::oid, {}, {}, {})",
                            keyexpr::string_literal(request.table), modulus, remainder,
                            columns_sql(request));
      }
      made.ddl.leaves.push_back(
          {fmt::format("FOR VALUES WITH (MODULUS {}, REMAINDER {})", modulus, remainder), check});
      map.keys.push_back({remainder});
    }
    made.layout = std::make_shared<LeafMap>(std::move(map), request.key);
    return made;
  }

  std::string note(const JobDescription& /*job*/,
                   const std::optional<std::string>& /*key_column*/) const override {
    return "inserts need no change, and no column stores a key; conditions by = on all partition "
           "columns pick one leaf";
  }
};

}  // namespace

Result<void> check_other_database(const KeyExpression& key, const Table& source) {
  const PartitionKey* partition = key.partition_key();
  if (partition == nullptr || partition->strategy != PartitionKey::Strategy::hash) return {};
  for (const std::size_t used : key.used_columns()) {
    const Column& column = source.columns[used];
    if (column.base_type_oid < kFirstOwnOid) continue;
    return refused("local-oids",
                   fmt::format("column {} is of type {}: if that is an enum or holds one, its hash "
                               "is that of an OID, which is another one in the target's database",
                               column.quoted, column.type_sql),
                   "use a target in the same database, or partition by other columns",
                   source.qualified);
  }
  return {};
}

const LayoutKind& hash_layout() {
  static const HashKind kind;
  return kind;
}

}  // namespace pgfanout
