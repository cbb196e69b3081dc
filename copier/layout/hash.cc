#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "copier/base/lists.h"
#include "copier/layout/by_columns.h"
#include "copier/layout/leaf_map.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

constexpr std::uint32_t kMostModulus = 1000;

struct HashBound {
  std::uint32_t modulus = 0;
  std::uint32_t remainder = 0;
};

/// FOR VALUES WITH (modulus 16, remainder 3)
Result<HashBound> parse_hash_bound(const Leaf& leaf) {
  HashBound bound;
  const auto number_behind = [&](std::string_view word, std::uint32_t& number) {
    const std::size_t at = leaf.bound.find(word);
    if (at == std::string::npos) return false;
    const char* first = leaf.bound.data() + at + word.size();
    return std::from_chars(first, leaf.bound.data() + leaf.bound.size(), number).ec == std::errc();
  };
  if (number_behind("modulus ", bound.modulus) && number_behind("remainder ", bound.remainder)) {
    return bound;
  }
  return refused("not-hash", fmt::format("the bound \"{}\" is not one of HASH", leaf.bound),
                 "the target's leaves must be partitions by HASH", leaf.qualified);
}

class HashKind final : public ByColumns {
 public:
  Result<std::string> key_of(const Table& table) const override {
    PGFANOUT_TRY(check_plain_columns(table));
    PartitionKey key{PartitionKey::Strategy::hash, table.partition_columns, 1, {}};
    for (const Leaf& leaf : table.leaves) {
      PGFANOUT_TRY_ASSIGN(const HashBound bound, parse_hash_bound(leaf));
      key.modulus = std::max(key.modulus, bound.modulus);
    }
    return text_of(key);
  }

  Result<LayoutPointer> layout_of(const std::vector<Leaf>& leaves,
                                  const KeyExpression& key) const override {
    LeafMap::Leaves map;
    for (const Leaf& leaf : leaves) {
      PGFANOUT_TRY_ASSIGN(const HashBound bound, parse_hash_bound(leaf));
      std::vector<std::int64_t>& keys = map.keys.emplace_back();
      for (std::uint32_t at = bound.remainder; at < key.modulus().value_or(0);
           at += bound.modulus) {
        keys.push_back(at);
      }
    }
    return LayoutPointer(std::make_shared<LeafMap>(std::move(map), key));
  }

  Result<void> check_request(const JobDescription& job) const override {
    const std::uint32_t modulus = job.partitions.value_or(kDefaultPartitions);
    if (!job.target.leaf_name.empty()) PGFANOUT_TRY(name_by_pattern(job.target.leaf_name, "", 0));
    if (modulus > 0 && modulus <= kMostModulus) return {};
    return refused("bad-partitions",
                   fmt::format("HASH with {} partitions is not possible", modulus),
                   fmt::format("use 1 to {}", kMostModulus), "--partitions");
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
    LeafMap::Leaves map;
    for (std::int64_t remainder = 0; remainder < modulus; ++remainder) {
      made.ddl.leaves.push_back(
          {fmt::format("FOR VALUES WITH (MODULUS {}, REMAINDER {})", modulus, remainder), ""});
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

const LayoutKind& hash_layout() {
  static const HashKind kind;
  return kind;
}

}  // namespace pgfanout
