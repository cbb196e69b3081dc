// Whether the application's queries can run at all: known before the window, not at its end.
#include <fmt/format.h>

#include "copier/pg/transaction.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/queries/query_run.h"

namespace pgfanout {
namespace {

constexpr const char* kUndefinedFunction = "42883";  ///< Of operators, too.

Result<void> check_query(PreflightRun& run, const QueryCheck& check) {
  const Table& table = run.plan.source;
  const auto bound = bind_query({run.source, table, table.application.sql}, check, false);
  if (bound) {
    if (!bound->missing.empty()) {
      run.add(
          Severity::warning, "query-not-run",
          fmt::format("query {} has parameters without values: it will be planned, not executed",
                      check.name),
          table.qualified, "give params = [...] in the job file");
    }
    return {};
  }
  const Error& error = bound.error();
  const bool is_of_query = is_complaint(error, run.source) || error.code == "query-params";
  if (!is_of_query) return error;
  run.add(check.severity, "query-invalid",
          fmt::format("query {} cannot be run: {}", check.name, error.message), table.qualified,
          error.sqlstate == kUndefinedFunction
              ? fmt::format("correct the query in the job file; it is looked up along the "
                            "application's search_path ({}), which --search-path sets",
                            table.application.shown)
              : "correct the query in the job file");
  return {};
}

}  // namespace

/// The form for the new table can be tried only when that table exists.
Result<void> check_application_queries(PreflightRun& run) {
  if (run.job.window.queries.empty()) return {};
  const auto check_all = [&]() -> Result<void> {
    for (const QueryCheck& check : run.job.window.queries) PGFANOUT_TRY(check_query(run, check));
    return {};
  };
  if (run.source.is_in_transaction()) return check_all();
  return in_transaction(run.source, {"BEGIN READ ONLY", TransactionEnd::roll_back}, check_all);
}

}  // namespace pgfanout
