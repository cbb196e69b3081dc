// The decisions about the application's queries: pure functions over their figures and their text.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/verdict.h"

namespace pgfanout {

/// Of sorted values, the one at or above which a share of `share` lies.
[[nodiscard]] double percentile(const std::vector<double>& sorted, double share);
[[nodiscard]] QueryTimes times_of(std::vector<double> milliseconds);

/// The outermost LIMIT and ORDER BY of a query.
struct QueryOrder {
  bool has_limit = false;
  std::set<std::string> names;  ///< Those in ORDER BY.

  /// Rows that are equal by the order may change places, and LIMIT may take others.
  [[nodiscard]] bool is_total(const std::vector<std::string>& primary_key) const;
};
[[nodiscard]] QueryOrder order_of(std::string_view sql);

/// The result of a query on one table.
struct QueryDigest {
  std::string count;
  std::string set;      ///< Empty: not asked for.
  std::string ordered;  ///< The same.
  std::vector<std::string> columns;
};
struct AnswerJudgement {
  QueryAnswer answer = QueryAnswer::same;
  std::string why;  ///< Empty if it is the same.
  bool is_failure = false;
};
/// `may_change`: why the tables need not have the same rows any more; empty: they must.
[[nodiscard]] AnswerJudgement judge_answers(QueryComparison compare, const QueryDigest& source,
                                            const QueryDigest& target, const QueryOrder& order,
                                            const std::vector<std::string>& primary_key,
                                            std::string_view may_change);

/// The limits of `check` that the target's figures break, in words.
[[nodiscard]] std::vector<std::string> broken_limits(const QueryCheck& check,
                                                     const QuerySide& target,
                                                     std::optional<double> ratio);

/// "1 of 8 leaves read; source p50 1.0, p95 ... ms; target ...; p95 ratio 1.10".
[[nodiscard]] std::string figures_of(const QueryResult& query);
/// Figures, failures and what was not compared, one after the other.
[[nodiscard]] std::vector<Issue> issues_of(const QueryReport& report, const std::string& where);
/// How many queries failed, or could not be run, and are no mere warnings.
struct QueryVerdict {
  std::size_t failed = 0;
  std::size_t unknown = 0;

  [[nodiscard]] Verdict verdict() const {
    if (unknown > 0) return Verdict::unproven;
    return failed > 0 ? Verdict::differs : Verdict::match;
  }
};
[[nodiscard]] QueryVerdict verdict_of(const QueryReport& report);

}  // namespace pgfanout
