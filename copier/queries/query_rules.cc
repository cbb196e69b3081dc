#include "copier/queries/query_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "copier/base/lists.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

constexpr const char* kLimitHint =
    "it has LIMIT, and its ORDER BY does not name the whole primary key: rows that are equal by it "
    "may rightly differ; add the key to ORDER BY, or compare = \"count\"";

std::string times_text(const QueryTimes& times) {
  return fmt::format("p50 {:.1f}, p95 {:.1f}, p99 {:.1f} ms", times.p50, times.p95, times.p99);
}

}  // namespace

double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
}

QueryTimes times_of(std::vector<double> milliseconds) {
  std::ranges::sort(milliseconds);
  return {percentile(milliseconds, 0.50), percentile(milliseconds, 0.95),
          percentile(milliseconds, 0.99)};
}

bool QueryOrder::is_total(const std::vector<std::string>& primary_key) const {
  return !primary_key.empty() && std::ranges::all_of(primary_key, [&](const std::string& column) {
    return names.contains(column);
  });
}

QueryOrder order_of(std::string_view sql) {
  QueryOrder order;
  int depth = 0;
  bool is_in_order = false;
  std::string before;
  for (const SqlPiece& word : sql_words(sql)) {
    if (word.is("(")) ++depth;
    if (word.is(")")) --depth;
    const bool is_plain = word.kind == SqlPieceKind::name && depth == 0;
    if (is_plain && (word.name == "limit" || word.name == "fetch")) order.has_limit = true;
    if (is_plain && (word.name == "limit" || word.name == "fetch" || word.name == "offset" ||
                     word.name == "for")) {
      is_in_order = false;
    }
    if (is_in_order && word.is_name()) order.names.insert(word.name);
    if (is_plain && word.name == "by" && before == "order") is_in_order = true;
    before = is_plain ? word.name : std::string();
  }
  return order;
}

AnswerJudgement judge_answers(QueryComparison compare, const QueryDigest& source,
                              const QueryDigest& target, const QueryOrder& order,
                              const std::vector<std::string>& primary_key,
                              std::string_view may_change) {
  if (compare == QueryComparison::none) return {QueryAnswer::not_compared, {}, false};
  const bool has_same_count = source.count == target.count;
  const bool has_same_rows = has_same_count && source.set == target.set;
  const bool has_same_order = has_same_rows && source.ordered == target.ordered;
  const bool is_same = compare == QueryComparison::count  ? has_same_count
                       : compare == QueryComparison::rows ? has_same_order
                                                          : has_same_rows;
  if (is_same) return {};
  if (!may_change.empty()) {
    return {QueryAnswer::not_compared, fmt::format("its result differs, but {}", may_change),
            false};
  }
  const auto differs = [](std::string_view how) -> AnswerJudgement {
    return {QueryAnswer::differs, fmt::format("its result differs on the target: {}", how), true};
  };
  if (!has_same_count) {
    return differs(fmt::format("{} rows against {}", target.count, source.count));
  }
  if (order.has_limit && !order.is_total(primary_key)) {
    return {QueryAnswer::not_compared, fmt::format("its rows differ, but {}", kLimitHint), false};
  }
  if (source.columns != target.columns) {
    return differs(fmt::format(
        "its columns are {}, not {}; name the columns in place of *, or give target_sql",
        fmt::join(target.columns, ", "), fmt::join(source.columns, ", ")));
  }
  if (has_same_rows) {
    return differs(order.is_total(primary_key)
                       ? "the same rows in another order"
                       : "the same rows in another order, which its ORDER BY leaves open; add the "
                         "primary key, or compare = \"set\"");
  }
  return differs(fmt::format("{} rows, but not the same ones", target.count));
}

std::vector<std::string> broken_limits(const QueryCheck& check, const QuerySide& target,
                                       std::optional<double> ratio) {
  std::vector<std::string> broken;
  if (check.max_partitions && target.leaves_read && *target.leaves_read > *check.max_partitions) {
    broken.push_back(fmt::format("it reads {} leaves, {} are allowed", *target.leaves_read,
                                 *check.max_partitions));
  }
  if (check.max_ratio && ratio && *ratio > *check.max_ratio) {
    broken.push_back(fmt::format("its p95 is {:.2f} times that on the source, {:.2f} is allowed",
                                 *ratio, *check.max_ratio));
  }
  if (!target.times) return broken;
  const std::pair<const char*, std::pair<std::optional<double>, double>> limits[] = {
      {"p50", {check.max_p50, target.times->p50}},
      {"p95", {check.max_p95, target.times->p95}},
      {"p99", {check.max_p99, target.times->p99}}};
  for (const auto& [name, limit] : limits) {
    if (!limit.first || limit.second <= *limit.first) continue;
    broken.push_back(
        fmt::format("its {} is {:.1f} ms, {:g} ms are allowed", name, limit.second, *limit.first));
  }
  return broken;
}

std::string figures_of(const QueryResult& query) {
  std::vector<std::string> parts;
  const auto add = [&](std::string part) { parts.push_back(std::move(part)); };
  const std::optional<QuerySide>& last = query.target ? query.target : query.source;
  if (last && last->leaves_read) {
    add(fmt::format("{} of {} leaves read", *last->leaves_read, last->leaves));
  }
  if (query.source && query.source->times) add("source " + times_text(*query.source->times));
  if (query.target && query.target->times) add("target " + times_text(*query.target->times));
  if (query.ratio) add(fmt::format("p95 ratio {:.2f}", *query.ratio));
  return joined(parts, "; ");
}

std::vector<Issue> issues_of(const QueryReport& report, const std::string& where) {
  std::vector<Issue> issues;
  const auto add = [&](Severity severity, const char* code, const QueryResult& query,
                       std::string_view text, std::string hint) {
    issues.push_back(
        {severity, code, fmt::format("query {}: {}", query.name, text), where, std::move(hint)});
  };
  for (const QueryResult& query : report.queries) {
    if (const std::string figures = figures_of(query); !figures.empty()) {
      add(Severity::info, "query", query, figures, "");
    }
    for (const std::string& failure : query.failures) {
      add(query.severity, "query-failed", query, failure,
          "compare its plans on both sides, or change its limits in the job file");
    }
    if (query.could_not_run) {
      add(query.severity, "query-failed", query, query.note,
          "correct the query in the job file, or run it as a role that may");
    } else if (status_of(query) == "not run") {
      add(Severity::warning, "query-not-run", query, query.note, "it is: " + query.sql);
    } else if (!query.note.empty()) {
      add(Severity::warning, "query-not-compared", query, query.note, "");
    }
  }
  if (!report.unused_indexes.empty()) {
    issues.push_back({Severity::info, "unused-indexes",
                      fmt::format("indexes that none of these queries used: {}",
                                  fmt::join(report.unused_indexes, ", ")),
                      where, "other statements may use them"});
  }
  return issues;
}

QueryVerdict verdict_of(const QueryReport& report) {
  QueryVerdict verdict;
  for (const QueryResult& query : report.queries) {
    const bool is_warning = query.severity > Severity::error;
    if (is_warning) continue;
    if (query.could_not_run) ++verdict.unknown;
    if (!query.failures.empty()) ++verdict.failed;
  }
  return verdict;
}

}  // namespace pgfanout
