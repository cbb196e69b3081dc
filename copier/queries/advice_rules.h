// Advice on indexes by rules: from the plans of the application's queries to the indexes that would
// help them. Pure functions; advise.h lets the server try the result.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/queries/query_plan.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// An index that the table has. Items are as the server prints them, without operator classes.
struct KnownIndex {
  std::string name;
  std::string method;
  bool is_unique = false;
  bool is_needed = false;  ///< By a constraint, or as replica identity.
  std::vector<std::string> items;
  std::vector<std::string> included;
  std::string where;  ///< The condition alone; empty: none.
};

struct AdviceFacts {
  std::string table;                ///< Begins the names of new indexes.
  std::set<std::string> relations;  ///< "schema.name" of the table and its leaves.
  std::vector<Column> columns;
  std::vector<std::string> primary_key;
  std::vector<KnownIndex> indexes;
  std::map<std::string, double> distinct;  ///< Number of a column's values, where it is known.
  bool has_trigrams = false;               ///< pg_trgm is installed.
  /// Of the new layout; empty: unknown. A query that gives all inputs should give the key as well.
  std::string key;                      ///< "partition_key", or the expression in parentheses.
  std::string key_sql;                  ///< The expression, over `key_inputs`.
  std::vector<std::string> key_inputs;  ///< Unquoted.
};

struct AdvicePattern {
  std::string query;
  double share = 0;             ///< Of the time of all queries, or of their cost.
  bool has_parameters = false;  ///< Else $1 in its plan is of a part of the plan.
  bool gives_key = false;       ///< In the form that the application will use.
  QueryPlan plan;
};

/// The advice, the most important first; nothing that an index of the table does already. One
/// entry for each index, with all queries that it helps.
[[nodiscard]] std::vector<IndexAdvice> advice_of(std::vector<AdvicePattern> patterns,
                                                 const AdviceFacts& facts);

/// Indexes that another one stands in for: of the same definition, or its first columns.
[[nodiscard]] std::vector<Issue> redundant_indexes(const std::vector<KnownIndex>& indexes,
                                                   const std::string& table);

}  // namespace pgfanout
