// Whether the application's queries can run at all: known before the window, not at its end.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "copier/base/counted.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/index_definition.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/pg/transaction.h"
#include "copier/preflight/estimates.h"
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
  const bool is_of_query = is_complaint(error, run.source) || error.code == "query-invalid";
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

/// ivfflat indexes of the source, with their lists; NULL: the default.
constexpr const char* kListsSql =
    "SELECT c.relname, (SELECT split_part(o, '=', 2)::int8 FROM unnest(c.reloptions) o"
    " WHERE o LIKE 'lists=%') FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_am m ON m.oid = c.relam WHERE i.indrelid = $1::oid AND m.amname = 'ivfflat'"
    " ORDER BY 1";
constexpr std::uint64_t kDefaultLists = 100;

/// "USING ivfflat (...) WITH (lists = 100)" of the job file; absent: of another method.
std::optional<std::uint64_t> lists_of(const IndexDefinition& index) {
  const std::vector<SqlPiece> words = sql_words(index.tail);
  if (words.size() < 2 || words[1].text != "ivfflat") return std::nullopt;
  for (std::size_t at = 0; at + 2 < words.size(); ++at) {
    if (words[at].text != "lists") continue;
    const auto numbers = numbers_in<std::uint64_t>(words[at + 2].text);
    if (numbers.size() == 1) return numbers.front();
  }
  return kDefaultLists;
}

}  // namespace

/// Each leaf has lists of its own: those that fitted the whole table are too many.
Result<void> check_index_lists(PreflightRun& run) {
  std::map<std::string, std::uint64_t> lists;
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      run.source.query(kListsSql, {std::to_string(run.plan.source.oid)}));
  for (int row = 0; row < rows.size(); ++row) {
    lists[rows.str(row, 0)] =
        rows.is_null(row, 1) ? kDefaultLists : static_cast<std::uint64_t>(rows.integer(row, 1));
  }
  for (const std::string& written : run.job.target.indexes) {
    PGFANOUT_TRY_ASSIGN(const IndexDefinition index, parse_index_definition(written));
    lists.erase(index.name);
    if (const auto own = lists_of(index)) lists[index.name] = *own;
  }
  const std::uint64_t leaf_rows =
      run.plan.source.estimated_rows / std::max<std::size_t>(1, run.plan.target.leaves.size());
  const std::uint64_t fitting = fitting_lists(leaf_rows);
  for (const auto& [name, own] : lists) {
    if (own <= 2 * fitting && fitting <= 2 * own) continue;
    run.add(
        Severity::warning, "ivfflat-lists",
        fmt::format("index {} has {} lists on each leaf of about {}: {} would fit",
                    display_name(name), own, rows_text(leaf_rows), fitting),
        run.plan.source.qualified,
        fmt::format("define it in [[target.indexes]] by the same name WITH (lists = {})", fitting));
  }
  return {};
}

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
