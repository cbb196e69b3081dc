// The plan of a query, as EXPLAIN (FORMAT JSON) prints it: which relations and indexes it reads, by
// which conditions.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// One of the conditions that a node joins by AND: "lower(title) = 'x'".
struct PlanCondition {
  std::string expression;  ///< The side that is no constant, without outer parentheses.
  std::string column;      ///< Where that is a column alone, or one that is cast: its name.
  std::string op;          ///< "=", "~~", "IS NULL"; empty: of another form, as OR, or a boolean.
  std::string value;       ///< The other side: "'x'::text", "$1".
};
/// Of a text such as "((c.id = 5) AND (c.title ~~ 'a%'::text))".
[[nodiscard]] std::vector<PlanCondition> conditions_of(std::string_view text);

/// A node that reads a relation.
struct PlanScan {
  std::string node;      ///< "Index Scan".
  std::string relation;  ///< "schema.name", unquoted; the name alone without VERBOSE.
  std::string index;     ///< Its name alone; empty: none.
  std::vector<PlanCondition> conditions;  ///< Of index and filter.
};

struct QueryPlan {
  std::vector<PlanScan> scans;  ///< Under ANALYZE without those that were never executed.
  std::set<std::string> relations;
  std::set<std::string> indexes;
  std::vector<std::string> sort_keys;
  std::vector<std::string> output;  ///< Of the whole, as with VERBOSE.
  double cost = 0;                  ///< The planner's, of the whole.
  double rows = 0;                  ///< The planner's estimate.
  bool changes_data = false;
  std::string shape;  ///< "Limit > Append > 8 x Index Scan"; without nodes that never ran.
};

/// Refuses what is no document of EXPLAIN (FORMAT JSON).
Result<QueryPlan> parse_plan(std::string_view json);

/// `how`: "ANALYZE, TIMING OFF, " executes the query; without it, what is pruned while executing is
/// there.
Result<QueryPlan> explain(Connection& connection, std::string_view how, std::string_view sql);

}  // namespace pgfanout
