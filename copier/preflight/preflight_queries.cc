// Whether the application's queries can run at all, and how many leaves they would read in this and
// in other layouts: known before the window, not at its end.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "copier/base/counted.h"
#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/index_definition.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/pg/transaction.h"
#include "copier/preflight/estimates.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/queries/advise.h"
#include "copier/queries/layout_advice.h"
#include "copier/queries/query_run.h"
#include "copier/queries/statements.h"
#include "hashing/partition_key.h"

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

/// The columns of the table that each foreign key of another table refers to.
constexpr const char* kReferencesSql =
    "SELECT k.oid, a.attname FROM pg_constraint k CROSS JOIN LATERAL unnest(k.confkey) number"
    " JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = number"
    " WHERE k.confrelid = $1::oid AND k.contype = 'f' AND k.conparentid = 0 ORDER BY 1";

/// In the terms of LayoutCandidate: the layout that the job asks for, or its target has.
LayoutCandidate asked_layout(const PreflightRun& run, const LayoutFacts& facts) {
  const CopyTarget& target = run.plan.target;
  const LayoutRules rules = layout_kind_of(run.job).rules(run.job);
  LayoutCandidate asked{kByKey, 'l', {}, static_cast<std::uint32_t>(target.leaves.size()), ""};
  if (const PartitionKey* key = run.plan.key.expression.partition_key()) {
    constexpr std::string_view kWords[] = {"HASH", "RANGE", "LIST"};
    constexpr char kStrategies[] = {'h', 'r', 'l'};
    const auto strategy = static_cast<std::size_t>(key->strategy);
    asked.name = fmt::format("{} ({})", kWords[strategy],
                             joined(target.partition_columns, ", ", display_name));
    asked.strategy = kStrategies[strategy];
  } else if (rules.is_plain) {
    asked.name = "none";
    asked.strategy = 0;
  }
  for (const std::string& column : target.partition_columns) {
    if (run.plan.source.find(column) != nullptr) asked.columns.push_back(column);
  }
  if (asked.strategy == 0 || asked.columns.size() == target.partition_columns.size()) {
    asked.changes = changes_of(facts, asked.columns);
  }
  if (asked.strategy != 0 && asked.columns.empty()) {
    const std::string key = display_name(run.job.key_column);
    asked.changes =
        rules.supplies_key ? fmt::format("inserts supply {}", key) : "inserts unchanged";
    if (!facts.primary_key.empty()) {
      asked.changes += rules.by_columns ? fmt::format("; primary key gains {}", key)
                                        : "; no primary key on the table itself";
    }
    if (!facts.references.empty()) asked.changes += "; no foreign key that refers to it stays";
  }
  return asked;
}

LayoutCandidate present_layout(const Table& table, const LayoutFacts& facts) {
  if (table.strategy == 0) return {"none", 0, {}, 1, changes_of(facts, {})};
  LayoutCandidate present{table.partition_key, table.strategy, table.partition_columns,
                          static_cast<std::uint32_t>(table.leaves.size()), ""};
  // An expression is known by no column.
  if (contains(present.columns, "")) {
    present.columns.clear();
  } else {
    present.changes = changes_of(facts, present.columns);
  }
  return present;
}

/// Those of the job and of pg_stat_statements that read the table; one that the server does not
/// take has been told.
Result<std::vector<LayoutQuery>> read_queries(PreflightRun& run) {
  const Table& table = run.plan.source;
  const QueryTable on{run.source, table, table.application.sql};
  PGFANOUT_TRY_ASSIGN(const auto checks, queries_of(run.job.window, on, [&](Issue issue) {
                        run.found.issues.push_back(std::move(issue));
                      }));
  std::set<std::string> relations{table.schema + "." + table.name};
  for (const Leaf& leaf : table.leaves) relations.insert(leaf.schema + "." + leaf.name);
  std::vector<LayoutQuery> queries;
  for (const QueryCheck& check : checks) {
    const auto bound = bind_query(on, check, false);
    if (!bound && !is_complaint(bound.error(), run.source) && bound.error().code != "query-invalid")
      return bound.error();
    if (!bound) continue;
    auto pinned = pinned_columns(bound->plan, relations);
    if (!pinned) continue;
    const std::string_view key =
        run.plan.key.column ? *run.plan.key.column : run.plan.key.expression.sql();
    queries.push_back({check.name, static_cast<double>(std::max<std::uint64_t>(check.calls, 1)),
                       *std::move(pinned), check.target_sql.find(key) != std::string::npos});
  }
  return queries;
}

}  // namespace

/// Without any query, one by the columns that rows are found by today.
Result<void> check_layouts(PreflightRun& run) {
  const Table& table = run.plan.source;
  const auto read = [&]() -> Result<void> {
    LayoutFacts facts;
    facts.columns = table.columns;
    facts.primary_key = table.primary_key;
    PGFANOUT_TRY_ASSIGN(const Rows references, run.read(kReferencesSql));
    for (int row = 0; row < references.size(); ++row) {
      if (row == 0 || references.oid(row, 0) != references.oid(row - 1, 0))
        facts.references.emplace_back();
      facts.references.back().push_back(references.str(row, 1));
    }
    PGFANOUT_TRY_ASSIGN(facts.distinct, distinct_values(run.source, table));
    facts.asked = asked_layout(run, facts);
    facts.present = present_layout(table, facts);
    PGFANOUT_TRY_ASSIGN(std::vector<LayoutQuery> queries, read_queries(run));
    const bool are_known = !queries.empty();
    if (!are_known) {
      std::vector<std::string> columns = facts.present.columns;
      if (columns.empty()) {
        columns = parts_of(run.plan.key.expression.used_columns(),
                           [&](std::size_t used) { return table.columns[used].name; });
      }
      queries.push_back({fmt::format("by {} alone", joined(columns, ", ", display_name)),
                         1,
                         {{columns.begin(), columns.end()}, {}, {}},
                         false});
    }
    run.found.layouts = layout_options(facts, queries);
    if (auto advice = layout_advice(run.found.layouts, are_known, table.qualified)) {
      run.found.issues.push_back(*std::move(advice));
    }
    return {};
  };
  if (run.source.is_in_transaction()) return read();
  return in_transaction(run.source, {"BEGIN READ ONLY", TransactionEnd::roll_back}, read);
}

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
