#include "copier/plan/verify_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <thread>

#include "copier/base/lists.h"
#include "copier/catalog/application_path.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/table.h"
#include "copier/columns/column_plan.h"
#include "copier/columns/mapping.h"
#include "copier/columns/row_hash.h"
#include "copier/columns/type_transport.h"
#include "copier/key/key_plan.h"
#include "copier/plan/copy_plan.h"
#include "copier/plan/job_key.h"
#include "copier/plan/server_limits.h"
#include "copier/plan/source_fitness.h"

namespace pgfanout {
namespace {

constexpr std::size_t kMaxIdentityBytes = 64;
constexpr std::size_t kLengthWord = 4;

/// Bytes of a value of a built-in type whose binary form always has the same length; 0: others.
std::size_t fixed_width(std::uint32_t type_oid) {
  // bool, int8, int2, int4, oid, float4, float8, macaddr8, macaddr, date, time, timestamp,
  // timestamptz, interval, uuid
  using Width = std::pair<std::uint32_t, std::size_t>;
  constexpr Width widths[] = {{16, 1},   {20, 8},   {21, 2},   {23, 4},    {26, 4},
                              {700, 4},  {701, 8},  {774, 8},  {829, 6},   {1082, 4},
                              {1083, 8}, {1114, 8}, {1184, 8}, {1186, 16}, {2950, 16}};
  const Width* found = find_by(widths, &Width::first, type_oid);
  return found == nullptr ? 0 : found->second;
}

/// Makes one plan; a member is set by the step named in its comment.
class VerifyPlanner {
 public:
  VerifyPlanner(const TableRequest& tables, const RowRequest& rows, Connection& source,
                Connection& target)
      : asked_(tables),
        tables_(tables),
        rows_(rows),
        source_connection_(source),
        target_connection_(target) {}

  Result<VerifyPlan> make(bool reads_rows) {
    PGFANOUT_TRY(read_tables());
    PGFANOUT_TRY(settle_key());
    if (!reads_rows) return plan_definitions();
    PGFANOUT_TRY(plan_columns());
    PGFANOUT_TRY(plan_key());
    PGFANOUT_TRY(plan_leaves());
    PGFANOUT_TRY(plan_stream());
    PGFANOUT_TRY(plan_connections());
    return std::move(*plan_);
  }

 private:
  Result<void> read_tables() {
    PGFANOUT_TRY_ASSIGN(servers_, read_both_servers(source_connection_, target_connection_));
    PGFANOUT_TRY_ASSIGN(source_, describe_table(source_connection_, tables_.table));
    PGFANOUT_TRY(check_source(source_connection_, source_, servers_.source));
    PGFANOUT_TRY_ASSIGN(source_.application,
                        find_application_path(source_connection_, source_, tables_.search_path));
    PGFANOUT_TRY_ASSIGN(const RelationName name, target_name_of(tables_, source_));
    PGFANOUT_TRY_ASSIGN(const FoundRelation found, find_relation(target_connection_, name));
    if (found.oid == 0) {
      return refused("no-such-table",
                     fmt::format("there is no table {}.{}", name.schema, name.name),
                     "name the table to compare with by --into", target_connection_.description());
    }
    PGFANOUT_TRY(check_is_table(
        found, name, fmt::format("{}.{}", display_name(name.schema), display_name(name.name))));
    PGFANOUT_TRY_ASSIGN(target_, describe_table(target_connection_, found.oid));
    PGFANOUT_TRY(check_source(target_connection_, target_, servers_.target));
    same_database_ = is_same_database(servers_.source, servers_.target);
    target_.application = source_.application;
    if (!same_database_) {
      PGFANOUT_TRY_ASSIGN(
          target_.application,
          find_application_path(target_connection_, source_.application, tables_.search_path));
    }
    if (same_database_ && source_.oid == target_.oid) {
      return refused("same-table", "source and target are the same table",
                     "name another one with --into", target_.qualified);
    }
    PGFANOUT_TRY(note_heirs(source_connection_, source_, issues_));
    return note_heirs(target_connection_, target_, issues_);
  }

  /// The key, and the target's key column: an integer column of that name. Where the key is not
  /// known, a column that both sides have is compared like any other.
  Result<void> settle_key() {
    PGFANOUT_TRY_ASSIGN(job_key_, key_of_comparison(asked_, source_connection_, source_,
                                                    target_connection_, target_));
    tables_ = with_key(asked_, job_key_);
    if (!tables_.layout.by.empty()) return {};
    const std::string name = column_name_of(tables_.key_column, target_.columns);
    const Column* column = target_.find(name);
    if (column == nullptr || !is_key_integer(key_type_of_oid(column->type_oid))) return {};
    if (job_key_.sql.empty() && source_.find(name) != nullptr) {
      compared_key_column_ = name;
      return {};
    }
    key_column_ = column;
    return {};
  }

