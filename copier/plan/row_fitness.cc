#include "copier/plan/row_fitness.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/type_catalog.h"
#include "copier/key/page_sample.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t kMostPages = 100;
constexpr std::uint64_t kMostRows = 1000;
/// A row with a larger value is left out: the value would travel as text.
constexpr int kMostBytes = 8192;

/// Stands for the sampled rows in the conditions.
constexpr const char* kRow = "pgfanout_row";

/// {0}: kRow. The columns of a foreign key are compared by the built-in operators; where there is
/// none, the rule cannot be tried.
constexpr const char* kRulesSql = R"sql(
SELECT format('constraint %I', k.conname), format('NOT (%s)', pg_get_expr(k.conbin, k.conrelid)),
  'constraint'
FROM pg_constraint k WHERE k.conrelid = $1::oid AND k.contype = 'c'
AND (k.convalidated OR NOT $2::bool) AND COALESCE((to_jsonb(k) ->> 'conenforced')::bool, true)
UNION ALL
SELECT format('foreign key %I', k.conname), format('NOT EXISTS (SELECT FROM %s pgfanout_other WHERE '
  '%s) AND %s', k.confrelid::regclass, string_agg(format('pgfanout_other.%I = {0}.%I', f.attname,
    a.attname), ' AND '), string_agg(format('{0}.%I IS NOT NULL', a.attname), ' AND ')), 'constraint'
FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS c(own, other)
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.own
JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = c.other
WHERE k.conrelid = $1::oid AND k.contype = 'f' AND k.confrelid <> k.conrelid
AND (k.convalidated OR NOT $2::bool) AND COALESCE((to_jsonb(k) ->> 'conenforced')::bool, true)
GROUP BY k.oid, k.conname, k.confrelid
UNION ALL
SELECT format('unique index %I', c.relname), format('(%1$s) IN (SELECT %1$s FROM {0} GROUP BY %1$s '
  'HAVING count(*) > 1)', string_agg(quote_ident(a.attname), ', ')), 'not-unique'
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey[:i.indnkeyatts - 1]) AS k(number)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = $1::oid AND i.indisunique AND (i.indisvalid OR NOT $2::bool)
AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY c.oid, c.relname ORDER BY 1)sql";

/// A lost connection, or a row that a domain refuses.
bool is_of_interest(const Error& error) {
  return error.sqlstate.empty() || error.sqlstate.starts_with("23");
}

std::string array_of(const std::vector<ProbeRow>& rows, std::size_t field) {
  const auto element = [&](const ProbeRow& row) -> std::string {
    if (!row[field]) return "NULL";
    const std::string alone = text_array({*row[field]});
    return alone.substr(1, alone.size() - 2);
  };
  return "{" + joined(rows, ",", element) + "}";
}

class SampledRows {
 public:
  static Result<SampledRows> read(Connection& source, const CopyPlan& plan,
                                  const std::vector<RowRule>& rules) {
    SampledRows sample(plan);
    sample.choose_columns(rules);
    const std::size_t columns = sample.columns_.size();
    if (columns == 0) return sample;
    std::mt19937_64 random(std::random_device{}());
    // Each page is a SELECT of its own with all columns.
    const std::vector<SampledPage> pages =
        draw_pages(plan.source, std::clamp<std::uint64_t>(5000 / columns, 5, kMostPages), random);
    if (pages.empty()) return sample;
    std::string values;
    std::string is_narrow = "true";
    for (const StreamColumn* column : sample.columns_) {
      const std::string guard = narrow_sql(plan.source, column->source_sql);
      is_narrow += " AND " + guard;
      values += fmt::format(", CASE WHEN {} THEN ({})::text END", guard, column->source_sql);
    }
    const std::string list =
        fmt::format("CASE WHEN {} THEN tableoid::regclass::text || ' ctid ' || ctid::text END{}",
                    is_narrow, values);
    const auto rows = in_savepoint(source, [&] {
      return read_sample(source, sample_sql(plan.source, list, pages, kMostRows), columns + 1);
    });
    // Another value that cannot be computed is told where rows are read as the copy reads them.
    if (!rows && is_of_interest(rows.error())) return rows.error();
    if (!rows) return sample;
    for (const ProbeRow& row : *rows) {
      if (row.front()) sample.rows_.push_back(row);
    }
    return sample;
  }

  [[nodiscard]] bool empty() const { return rows_.empty(); }

  /// How many break it, or nothing where it cannot be tried.
  Result<void> try_rule(Connection& target, const RowRule& rule, std::vector<Issue>& issues) const {
    std::vector<Parameter> arrays;
    for (std::size_t at = 0; at < columns_.size(); ++at) arrays.push_back(array_of(rows_, at + 1));
    const auto broken = in_savepoint(target, [&] {
      return target.query(fmt::format("WITH {0} AS ({1}) SELECT count(*), min(\"pgfanout place\")"
                                      " FROM {0} WHERE {2}",
                                      kRow, rows_sql(rule.broken), rule.broken),
                          arrays);
    });
    if (!broken && broken.error().sqlstate.empty()) return broken.error();
    if (broken && broken->integer(0, 0) > 0) {
      issues.push_back(issue(rule.code, rule.name,
                             static_cast<std::uint64_t>(broken->integer(0, 0)),
                             static_cast<std::size_t>(broken->integer(0, 1)) - 1));
    }
    return {};
  }

