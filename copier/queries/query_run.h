// Runs queries of the application on one table or two: the same result, plans, times, and what the
// host did meanwhile. Only SELECTs are executed, in transactions that read only and are rolled
// back; statements that change data are planned.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "copier/pg/transaction.h"
#include "copier/queries/query_plan.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Ends the queries that are executed, so that pg_stat_statements does not give them back as those
/// of the application.
inline constexpr std::string_view kOwnQuery = "/* pgfanout */";

/// A table that queries are run on, and the session that runs them.
struct QueryTable {
  Connection& connection;
  const Table& table;
  std::string path;  ///< Of the application on that server, as SET takes it.
};

/// Work under the application's search_path, whose effects and errors leave an open transaction as
/// it was.
template <class Work>
auto as_application(const QueryTable& on, Work work) -> decltype(work()) {
  return in_savepoint(on.connection,
                      [&] { return with_search_path(on.connection, on.path, work); });
}

/// The server's own complaint about a statement, not a lost connection or a request to stop.
[[nodiscard]] bool is_complaint(const Error& error, const Connection& connection);

/// A query in its form for one table.
struct BoundQuery {
  std::string pattern;               ///< With $1, $2, ..., so without the rows' values: for people.
  std::string sql;                   ///< With values, unless some are missing.
  std::vector<std::string> missing;  ///< Types of the parameters, where values are missing.
  QueryPlan plan;                    ///< Not executed; of all leaves where values are missing.

  [[nodiscard]] bool is_runnable() const { return missing.empty() && !plan.changes_data; }
};
/// Lets the server parse and plan it, which finds what it lacks. `is_target`: target_sql counts.
Result<BoundQuery> bind_query(const QueryTable& on, const QueryCheck& check, bool is_target);

struct QueryOptions {
  QueryBaseline baseline;  ///< Where there is no source.
  std::string may_change;  ///< Why both tables need not have the same rows; empty: they must.
};

/// Runs all on the source, the target or both, turn by turn; null: there is none. A query that
/// fails is a finding, and no error.
Result<QueryReport> run_queries(const std::vector<QueryCheck>& queries, const QueryTable* source,
                                const QueryTable* target, const QueryOptions& options,
                                const Cancellation& cancellation);

}  // namespace pgfanout
