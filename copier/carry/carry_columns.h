// Each column of the source and its column on the target, for the objects over the columns.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/carry/carry_plan.h"
#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct ColumnFate {
  const Column* source = nullptr;
  std::optional<std::string> target;  ///< Unquoted; absent: the target has no such column.
  bool is_changed = false;            ///< Its type, its collation or its values differ.
};

class CarryColumns {
 public:
  static Result<CarryColumns> read(const CarryRequest& request, Connection& source);

  /// By pg_attribute.attnum; nullptr for a system column or an expression.
  [[nodiscard]] const ColumnFate* find(int number) const;
  /// A column of the target, without the key column.
  [[nodiscard]] const Column* target(std::string_view name) const;
  [[nodiscard]] const std::vector<ColumnFate>& fates() const { return fates_; }
  /// The target's columns in order, the key column last.
  [[nodiscard]] const std::vector<Column>& targets() const { return targets_; }
  /// Where the name changes.
  [[nodiscard]] const std::map<std::string, std::string>& renames() const { return renames_; }
  /// Target columns that the key is computed from.
  [[nodiscard]] const std::vector<std::string>& key_inputs() const { return key_inputs_; }

 private:
  std::vector<ColumnFate> fates_;
  std::vector<Column> targets_;
  std::map<std::string, std::string> renames_;
  std::vector<std::string> key_inputs_;
};

/// "1 2 3" as the catalog prints vectors of numbers.
[[nodiscard]] std::vector<int> numbers_in(std::string_view text);

}  // namespace pgfanout
