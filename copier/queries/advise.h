// Advice on indexes for the application's queries, tried by the server: HypoPG lets its planner
// believe in an index that nobody has built. Where it is not installed, rules alone decide.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "copier/queries/query_run.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The key that a query should give to read one leaf, as in AdviceFacts; empty: unknown.
struct AdviceKey {
  std::string key;
  std::string key_sql;
  std::vector<std::string> inputs;
};

/// Estimates of the number of a column's values, by the statistics of the table and of a leaf.
Result<std::map<std::string, double>> distinct_values(Connection& connection, const Table& table);

/// Plans the queries on the table, in a session of its own, and changes nothing. Their times are
/// those of `report`. Redundant indexes go to `sink`.
Result<std::vector<IndexAdvice>> advise(const QueryTable& on, bool is_target,
                                        const std::vector<QueryCheck>& queries,
                                        const QueryReport& report, const AdviceKey& key,
                                        const IssueSink& sink);

}  // namespace pgfanout