  Result<VerifyPlan> plan_definitions() {
    if (job_key_.sql.empty()) tables_.key = "0";
    PGFANOUT_TRY_ASSIGN(KeyExpression key, compile_key(tables_, source_));
    VerifyPlan plan(std::move(key));
    if (key_column_ != nullptr) plan.key_column = key_column_->name;
    plan.same_database = same_database_;
    plan.source = std::move(source_);
    plan.target = std::move(target_);
    plan.issues = std::move(job_key_.issues);
    return plan;
  }

  Result<void> plan_columns() {
    PGFANOUT_TRY_ASSIGN(const Mappings mappings,
                        read_mappings(tables_, source_connection_, source_));
    PGFANOUT_TRY_ASSIGN(columns_,
                        plan_existing_columns(tables_, source_, mappings, target_, key_column_));
    if (compared_key_column_ || job_key_.replaces_other_key) columns_.stored_key.reset();
    append(issues_, std::exchange(columns_.issues, {}));
    for (const PlannedColumn& planned : columns_.columns) {
      if (planned.is_volatile) {
        note(Severity::info, "volatile-mapping",
             fmt::format("column {} got a value of its own while copying and is not compared",
                         planned.column.quoted));
      }
    }
    std::erase_if(columns_.columns, [](const PlannedColumn& planned) {
      return planned.role == ColumnRole::left_out || planned.is_volatile;
    });
    for (PlannedColumn& planned : columns_.columns) planned.role = ColumnRole::copied;
    if (columns_.columns.empty()) {
      return refused("nothing-to-compare", "the tables have no column in common",
                     "say what the target's columns hold: --map 'COLUMN=EXPRESSION'",
                     target_.qualified);
    }
    order_by_identity();
    return {};
  }

  /// Target columns that a key arrives in; empty if not all of it does. `is_carrier(planned, name)`
  /// says whether a column carries the key's column `name`.
  template <class IsCarrier>
  [[nodiscard]] std::vector<std::string> carriers_of(const std::vector<std::string>& key,
                                                     IsCarrier is_carrier) const {
    std::vector<std::string> carriers;
    for (const std::string& name : key) {
      const auto found = std::ranges::find_if(columns_.columns, [&](const PlannedColumn& planned) {
        return is_carrier(planned, name);
      });
      if (found == columns_.columns.end()) return {};
      carriers.push_back(found->column.name);
    }
    return carriers;
  }

  /// Puts the columns of the identity first: of the source's primary key, else of the target's. A
  /// stored key was added to them, and does not tell rows apart.
  void order_by_identity() {
    std::vector<std::string> of_source = source_.primary_key;
    std::erase(of_source, column_name_of(tables_.key_column, source_.columns));
    if (of_source.empty()) of_source = source_.primary_key;
    auto key = carriers_of(of_source, [&](const PlannedColumn& planned, const auto& name) {
      return planned.source_column && source_.columns[*planned.source_column].name == name;
    });
    if (key.empty()) {
      std::vector<std::string> of_target = target_.primary_key;
      std::erase(of_target, column_name_of(tables_.key_column, target_.columns));
      key = carriers_of(of_target, [](const PlannedColumn& planned, const auto& name) {
        return planned.column.name == name;
      });
    }
    identity_columns_ = key.size();
    const auto rank = [&](const PlannedColumn& planned) {
      return std::ranges::find(key, planned.column.name) - key.begin();
    };
    std::ranges::stable_sort(columns_.columns, {}, rank);
  }

  /// Without a key that can be computed, every row has the same one.
  Result<void> plan_key() {
    if (!job_key_.sql.empty()) {
      PGFANOUT_TRY_ASSIGN(KeyExpression key, compile_key(tables_, source_));
      PGFANOUT_TRY(check_key_functions(source_connection_, key));
      auto carriers = find_key_carriers(columns_, source_, key);
      if (carriers) {
        carriers_ = *std::move(carriers);
        plan_.emplace(std::move(key));
        plan_->has_key = true;
        plan_->key_is_stated = job_key_.is_stated;
        plan_->wanted_keys = wanted_keys(tables_, plan_->key);
        plan_->key_sql_on_target = plan_->key.qualified_sql(carriers_.target_names);
        issues_.insert(issues_.begin(), job_key_.issues.begin(), job_key_.issues.end());
        return {};
      }
      // A key that is only known is left out where it cannot be checked.
      if (job_key_.is_stated) return std::move(carriers).error();
    }
    PGFANOUT_TRY_ASSIGN(KeyExpression key, KeyExpression::compile("0", key_columns_of(source_)));
    plan_.emplace(std::move(key));
    note_unchecked();
    return {};
  }

