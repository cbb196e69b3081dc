#include "copier/plan/target_ddl.h"

#include <fmt/format.h>

#include "copier/catalog/relation_name.h"
#include "copier/key/key_plan.h"
#include "copier/plan/column_ddl.h"

namespace pgfanout {
namespace {

/// Implies the bound, so that ATTACH need not look at the rows; dropped right after it.
constexpr const char* kBoundCheck = "pgfanout_bound";

class Statements {
 public:
  explicit Statements(const NewTarget& target) : target_(target) {
    const ColumnPlan& plan = *target.columns;
    for (const PlannedColumn& planned : plan.columns) columns_.push_back(&planned.column);
    if (plan.key_column) {
      columns_.push_back(&*plan.key_column);
      key_check_ = suffixed_name(plan.key_column->name, "_check");
    }
  }

  TargetDdl make() {
    TargetDdl made;
    made.create = target_.sequences->before_tables;
    made.create.push_back(create_parent());
    add_settings(made.create, target_.parent.qualified);
    for (std::size_t key = 0; key < target_.leaves.size(); ++key) {
      const std::string& leaf = target_.leaves[key].qualified;
      made.create.push_back(create_leaf(leaf));
      add_settings(made.create, leaf);
      made.checks.push_back({add_checks(leaf, key)});
      made.attach.push_back({fmt::format("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})",
                                         target_.parent.qualified, leaf, key),
                             fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", leaf, kBoundCheck)});
    }
    made.create.insert(made.create.end(), target_.sequences->after_tables.begin(),
                       target_.sequences->after_tables.end());
    made.finish = target_.sequences->at_the_end;
    return made;
  }

 private:
  [[nodiscard]] bool lists_by_column() const {
    return target_.mode == KeyMode::check || target_.mode == KeyMode::none;
  }

  [[nodiscard]] std::string definitions(TableRole role) const {
    std::string sql;
    for (const Column* column : columns_) {
      const auto options = target_.sequences->identity_options.find(column->name);
      sql += fmt::format(
          "{}\n  {}", sql.empty() ? "" : ",",
          column_definition(
              *column, role,
              options == target_.sequences->identity_options.end() ? "" : options->second,
              target_.server_version));
    }
    return sql;
  }

  [[nodiscard]] std::string create_parent() const {
    std::string key_check;
    if (target_.mode == KeyMode::check) key_check = fmt::format(",\n  {}", key_constraint());
    return fmt::format("CREATE TABLE {} ({}{}\n) PARTITION BY LIST ({})", target_.parent.qualified,
                       definitions(TableRole::parent), key_check,
                       lists_by_column() ? target_.columns->key_column->quoted
                                         : fmt::format("({})", target_.key_sql));
  }

  [[nodiscard]] std::string create_leaf(const std::string& leaf) const {
    const LeafStorage& storage = target_.storage;
    return fmt::format("CREATE TABLE {} ({}\n){}{}", leaf, definitions(TableRole::leaf),
                       storage.options.empty() ? "" : fmt::format(" WITH ({})", storage.options),
                       storage.tablespace.empty() ? "" : " TABLESPACE " + storage.tablespace);
  }

  /// The key that is supplied must be the right one. Where a column of the key may be NULL, a plain
  /// comparison would let any key pass.
  [[nodiscard]] std::string key_constraint() const {
    return fmt::format("CONSTRAINT {} CHECK ({} {} {})", quoted_name(key_check_),
                       target_.columns->key_column->quoted,
                       target_.key_inputs_are_not_null ? "=" : "IS NOT DISTINCT FROM",
                       target_.key_sql);
  }

  /// One ALTER TABLE, hence one scan of the loaded leaf.
  [[nodiscard]] std::string add_checks(const std::string& leaf, std::size_t key) const {
    const std::string operand = lists_by_column() ? target_.columns->key_column->quoted
                                                  : fmt::format("({})", target_.key_sql);
    std::string sql =
        fmt::format("ALTER TABLE {0} ADD CONSTRAINT {1} CHECK ({2} IS NOT NULL AND {2} = {3})",
                    leaf, kBoundCheck, operand, key_literal(key));
    if (target_.mode == KeyMode::check) sql += ", ADD " + key_constraint();
    return sql;
  }

  /// Of the partition key's own type, so that the bound and its check compare the same way.
  [[nodiscard]] std::string key_literal(std::size_t key) const {
    if (target_.key_type == KeyType::int4) return std::to_string(key);
    return fmt::format("'{}'::{}", key, key_type_sql(target_.key_type));
  }

  void add_settings(std::vector<std::string>& statements, const std::string& table) const {
    std::string settings;
    for (const Column* column : columns_) {
      const std::string more = column_settings(*column);
      if (!more.empty()) settings += (settings.empty() ? "" : ", ") + more;
    }
    if (!settings.empty()) {
      statements.push_back(fmt::format("ALTER TABLE {} {}", table, settings));
    }
  }

  const NewTarget& target_;
  std::vector<const Column*> columns_;
  std::string key_check_;
};

}  // namespace

TargetDdl target_ddl(const NewTarget& target) {
  return Statements(target).make();
}

std::string leaf_name(std::string_view target, std::uint32_t key, std::uint32_t partitions) {
  const std::size_t digits = std::to_string(partitions - 1).size();
  return suffixed_name(target, fmt::format("_p{:0{}}", key, digits));
}

}  // namespace pgfanout
