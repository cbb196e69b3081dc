// Common to the layouts by plain columns: HASH, RANGE and LIST. Their key is a partition key, which
// the bounds of a table state; no column stores it, and inserts need not supply it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/layout/layout.h"
#include "hashing/partition_key.h"

namespace pgfanout {

class ByColumns : public LayoutKind {
 public:
  [[nodiscard]] Result<std::vector<Leaf>> leaves_in_order(const Table& table) const override;
  [[nodiscard]] std::optional<std::uint32_t> key_count(const Table& /*table*/) const override {
    return std::nullopt;
  }
  [[nodiscard]] bool is_by_key(const Table& /*table*/,
                               const Column* /*key_column*/) const override {
    return true;
  }
  [[nodiscard]] Result<ExistingLayout> examine(const JobDescription& job, const Table& source,
                                               const Table& target, const std::string& key_column,
                                               const KeyExpression& key) const override;
  [[nodiscard]] Result<void> check_expression(Connection& /*connection*/, const Table& /*target*/,
                                              const ExistingLayout& /*existing*/,
                                              const std::string& /*key_sql*/) const override {
    return {};
  }
  [[nodiscard]] LayoutRules rules(const JobDescription& /*job*/) const override {
    return {false, false, false, true};
  }
  [[nodiscard]] std::optional<std::string> wrong_key_sql(const JobDescription& /*job*/,
                                                         std::string_view /*key*/) const override {
    return std::nullopt;
  }

 protected:
  /// Refuses a table with an expression in its partition key, or with partitions that are
  /// partitioned.
  [[nodiscard]] static Result<void> check_plain_columns(const Table& table);
  /// The quoted names, for PARTITION BY.
  [[nodiscard]] static std::string columns_sql(const NewLayoutRequest& request);
  /// The place of a leaf's bound among the key's: absent where it is none of these. Times with a
  /// zone may be printed in another one than the key's.
  [[nodiscard]] static std::optional<std::int64_t> place_in(const PartitionKey& key,
                                                            const std::vector<BoundValue>& bound);
  /// A value of that column's type.
  [[nodiscard]] static std::string literal_of(const BoundValue& value, const Column& column);
  /// The columns of --partition-by. Refuses one that the table has not.
  [[nodiscard]] static Result<std::vector<std::string>> columns_of(const TableRequest& job,
                                                                   const Table& table);
};

[[nodiscard]] const LayoutKind& hash_layout();
[[nodiscard]] const LayoutKind& range_layout();
[[nodiscard]] const LayoutKind& list_by_column();

}  // namespace pgfanout