  /// Domains check their values when those are made.
  Result<void> try_domains(Connection& target, std::vector<Issue>& issues) const {
    for (std::size_t at = 0; at < columns_.size(); ++at) {
      if (!columns_[at]->is_domain) continue;
      const std::string cast = fmt::format(
          "SELECT count(value::{}) FROM unnest($1::text[]) AS value", columns_[at]->type_sql);
      const auto refused_by = [&](const std::vector<ProbeRow>& rows) {
        return in_savepoint(target, [&] { return target.query(cast, {array_of(rows, at + 1)}); });
      };
      const auto all = refused_by(rows_);
      if (all) continue;
      if (!is_of_interest(all.error())) continue;
      if (all.error().sqlstate.empty()) return all.error();
      std::size_t first = 0;
      while (first + 1 < rows_.size() && refused_by({rows_[first]})) ++first;
      issues.push_back(issue(
          "constraint",
          fmt::format("domain {} of column {}", columns_[at]->type_sql, columns_[at]->target_sql),
          0, first));
    }
    return {};
  }

  [[nodiscard]] std::vector<RowRule> not_null_rules() const {
    std::vector<RowRule> rules;
    for (const StreamColumn* column : columns_) {
      if (column->is_not_null) {
        rules.push_back({fmt::format("NOT NULL of column {}", column->target_sql),
                         column->target_sql + " IS NULL"});
      }
    }
    return rules;
  }

 private:
  explicit SampledRows(const CopyPlan& plan) : plan_(&plan) {}

  /// Those of rules, as far as names tell, and of the key, which a rule may name.
  void choose_columns(const std::vector<RowRule>& rules) {
    std::string used;
    for (const RowRule& rule : rules) used += rule.broken + "\n";
    if (names_key(used)) used += plan_->key.sql_on_target;
    for (std::size_t at = 0; at < plan_->stream.read_layout.digested; ++at) {
      const StreamColumn& column = plan_->stream.columns[at];
      if (column.source_sql.empty() || column.is_volatile) continue;
      const bool is_used = column.is_domain || column.is_not_null ||
                           used.find(column.target_sql) != std::string::npos;
      if (is_used) columns_.push_back(&column);
    }
  }

  [[nodiscard]] bool names_key(const std::string& conditions) const {
    return plan_->key.column && conditions.find(*plan_->key.column) != std::string::npos;
  }

  /// True of rows in which the columns that the expression names are small.
  static std::string narrow_sql(const Table& table, const std::string& expression) {
    std::string bytes = "0";
    for (const Column& column : table.columns) {
      if (column.generated == 'v' || expression.find(column.quoted) == std::string::npos) continue;
      bytes += fmt::format(" + COALESCE(pg_column_size({}), 0)", column.quoted);
    }
    return fmt::format("{} <= {}", bytes, kMostBytes);
  }

  /// A row for each sampled one, with the target's columns and their types, and the key if the
  /// condition names it.
  [[nodiscard]] std::string rows_sql(const std::string& condition) const {
    const auto list = [&](auto text_of) { return joined(columns_.size(), ", ", text_of); };
    // A domain was tried on its own, and its base type has the same operators.
    const std::string rows = fmt::format(
        "SELECT {}, place AS \"pgfanout place\" FROM unnest({}) WITH ORDINALITY AS v({}, place)",
        list([&](std::size_t at) {
          return fmt::format("v{}::{} AS {}", at, columns_[at]->type_sql, columns_[at]->target_sql);
        }),
        list([](std::size_t at) { return fmt::format("${}::text[]", at + 1); }),
        list([](std::size_t at) { return fmt::format("v{}", at); }));
    if (!names_key(condition)) return rows;
    return fmt::format("SELECT r.*, {} AS {} FROM ({}) AS r", plan_->key.sql_on_target,
                       quoted_name(*plan_->key.column), rows);
  }

  /// `count` 0: how many others break it is unknown.
  [[nodiscard]] Issue issue(const std::string& code, const std::string& rule, std::uint64_t count,
                            std::size_t first) const {
    const std::string rows = count == 0
                                 ? "a sampled row breaks"
                                 : fmt::format("{} of {} sampled rows break", count, rows_.size());
    return {
        Severity::error, code,
        fmt::format("{} {} of {}; the first is {}", rows, rule, plan_->target.qualified,
                    *rows_[first].front()),
        *rows_[first].front(),
        "correct the rows or the rule before the copy; with --reject-limit, copy sets such rows "
        "aside"};
  }

  const CopyPlan* plan_;
  std::vector<const StreamColumn*> columns_;
  std::vector<ProbeRow> rows_;  // The place, then the columns.
};

}  // namespace

Result<std::vector<RowRule>> read_row_rules(Connection& connection, std::uint32_t table,
                                            bool only_valid) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(fmt::format(kRulesSql, kRow),
                                       {std::to_string(table), only_valid ? "true" : "false"}));
  return read_rows<RowRule>(rows, &RowRule::name, &RowRule::broken, &RowRule::code);
}

Result<std::vector<Issue>> find_refused_rows(Connection& source, Connection& target,
                                             const CopyPlan& plan,
                                             const std::vector<RowRule>& rules, bool of_columns) {
  std::vector<Issue> issues;
  const auto read = SampledRows::read(source, plan, rules);
  if (!read && read.error().sqlstate.empty()) return read.error();
  if (!read) {
    issues.push_back({Severity::error, "constraint",
                      "a sampled row cannot be read as the copy reads it: " + read.error().message,
                      plan.source.qualified, "correct the row or the mapping"});
    return issues;
  }
  const SampledRows& sample = *read;
  if (sample.empty()) return issues;
  if (of_columns) {
    PGFANOUT_TRY(sample.try_domains(target, issues));
    if (!issues.empty()) return issues;  // No other rule could be tried.
    for (const RowRule& rule : sample.not_null_rules())
      PGFANOUT_TRY(sample.try_rule(target, rule, issues));
  }
  for (const RowRule& rule : rules) PGFANOUT_TRY(sample.try_rule(target, rule, issues));
  return issues;
}

}  // namespace pgfanout