  /// Says what is not checked about keys, and how to ask for it.
  void note_unchecked() {
    for (Issue& issue : job_key_.issues) {
      if (issue.severity < Severity::info) issues_.push_back(std::move(issue));
    }
    const bool stores_key = key_column_ != nullptr || compared_key_column_.has_value();
    if (!stores_key && target_.strategy != 'l') return;
    std::string what =
        "no key is stated, and none is known: rows are compared, and that each is in "
        "its leaf is left to the server's bounds";
    if (compared_key_column_) {
      what += fmt::format("; column {} is compared as the source stores it, not recomputed",
                          display_name(*compared_key_column_));
    } else if (key_column_ != nullptr) {
      what += fmt::format("; column {} is not checked", key_column_->quoted);
    }
    note(key_column_ != nullptr ? Severity::warning : Severity::info, "no-key", std::move(what),
         "to have keys recomputed and checked, state the expression: --key 'EXPRESSION'");
  }

  /// Without a layout by the key, the server alone says which leaf a row of the target belongs to.
  Result<void> plan_leaves() {
    const LayoutKind& kind = layout_kind_of(target_, &plan_->key);
    const auto by_columns = kind.key_of(target_);
    if (!by_columns || by_columns->empty() != (plan_->key.partition_key() == nullptr)) return {};
    if (!plan_->has_key || !kind.is_by_key(target_, key_column_)) return {};
    PGFANOUT_TRY_ASSIGN(plan_->layout, kind.layout_of(target_.leaves, plan_->key));
    return {};
  }

  void choose_identity() {
    plan_->identity_columns = identity_columns_;
    if (identity_columns_ == 0) {
      note(Severity::info, "no-identity",
           "neither table has a primary key that the other has, too: rows are told apart by all of "
           "their columns, and a changed row counts as one missing and one extra");
      return;
    }
    std::size_t bytes = 0;
    bool is_fixed = true;
    for (std::size_t at = 0; at < identity_columns_; ++at) {
      const std::size_t width = fixed_width(plan_->columns[at].type_oid);
      is_fixed = is_fixed && width > 0;
      bytes += kLengthWord + width;
    }
    plan_->identity =
        is_fixed && bytes <= kMaxIdentityBytes ? IdentityKind::fixed : IdentityKind::hashed;
    if (plan_->identity == IdentityKind::fixed) plan_->identity_bytes = bytes;
  }

  Result<void> plan_stream() {
    for (const PlannedColumn& planned : columns_.columns) {
      plan_->columns.push_back({planned.column.name, planned.source_sql, planned.column.quoted,
                                planned.column.type_sql, planned.column.type_oid,
                                planned.source_column});
    }
    choose_identity();
    RowLayout layout;
    layout.copied = static_cast<std::uint16_t>(identity_columns_);
    layout.digested = static_cast<std::uint16_t>(columns_.columns.size());
    layout.fields = layout.digested;
    layout.key_fields = carriers_.stream_fields;
    layout.written_key = KeyField::none;
    plan_->source_layout = plan_->target_layout = layout;
    const auto add_key = [](RowLayout& side, const Column& column) {
      side.stored_key = side.fields++;
      side.stored_key_type = key_type_of_oid(column.type_oid);
      return column.quoted;
    };
    if (columns_.stored_key && plan_->has_key) {
      plan_->source_key_column =
          add_key(plan_->source_layout, source_.columns[*columns_.stored_key]);
    }
    if (key_column_ != nullptr && plan_->has_key) {
      plan_->target_key_column = add_key(plan_->target_layout, *key_column_);
      plan_->key_is_generated = key_column_->generated != 0;
    }
    if (plan_->has_key && plan_->key.is_by_server()) {
      for (RowLayout* side : {&plan_->source_layout, &plan_->target_layout}) {
        side->key_fields = {side->fields++};
      }
    }
    plan_->compared_key_column = compared_key_column_;
    if (key_column_ != nullptr) plan_->key_column = key_column_->name;
    plan_->same_database = same_database_;
    PGFANOUT_TRY_ASSIGN(
        plan_->source_layout.oid_patches,
        plan_transport(source_connection_, target_connection_, columns_, same_database_));
    plan_->source = std::move(source_);
    plan_->target = std::move(target_);
    return {};
  }

