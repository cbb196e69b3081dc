// The columns of a target that exists: every one gets a value or can do without, and every column
// of the source goes somewhere or is left out on purpose.
#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/columns/cast.h"
#include "copier/columns/column_plan.h"
#include "copier/columns/stored_key.h"

namespace pgfanout {
namespace {

class ExistingColumns {
 public:
  ExistingColumns(const Table& source, const Mappings& mappings, const Table& target,
                  const Column* key_column)
      : source_(source), mappings_(mappings), target_(target), key_column_(key_column) {}

  Result<ColumnPlan> plan(const std::string& key_column_name) {
    PGFANOUT_TRY(check_mappings());
    PGFANOUT_TRY_ASSIGN(plan_.stored_key, find_stored_key(source_, mappings_, key_column_name));
    for (const Column& column : target_.columns) {
      if (&column != key_column_) PGFANOUT_TRY(add(column));
    }
    if (key_column_ != nullptr) plan_.key_column = *key_column_;
    PGFANOUT_TRY(check_nothing_is_lost());
    return std::move(plan_);
  }

 private:
  Result<void> check_mappings() const {
    for (const Mapping& mapping : mappings_.entries) {
      const Column* column = target_.find(mapping.column);
      if (column == nullptr) {
        return refused("no-such-column",
                       fmt::format("the target has no column {} for --map", mapping.column),
                       missing_column_hint(mapping.column, target_), target_.qualified);
      }
      if (column == key_column_) {
        return refused(
            "bad-mapping",
            fmt::format("column {} holds the key, which is computed and cannot be mapped",
                        column->quoted),
            "leave the --map out", target_.qualified);
      }
    }
    return {};
  }

  Result<void> add(const Column& column) {
    if (const Mapping* mapping = mappings_.find(column.name); mapping != nullptr) {
      if (mapping->renames) {
        add_value(column, source_.columns[*mapping->renames], {}, *mapping->renames, false);
      } else {
        add_value(column, mapping->value, parenthesized(mapping->sql), std::nullopt,
                  mapping->is_volatile);
      }
      return {};
    }
    const Column* same = source_.find(column.name);
    if (same != nullptr && !mappings_.skipped.contains(same->name)) {
      add_value(column, *same, {}, index_of(*same), false);
      return {};
    }
    return leave_out(column);
  }

  void add_value(const Column& column, const Column& value, std::string sql,
                 std::optional<std::size_t> source_column, bool is_volatile) {
    if (sql.empty()) sql = value.quoted;
    PlannedColumn planned;
    planned.column = column;
    planned.source_sql = cast_sql(sql, value, column);
    planned.stream_type_oid = value.type_sql == column.type_sql ? value.type_oid : 0;
    planned.source_column = source_column;
    planned.is_volatile = is_volatile;
    if (column.generated != 0) {
      planned.role =
          is_comparable(column, source_column) ? ColumnRole::compared : ColumnRole::left_out;
    } else if (value.type_sql != column.type_sql) {
      note(Severity::info, "type-converted",
           fmt::format("column {} is converted from {} to {} by a cast", column.quoted,
                       value.type_sql, column.type_sql));
    }
    plan_.columns.push_back(std::move(planned));
  }

  /// A generated column can be proven if the source says what must come out: by an ordinary column,
  /// by a mapping, or by the same expression over columns that are copied as they are.
  [[nodiscard]] bool is_comparable(const Column& column,
                                   std::optional<std::size_t> source_column) const {
    if (!source_column) return true;
    const Column& origin = source_.columns[*source_column];
    if (origin.generated == 0) return true;
    if (origin.default_sql != column.default_sql) return false;
    return std::all_of(
        column.generated_from.begin(), column.generated_from.end(), [&](std::int16_t number) {
          const auto input = std::find_if(target_.columns.begin(), target_.columns.end(),
                                          [&](const Column& at) { return at.number == number; });
          return input != target_.columns.end() && mappings_.find(input->name) == nullptr &&
                 source_.find(input->name) != nullptr &&
                 source_.find(input->name)->type_sql == input->type_sql;
        });
  }

  Result<void> leave_out(const Column& column) {
    const bool has_value =
        column.generated != 0 || column.identity != 0 || !column.default_sql.empty();
    if (!has_value && column.is_not_null) {
      return refused("column-unmapped",
                     fmt::format("the target's column {} is NOT NULL, has no default, and nothing "
                                 "of the source goes into it",
                                 column.quoted),
                     fmt::format("say what it gets: --map '{}=EXPRESSION'", column.name),
                     target_.qualified);
    }
    if (column.generated == 0) {
      note(Severity::warning, "column-left-out",
           fmt::format("nothing of the source goes into the target's column {}: it stays at {}",
                       column.quoted, has_value ? "its default" : "NULL"));
    }
    PlannedColumn planned;
    planned.column = column;
    planned.role = ColumnRole::left_out;
    plan_.columns.push_back(std::move(planned));
    return {};
  }

  [[nodiscard]] Result<void> check_nothing_is_lost() const {
    for (std::size_t at = 0; at < source_.columns.size(); ++at) {
      const Column& column = source_.columns[at];
      if (plan_.stored_key == at || mappings_.skipped.contains(column.name)) continue;
      const bool goes_somewhere = std::any_of(
          plan_.columns.begin(), plan_.columns.end(), [&](const PlannedColumn& planned) {
            return planned.column.name == column.name || planned.source_column == at;
          });
      if (!goes_somewhere) {
        return refused(
            "column-lost",
            fmt::format("the source's column {} has no counterpart in the target", column.quoted),
            fmt::format("leave it out on purpose with --skip '{0}', or rename it with "
                        "--map 'NAME={0}'",
                        column.quoted),
            source_.qualified);
      }
    }
    return {};
  }

  [[nodiscard]] std::size_t index_of(const Column& column) const {
    return static_cast<std::size_t>(&column - source_.columns.data());
  }

  void note(Severity severity, std::string code, std::string message) {
    plan_.issues.push_back({severity, std::move(code), std::move(message), target_.qualified, {}});
  }

  const Table& source_;
  const Mappings& mappings_;
  const Table& target_;
  const Column* key_column_;
  ColumnPlan plan_;
};

}  // namespace

std::string key_column_name(const JobDescription& job, const Table& source) {
  return column_name_of(job.key_column, source.columns);
}

Result<ColumnPlan> plan_existing_columns(const JobDescription& job, const Table& source,
                                         const Mappings& mappings, const Table& target,
                                         const Column* key_column) {
  return ExistingColumns(source, mappings, target, key_column)
      .plan(key_column != nullptr ? key_column->name : key_column_name(job, source));
}

}  // namespace pgfanout
