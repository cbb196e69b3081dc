// The way of rows that are written after a swap back into the old table: the value that each of
// its columns gets, as SQL over the new table's columns. Known before the window. Pure, but for
// check_rollback_map().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A column of the new table, as it is or will be.
struct NewColumn {
  std::string name;
  std::string type_sql;
  bool is_not_null = false;
};

[[nodiscard]] std::vector<NewColumn> new_columns_of(const Table& table);

struct WayBack {
  struct Value {
    std::string old_column;  ///< Quoted.
    std::string sql;         ///< Empty: an update leaves it alone, an insert gives the default.
    std::vector<std::string> inputs;  ///< Names in `sql` that are columns of the new table.
  };
  std::vector<Value> values;            ///< For the columns that the old table does not compute.
  std::vector<std::string> obstacles;   ///< Sentences; none: all new rows can be applied.
  std::vector<std::string> left_alone;  ///< Quoted old columns that the new table does not have.
  bool is_mapped = false;               ///< [rollback.map] is in it.
  bool changes_columns = false;         ///< The job maps or skips columns.
};

/// `job.window.rollback_map` wins. `key_column` of both tables, with its SQL over the new table's
/// columns; empty `key_sql`: the old table stores another key there.
[[nodiscard]] WayBack plan_way_back(const JobDescription& job, const Table& old_table,
                                    const std::vector<NewColumn>& columns,
                                    const std::string& key_column, const std::string& key_sql);

/// The plan's line about it.
[[nodiscard]] Issue issue_of(const WayBack& way, const Table& old_table);

/// Asks the server about each expression of `job.window.rollback_map`; refuses with
/// "bad-rollback-map".
Result<void> check_rollback_map(Connection& connection, const JobDescription& job,
                                const Table& old_table, const std::vector<NewColumn>& columns);

}  // namespace pgfanout