  Result<void> plan_connections() {
    const auto leaves = static_cast<std::uint32_t>(plan_->target.leaves.size());
    PGFANOUT_TRY_ASSIGN(
        const ConnectionBudget budget,
        share_connections(servers_.source, servers_.target,
                          {rows_.readers, rows_.readers ? rows_.readers : rows_.writers, leaves,
                           std::thread::hardware_concurrency()}));
    // Both sides are read at once; writers of the budget read the target.
    plan_->readers = std::min(budget.readers, std::max(1U, budget.writers));
    plan_->issues = std::move(issues_);
    return {};
  }

  void note(Severity severity, std::string code, std::string message, std::string hint = {}) {
    issues_.push_back(
        {severity, std::move(code), std::move(message), target_.qualified, std::move(hint)});
  }

  const TableRequest& asked_;
  TableRequest tables_;  ///< From settle_key() on with the key.
  const RowRequest& rows_;
  Connection& source_connection_;
  Connection& target_connection_;
  BothServers servers_;                             // read_tables
  bool same_database_ = false;                      // read_tables
  Table source_;                                    // read_tables
  Table target_;                                    // read_tables
  JobKey job_key_;                                  // settle_key
  const Column* key_column_ = nullptr;              // settle_key: of the target
  std::optional<std::string> compared_key_column_;  // settle_key
  ColumnPlan columns_;                // plan_columns: only what is compared, identity first
  std::size_t identity_columns_ = 0;  // plan_columns
  std::optional<VerifyPlan> plan_;    // plan_key
  KeyCarriers carriers_;              // plan_key
  std::vector<Issue> issues_;
};

/// Qualified, over that side's columns.
std::string key_sql(const VerifyPlan& plan, Side side) {
  return side == Side::source ? plan.key.qualified_sql({}) : plan.key_sql_on_target;
}

}  // namespace

std::string select_list(const VerifyPlan& plan, Side side) {
  const std::string list = joined(
      plan.columns, ", ", [&](const ComparedColumn& column) { return sql_of(column, side); });
  const auto& stored = side == Side::source ? plan.source_key_column : plan.target_key_column;
  const std::string computed = plan.has_key && plan.key.is_by_server() ? key_sql(plan, side) : "";
  return joined(std::array{list, stored.value_or(""), computed}, ", ");
}

/// A CASE keeps the planner from an index: rows come in physical order, whatever is selected.
std::string stream_condition(const VerifyPlan& plan, Side side, const SourceRange& range) {
  const std::string& only = row_sql_of(plan, side).only;
  const std::string condition = range_condition(range);
  return only.empty() ? condition
                      : fmt::format("{} AND CASE WHEN {} THEN true END", condition, only);
}

RangeSelect verify_select(const VerifyPlan& plan, Side side, const SourceRange& range) {
  return {select_list(plan, side), table_of(plan, side).leaves[range.leaf].qualified,
          stream_condition(plan, side, range)};
}

Result<VerifyPlan> make_verify_plan(const TableRequest& tables, const RowRequest& rows,
                                    Connection& source, Connection& target, bool reads_rows) {
  return VerifyPlanner(tables, rows, source, target).make(reads_rows);
}

Result<std::string> plan_hashes(VerifyPlan& plan, Connection& source, Connection& target) {
  for (const Side side : {Side::source, Side::target}) {
    const bool is_source = side == Side::source;
    // The key's operators are not qualified.
    if (table_of(plan, side).application.sql.find("pg_catalog") != std::string::npos) {
      return "operators of the application's search_path may hide those of pg_catalog";
    }
    const auto values =
        parts_of(plan.columns, [&](const ComparedColumn& column) { return sql_of(column, side); });
    PGFANOUT_TRY_ASSIGN(auto columns,
                        hashed_columns(is_source ? source : target, table_of(plan, side), values,
                                       layout_of(plan, side).oid_patches));
    if (!columns) return "a column's type has no hash that is the same on both sides";
    RowSql& sql = is_source ? plan.source_row : plan.target_row;
    sql.hash = row_hash_sql(*columns);
    if (plan.has_key) {
      sql.key = key_sql(plan, side);
    }
    columns->resize(plan.identity_columns);
    sql.group = plan.layout        ? plan.layout->group_sql(sql.key)
                : columns->empty() ? "'0'::pg_catalog.int8"
                                   : fmt::format("({} OPERATOR(pg_catalog.&) {})",
                                                 row_hash_sql(*columns), kHashGroups - 1);
  }
  return "";
}

}  // namespace pgfanout
