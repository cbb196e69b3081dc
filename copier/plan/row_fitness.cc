#include "copier/plan/row_fitness.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <random>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/type_catalog.h"
#include "copier/key/page_sample.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t kSampledPages = 100;
constexpr std::uint64_t kMostRows = 1000;
/// A wider row is left out: its values would travel as text.
constexpr int kMostRowBytes = 8192;

/// Stands for the sampled rows in the conditions.
constexpr const char* kRow = "pgfanout_row";

/// {0}: kRow. The columns of a foreign key are compared by the built-in operators; where there is
/// none, the rule cannot be tried.
constexpr const char* kRulesSql = R"sql(
SELECT format('constraint %I', k.conname), format('NOT (%s)', pg_get_expr(k.conbin, k.conrelid))
FROM pg_constraint k WHERE k.conrelid = $1::oid AND k.contype = 'c'
AND (k.convalidated OR NOT $2::bool) AND COALESCE((to_jsonb(k) ->> 'conenforced')::bool, true)
UNION ALL
SELECT format('foreign key %I', k.conname), format('NOT EXISTS (SELECT FROM %s pgfanout_other WHERE '
  '%s) AND %s', k.confrelid::regclass, string_agg(format('pgfanout_other.%I = {0}.%I', f.attname,
    a.attname), ' AND '), string_agg(format('{0}.%I IS NOT NULL', a.attname), ' AND '))
FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS c(own, other)
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.own
JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = c.other
WHERE k.conrelid = $1::oid AND k.contype = 'f' AND k.confrelid <> k.conrelid
AND (k.convalidated OR NOT $2::bool) AND COALESCE((to_jsonb(k) ->> 'conenforced')::bool, true)
GROUP BY k.oid, k.conname, k.confrelid
UNION ALL
SELECT format('unique index %I', c.relname), format('(%1$s) IN (SELECT %1$s FROM {0} GROUP BY %1$s '
  'HAVING count(*) > 1)', string_agg(quote_ident(a.attname), ', '))
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey[:i.indnkeyatts - 1]) AS k(number)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = $1::oid AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY c.oid, c.relname ORDER BY 1)sql";

std::string array_of(const std::vector<ProbeRow>& rows, std::size_t field) {
  std::string array = "{";
  for (const ProbeRow& row : rows) {
    if (array.size() > 1) array += ',';
    array += row[field] ? text_array({*row[field]}).substr(1) : "NULL";
    if (row[field]) array.pop_back();
  }
  return array + "}";
}

class SampledRows {
 public:
  static Result<SampledRows> read(Connection& source, const CopyPlan& plan) {
    SampledRows sample(plan);
    std::mt19937_64 random(std::random_device{}());
    const std::vector<SampledPage> pages = draw_pages(plan.source, kSampledPages, random);
    for (std::size_t at = 0; at < plan.stream.read_layout.digested; ++at) {
      const StreamColumn& column = plan.stream.columns[at];
      const bool is_taken = !column.source_sql.empty() && !column.is_volatile;
      if (is_taken) sample.columns_.push_back(&column);
    }
    if (pages.empty() || sample.columns_.empty()) return sample;
    std::string bytes = "0";
    for (const Column& column : plan.source.columns) {
      if (column.generated != 'v')
        bytes += fmt::format(" + COALESCE(pg_column_size({}), 0)", column.quoted);
    }
    const std::string is_narrow = fmt::format("{} <= {}", bytes, kMostRowBytes);
    std::string list = fmt::format(
        "CASE WHEN {} THEN tableoid::regclass::text || ' ctid ' || ctid::text END", is_narrow);
    for (const StreamColumn* column : sample.columns_) {
      list += fmt::format(", CASE WHEN {} THEN ({})::text END", is_narrow, column->source_sql);
    }
    const auto rows = in_savepoint(source, [&] {
      return read_sample(source, sample_sql(plan.source, list, pages, kMostRows),
                         sample.columns_.size() + 1);
    });
    // A value that cannot be computed is told where rows are read as the copy reads them.
    if (!rows && rows.error().sqlstate.empty()) return rows.error();
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
                                      kRow, rows_sql(), rule.broken),
                          arrays);
    });
    if (!broken && broken.error().sqlstate.empty()) return broken.error();
    if (broken && broken->integer(0, 0) > 0) {
      issues.push_back(issue(rule.name, static_cast<std::uint64_t>(broken->integer(0, 0)),
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
      if (all.error().sqlstate.empty()) return all.error();
      if (!all.error().sqlstate.starts_with("23")) continue;
      std::size_t first = 0;
      while (first + 1 < rows_.size() && refused_by({rows_[first]})) ++first;
      issues.push_back(issue(
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

  /// A row for each sampled one, with the target's columns and their types, and the key.
  [[nodiscard]] std::string rows_sql() const {
    std::string list;
    std::string arrays;
    std::string names;
    for (std::size_t at = 0; at < columns_.size(); ++at) {
      // A domain was tried on its own, and its base type has the same operators.
      list += fmt::format("{}v{}::{} AS {}", at == 0 ? "" : ", ", at, columns_[at]->type_sql,
                          columns_[at]->target_sql);
      arrays += fmt::format("{}${}::text[]", at == 0 ? "" : ", ", at + 1);
      names += fmt::format("v{}, ", at);
    }
    const std::string rows = fmt::format(
        "SELECT {}, place AS \"pgfanout place\" FROM unnest({}) WITH ORDINALITY AS v({}place)",
        list, arrays, names);
    if (!plan_->key.column) return rows;
    return fmt::format("SELECT r.*, {} AS {} FROM ({}) AS r", plan_->key.sql_on_target,
                       quoted_name(*plan_->key.column), rows);
  }

  /// `count` 0: how many others break it is unknown.
  [[nodiscard]] Issue issue(const std::string& rule, std::uint64_t count, std::size_t first) const {
    const std::string rows = count == 0
                                 ? "a sampled row breaks"
                                 : fmt::format("{} of {} sampled rows break", count, rows_.size());
    return {
        Severity::error, "constraint",
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
  std::vector<RowRule> rules;
  for (int row = 0; row < rows.size(); ++row) rules.push_back({rows.str(row, 0), rows.str(row, 1)});
  return rules;
}

Result<std::vector<Issue>> find_refused_rows(Connection& source, Connection& target,
                                             const CopyPlan& plan,
                                             const std::vector<RowRule>& rules) {
  std::vector<Issue> issues;
  PGFANOUT_TRY_ASSIGN(const SampledRows sample, SampledRows::read(source, plan));
  if (sample.empty()) return issues;
  PGFANOUT_TRY(sample.try_domains(target, issues));
  if (!issues.empty()) return issues;  // No other rule could be tried.
  for (const RowRule& rule : sample.not_null_rules())
    PGFANOUT_TRY(sample.try_rule(target, rule, issues));
  for (const RowRule& rule : rules) PGFANOUT_TRY(sample.try_rule(target, rule, issues));
  return issues;
}

}  // namespace pgfanout
