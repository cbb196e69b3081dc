// How evenly the key will fill the leaves, from a sample of the rows; and which key would do
// better.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

#include "copier/base/amount.h"
#include "copier/base/byte_order.h"
#include "copier/key/key_plan.h"
#include "copier/key/page_sample.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/preflight/skew.h"

namespace pgfanout {
namespace {

/// Each is a branch of a UNION, and planning a thousand takes longer than reading them.
constexpr std::uint64_t kSampledPages = 400;
constexpr std::uint64_t kMostRows = 200'000;
/// Largest leaf over mean: what the table's users are promised to stay below.
constexpr double kBadSkew = 1.5;
constexpr std::size_t kMostCandidates = 6;
/// Longer text is no part of a key, and would be read for nothing.
constexpr std::int64_t kWidestCandidate = 64;

/// Sampled values of some columns of the source, and what each row takes on disk.
struct Sample {
  std::vector<std::size_t> columns;  ///< Of the source; parallel to each row.
  std::vector<ProbeRow> rows;
  std::vector<std::uint64_t> bytes;
};

std::string row_bytes_sql(const Table& table) {
  std::string sum;
  for (const Column& column : table.columns) {
    if (column.generated == 'v') continue;
    sum +=
        fmt::format("{}COALESCE(pg_column_size({}), 0)", sum.empty() ? "" : " + ", column.quoted);
  }
  return fmt::format("({})::int8", sum.empty() ? "0" : sum);
}

Result<Sample> read_columns(PreflightContext& context, std::vector<std::size_t> columns) {
  const Table& table = context.plan.source;
  Sample sample;
  sample.columns = std::move(columns);
  std::mt19937_64 random(std::random_device{}());
  const std::vector<SampledPage> pages = draw_pages(table, kSampledPages, random);
  if (pages.empty()) return sample;
  std::string list;
  for (const std::size_t column : sample.columns) list += table.columns[column].quoted + ", ";
  list += row_bytes_sql(table);
  PGFANOUT_TRY_ASSIGN(sample.rows,
                      read_sample(context.source, sample_sql(table, list, pages, kMostRows),
                                  sample.columns.size() + 1));
  for (ProbeRow& row : sample.rows) {
    const std::string& bytes = *row.back();
    sample.bytes.push_back(load_be64(reinterpret_cast<const std::uint8_t*>(bytes.data())));
    row.pop_back();
  }
  return sample;
}

SkewEstimate skew_of(const KeyExpression& key, const Sample& sample, const Layout& layout) {
  std::vector<std::size_t> places;
  for (const std::size_t used : key.used_columns()) {
    places.push_back(static_cast<std::size_t>(std::distance(
        sample.columns.begin(), std::find(sample.columns.begin(), sample.columns.end(), used))));
  }
  std::vector<ProbeRow> rows(sample.rows.size());
  for (std::size_t at = 0; at < rows.size(); ++at) {
    for (const std::size_t place : places) rows[at].push_back(sample.rows[at][place]);
  }
  return estimate_skew(layout.leaf_count(), leaves_of(layout, evaluate_rows(key, rows)),
                       sample.bytes);
}

/// Columns that could stand beside the key's first one: never NULL, short, taken over unchanged.
/// Those with the most distinct values come first, as far as ANALYZE knows them.
Result<std::vector<std::size_t>> find_candidates(PreflightContext& context) {
  const Table& table = context.plan.source;
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      context.source.query("SELECT s.attname, s.avg_width, CASE WHEN s.n_distinct < 0"
                           "  THEN -s.n_distinct * $3::float8 ELSE s.n_distinct END"
                           " FROM pg_stats s WHERE s.schemaname = $1 AND s.tablename = $2"
                           " ORDER BY s.inherited",
                           {table.schema, table.name,
                            std::to_string(std::max<std::uint64_t>(table.estimated_rows, 1))}));
  std::map<std::string, std::pair<std::int64_t, double>> known;
  for (int row = 0; row < rows.size(); ++row) {
    known[rows.str(row, 0)] = {rows.integer(row, 1),
                               std::strtod(rows.str(row, 2).c_str(), nullptr)};
  }
  const auto& used = context.plan.key.expression.used_columns();
  std::vector<std::pair<double, std::size_t>> found;
  for (std::size_t at = 0; at < table.columns.size(); ++at) {
    const Column& column = table.columns[at];
    const KeyType type = key_type_of_oid(column.base_type_oid);
    const bool is_text =
        type == KeyType::text || type == KeyType::varchar || type == KeyType::bpchar;
    const auto facts = known.find(column.name);
    const bool is_short =
        !is_text || (facts != known.end() && facts->second.first <= kWidestCandidate);
    const bool is_taken =
        std::any_of(context.plan.stream.columns.begin(), context.plan.stream.columns.end(),
                    [&](const StreamColumn& taken) { return taken.source_sql == column.quoted; });
    if (type == KeyType::other || type == KeyType::boolean || type == KeyType::bytea) continue;
    if (!column.is_not_null || !column.is_deterministic || column.generated == 'v') continue;
    if (!is_short || !is_taken) continue;
    if (std::find(used.begin(), used.end(), at) != used.end()) continue;
    found.emplace_back(facts == known.end() ? 0 : -facts->second.second, at);
  }
  std::sort(found.begin(), found.end());
  if (found.size() > kMostCandidates) found.resize(kMostCandidates);
  std::vector<std::size_t> candidates;
  candidates.reserve(found.size());
  for (const auto& [distinct, column] : found) candidates.push_back(column);
  return candidates;
}

struct Better {
  std::string sql;
  SkewEstimate skew;
};

/// The best pair of the key's first column and a candidate, if it is any better.
std::optional<Better> find_better(const CopyPlan& plan, const Sample& sample,
                                  const std::vector<std::size_t>& candidates, double than) {
  const Table& table = plan.source;
  const std::vector<KeyColumn> columns = key_columns_of(table);
  const std::string& first = table.columns[plan.key.expression.used_columns().front()].quoted;
  std::optional<Better> best;
  for (const std::size_t candidate : candidates) {
    const std::string sql = fmt::format("abs(hashtext({}::text || {}::text)) % {}", first,
                                        table.columns[candidate].quoted, plan.target.leaves.size());
    const auto key = KeyExpression::compile(sql, columns);
    if (!key) continue;
    const SkewEstimate skew = skew_of(*key, sample, *plan.target.layout);
    if (skew.without_leaf > 0 || skew.by_rows >= (best ? best->skew.by_rows : than)) continue;
    best = Better{sql, skew};
  }
  return best;
}

std::string sample_text(const SkewEstimate& skew) {
  return fmt::format(
      "largest leaf over mean: {:.2f} by rows, {:.2f} by bytes, from a sample of {} "
      "rows, in which an even key would show up to {:.2f}",
      skew.by_rows, skew.by_bytes, skew.rows, skew.by_chance);
}

Result<void> warn_of_skew(PreflightContext& context, const SkewEstimate& skew, const Sample& sample,
                          const std::vector<std::size_t>& candidates) {
  const CopyPlan& plan = context.plan;
  std::string hint = "choose a key with more distinct values, or accept it";
  if (plan.target.is_new) {
    const auto better = find_better(plan, sample, candidates, skew.by_rows);
    hint = better ? fmt::format(
                        "--key '{}' gives {:.2f} by rows and {:.2f} by bytes on the same "
                        "sample; queries must then name both columns to reach one leaf",
                        better->sql, better->skew.by_rows, better->skew.by_bytes)
                  : "no pair of the key's first column and another one does better";
  }
  context.add(Severity::warning, "key-skew",
              fmt::format("the key spreads rows unevenly, {}; {} would hold {:.1f} % of all rows",
                          sample_text(skew), plan.target.leaves[skew.largest].qualified,
                          100 * skew.largest_share),
              plan.key.expression.sql(), hint);
  return {};
}

void note_missing_keys(PreflightContext& context, const SkewEstimate& skew) {
  const RejectLimit& limit = context.job.reject_limit;
  const bool may_reject = limit.rows > 0 || limit.percent.value_or(0) > 0;
  context.add(may_reject ? Severity::warning : Severity::error, "key-missing",
              fmt::format("{} of {} sampled rows have no leaf: their key is NULL, an error, or one "
                          "that no leaf takes",
                          skew.without_leaf, skew.without_leaf + skew.rows),
              context.plan.key.expression.sql(),
              "mend those rows, choose another key, or set them aside with --reject-limit");
}

}  // namespace

Result<void> check_skew(PreflightContext& context) {
  const CopyPlan& plan = context.plan;
  if (plan.key.expression.used_columns().empty() || plan.target.leaves.size() < 2) return {};
  PGFANOUT_TRY_ASSIGN(const std::vector<std::size_t> candidates, find_candidates(context));
  std::vector<std::size_t> columns = plan.key.expression.used_columns();
  columns.insert(columns.end(), candidates.begin(), candidates.end());
  PGFANOUT_TRY_ASSIGN(const Sample sample, read_columns(context, std::move(columns)));
  const SkewEstimate skew = skew_of(plan.key.expression, sample, *plan.target.layout);
  if (skew.without_leaf > 0) note_missing_keys(context, skew);
  if (skew.rows == 0) return {};
  if (skew.by_rows >= kBadSkew && skew.by_rows > skew.by_chance) {
    return warn_of_skew(context, skew, sample, candidates);
  }
  context.add(Severity::info, "key-skew", sample_text(skew), plan.key.expression.sql());
  return {};
}

}  // namespace pgfanout
