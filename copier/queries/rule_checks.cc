#include "copier/queries/rule_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "copier/base/counted.h"
#include "copier/catalog/sql_text.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

constexpr std::size_t kNamedRows = 10;
constexpr std::size_t kCharactersOfRow = 200;

/// "id=5 region=7; public.t_p03 (0,5)" of a row `t`, as arguments of concat().
std::string row_name(const Table& table) {
  std::string parts;
  for (const std::string& key : table.primary_key) {
    const Column* column = table.find(key);
    if (column == nullptr) continue;
    parts += fmt::format("{}, t.{}, ' ', ", dollar_quoted(column->quoted + "="), column->quoted);
  }
  return parts + "t.tableoid::pg_catalog.regclass, ' ', t.ctid";
}

}  // namespace

std::string rule_sql(const RuleCheck& rule, const Table& table, std::size_t most) {
  const auto on_table = [&](const std::string& sql) {
    return with_placeholder(sql, "{table}", table.qualified);
  };
  if (!rule.check.empty()) {
    return fmt::format(
        // Under CASE, parentheses that do not match are an error.
        "SELECT pg_catalog.left(pg_catalog.concat({}), {}) FROM {} AS t"
        " WHERE CASE WHEN\n{}\nTHEN false ELSE true END LIMIT {}",
        row_name(table), kCharactersOfRow, table.qualified, on_table(rule.check), most);
  }
  std::string sql = on_table(rule.sql);
  sql.erase(sql.find_last_not_of("; \t\r\n") + 1);
  return fmt::format(
      "SELECT pg_catalog.left(pg_catalog.row_to_json(q)::pg_catalog.text, {}) FROM (\n{}\n) AS q"
      " LIMIT {}",
      kCharactersOfRow, sql, most);
}

Result<RuleOutcome> try_rule(Connection& connection, const RuleCheck& rule, const Table& table,
                             std::chrono::milliseconds patience) {
  const std::string sql = rule_sql(rule, table, kNamedRows + 1);
  const auto work = [&]() -> Result<Rows> {
    PGFANOUT_TRY(connection.run(fmt::format("SET LOCAL statement_timeout = {}", patience.count())));
    return with_search_path(connection, table.application.sql,
                            [&] { return connection.query(sql); });
  };
  auto rows = in_savepoint(connection, work);
  RuleOutcome outcome;
  if (!rows) {
    // A complaint about the rule, not about the session.
    if (rows.error().sqlstate.empty() || !connection.is_open()) return std::move(rows).error();
    outcome.hindrance = std::move(rows).error();
    return outcome;
  }
  for (int row = 0; row < rows->size(); ++row) {
    if (outcome.rows.size() == kNamedRows) {
      outcome.has_more = true;
    } else {
      outcome.rows.push_back(rows->str(row, 0));
    }
  }
  return outcome;
}

std::optional<Issue> issue_of(const RuleCheck& rule, const RuleOutcome& outcome,
                              const Table& table) {
  if (outcome.hindrance) {
    return Issue{Severity::error, "rule-not-checked",
                 fmt::format("rule '{}' could not be checked: {} ({})", rule.name,
                             outcome.hindrance->message, outcome.hindrance->sqlstate),
                 table.qualified,
                 fmt::format("correct the rule in the job file; it ran with search_path {}",
                             table.application.shown)};
  }
  if (outcome.rows.empty()) return std::nullopt;
  return Issue{
      rule.severity, "rule-violated",
      fmt::format("rule '{}' is violated by {}{}: {}", rule.name,
                  outcome.has_more ? "more than " : "", counted(outcome.rows.size(), "row", "rows"),
                  fmt::join(outcome.rows, "; ")),
      table.qualified, "correct these rows, or the rule in the job file"};
}

}  // namespace pgfanout
