#include "copier/window/way_back.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/columns/mapping.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

const NewColumn* column_named(const std::vector<NewColumn>& columns, const std::string& name) {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const NewColumn& each) { return each.name == name; });
  return found == columns.end() ? nullptr : &*found;
}

/// The job's mapping or reverse mapping of a column; null: there is none.
const ColumnMapping* mapping_of(const std::vector<ColumnMapping>& map, const Table& table,
                                const std::string& column) {
  const auto found = std::find_if(map.begin(), map.end(), [&](const ColumnMapping& each) {
    return column_name_of(each.column, table.columns) == column;
  });
  return found == map.end() ? nullptr : &*found;
}

std::vector<std::string> inputs_of(const std::string& sql, const std::vector<NewColumn>& columns) {
  std::vector<std::string> inputs;
  for (const SqlPiece& word : sql_words(sql)) {
    if (word.is_name() && column_named(columns, word.name) != nullptr) inputs.push_back(word.name);
  }
  return inputs;
}

/// The column of the new table that has just the old column's values; null: there is none.
const NewColumn* carrier_of(const JobDescription& job, const Table& table, const Column& column,
                            const std::vector<NewColumn>& columns) {
  for (const ColumnMapping& mapping : job.map) {
    if (parse_identifier(mapping.sql).value_or("") != column.name) continue;
    const std::string name = column_name_of(mapping.column, table.columns);
    if (const NewColumn* found = column_named(columns, name)) return found;
  }
  const bool is_taken = mapping_of(job.map, table, column.name) != nullptr;
  return is_taken ? nullptr : column_named(columns, column.name);
}

bool is_skipped(const JobDescription& job, const Table& table, const std::string& column) {
  return std::any_of(job.skip.begin(), job.skip.end(), [&](const std::string& written) {
    return column_name_of(written, table.columns) == column;
  });
}

}  // namespace

std::vector<NewColumn> new_columns_of(const Table& table) {
  std::vector<NewColumn> columns;
  for (const Column& column : table.columns) {
    columns.push_back({column.name, column.type_sql, column.is_not_null});
  }
  return columns;
}

WayBack plan_way_back(const JobDescription& job, const Table& old_table,
                      const std::vector<NewColumn>& columns, const std::string& key_column,
                      const std::string& key_sql) {
  WayBack way;
  way.changes_columns = !job.map.empty() || !job.skip.empty();
  std::vector<std::string> unlinked;
  for (const Column& column : old_table.columns) {
    if (column.generated != 0) continue;
    WayBack::Value value{column.quoted, {}, {}};
    const bool is_key = column.name == key_column;
    const NewColumn* carrier = carrier_of(job, old_table, column, columns);
    if (const auto* reverse = mapping_of(job.window.rollback_map, old_table, column.name)) {
      value.sql = parenthesized(reverse->sql);
      way.is_mapped = true;
    } else if (is_key && !is_skipped(job, old_table, column.name)) {
      value.sql = key_sql;
    } else if (carrier != nullptr) {
      value.sql = quoted_name(carrier->name);
    }
    value.inputs = inputs_of(value.sql, columns);
    const bool may_stay = is_skipped(job, old_table, column.name) && !is_key;
    const bool has_default =
        !column.is_not_null || column.identity != 0 || !column.default_sql.empty();
    if (value.sql.empty() && (!may_stay || !has_default)) {
      way.obstacles.push_back(fmt::format("nothing gives column {} a value", column.quoted));
    } else if (value.sql.empty()) {
      way.left_alone.push_back(column.quoted);
    } else if (!way.is_mapped ||
               mapping_of(job.window.rollback_map, old_table, column.name) == nullptr) {
      const bool may_be_null = carrier != nullptr && !carrier->is_not_null && column.is_not_null;
      if (may_be_null && !is_key && carrier->name != column.name) {
        way.obstacles.push_back(
            fmt::format("column {} must not be NULL, and column {}, which has its values, may be",
                        column.quoted, display_name(carrier->name)));
      }
    }
    const bool is_of_identity =
        std::find(old_table.primary_key.begin(), old_table.primary_key.end(), column.name) !=
        old_table.primary_key.end();
    if (is_of_identity && !is_key && carrier == nullptr) unlinked.push_back(column.quoted);
    way.values.push_back(std::move(value));
  }
  if (!unlinked.empty()) {
    way.obstacles.push_back(
        fmt::format("no column of the new table keeps {}, so that a changed row is not found again",
                    fmt::join(unlinked, ", ")));
  } else if (old_table.primary_key.empty() && !way.left_alone.empty()) {
    way.obstacles.push_back("without a primary key a changed row is not found again, and column " +
                            way.left_alone.front() + " of it would be lost");
  }
  return way;
}

Issue issue_of(const WayBack& way, const Table& old_table) {
  if (!way.obstacles.empty()) {
    return {Severity::warning, "way-back",
            fmt::format("a rollback after the swap can only save rows written since in a table "
                        "(--save-new-rows), and not keep them: {}",
                        fmt::join(way.obstacles, "; ")),
            old_table.qualified,
            "give the columns their values from the new table: [rollback.map] in the job file, for "
            "example id = \"coalesce(legacy_id, gen_random_uuid())\""};
  }
  std::string message = fmt::format("a rollback after the swap can keep rows written since{}",
                                    way.is_mapped ? " by [rollback.map]" : "");
  if (!way.left_alone.empty()) {
    message += fmt::format(
        "; the new table does not have {}: changed rows keep the old value, "
        "inserted ones get the default",
        fmt::join(way.left_alone, ", "));
  }
  return {Severity::info, "way-back", std::move(message), old_table.qualified,
          "'pgfanout rollback --keep-new-rows' keeps them, --save-new-rows saves them in a table"};
}

Result<void> check_rollback_map(Connection& connection, const JobDescription& job,
                                const Table& old_table, const std::vector<NewColumn>& columns) {
  std::string row;
  for (const NewColumn& column : columns) {
    row += fmt::format("{}NULL::{} AS {}", row.empty() ? "" : ", ", column.type_sql,
                       quoted_name(column.name));
  }
  for (const ColumnMapping& mapping : job.window.rollback_map) {
    const std::string name = column_name_of(mapping.column, old_table.columns);
    const Column* column = old_table.find(name);
    if (column == nullptr || column->generated != 0) {
      return refused("bad-rollback-map",
                     fmt::format("[rollback.map] gives column {} a value, and {} {}",
                                 display_name(name), old_table.qualified,
                                 column == nullptr ? "has no such column" : "computes it"),
                     column == nullptr ? missing_column_hint(name, old_table) : "leave it out",
                     old_table.qualified);
    }
    const std::string value = parenthesized(mapping.sql);
    // The condition takes no aggregates, window functions and sets.
    auto described = with_search_path(connection, old_table.application.sql, [&] {
      return connection.describe(
          fmt::format("INSERT INTO {0} ({1}) OVERRIDING SYSTEM VALUE SELECT {2} FROM (SELECT {3})"
                      " AS pgfanout_new WHERE {2} IS NULL",
                      old_table.qualified, column->quoted, value, row));
    });
    if (described) continue;
    Error error = std::move(described).error();
    if (error.consequence != Consequence::refuse || error.sqlstate.empty()) return error;
    error.code = "bad-rollback-map";
    error.message =
        fmt::format("the expression of [rollback.map] for column {} is not accepted: {}",
                    column->quoted, error.message);
    error.hint = "it may use the new table's columns, and neither aggregates nor sets";
    error.where = old_table.qualified;
    return error;
  }
  return {};
}

}  // namespace pgfanout
