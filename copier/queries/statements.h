// Statements that applications ran on a table, by pg_stat_statements, as queries that can be run.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/queries/query_run.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// How statements may name a table.
struct TableMention {
  std::string schema;
  std::string name;
  bool is_on_path = true;  ///< The name alone finds it.
};

/// The statement with `{table}` for each place that names the table as a relation, which keeps its
/// name as an alias. Absent: it is no statement of an application that names the table, or a part
/// of it has the table's name.
[[nodiscard]] std::optional<std::string> pattern_of(std::string_view sql,
                                                    const TableMention& table);

/// "CAST($1 AS interval)" for "interval $1": pg_stat_statements replaces literals by parameters
/// where SQL has no parameters.
[[nodiscard]] std::string with_cast_parameters(std::string_view sql);

/// Where LIMIT or OFFSET has a parameter: its number, counted from 1.
struct LimitParameters {
  std::optional<std::size_t> limit;
  std::optional<std::size_t> offset;
};
[[nodiscard]] LimitParameters limit_parameters_of(std::string_view sql);

/// The column that a parameter is compared with.
struct ParameterColumn {
  std::string relation;  ///< "schema.name", unquoted.
  std::string column;
  std::string op;
  bool is_array = false;  ///< "= ANY ($1)".
};
[[nodiscard]] std::optional<ParameterColumn> column_of_parameter(const QueryPlan& plan,
                                                                 std::size_t number);

/// Those of the job, and as many from pg_stat_statements as it asks for: the most expensive ones,
/// by their total time, that name the table. Values of their parameters come from sampled rows;
/// where one cannot be found, `params` is empty. What prevents it is reported.
Result<std::vector<QueryCheck>> queries_of(const WindowRequest& request, const QueryTable& on,
                                           const IssueSink& report);

}  // namespace pgfanout
