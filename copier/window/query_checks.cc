#include "copier/window/query_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "copier/pg/transaction.h"
#include "copier/window/explained_plan.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kPlace = "{table}";

std::string on_table(std::string sql, const std::string& table) {
  for (std::size_t at = sql.find(kPlace); at != std::string::npos;
       at = sql.find(kPlace, at + table.size())) {
    sql.replace(at, std::string_view(kPlace).size(), table);
  }
  while (!sql.empty() &&
         (sql.back() == ';' || std::isspace(static_cast<unsigned char>(sql.back())))) {
    sql.pop_back();
  }
  return sql;
}

struct Timing {
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;

  [[nodiscard]] std::string text() const {
    return fmt::format("p50 {:.1f}, p95 {:.1f}, p99 {:.1f} ms", p50, p95, p99);
  }
};

Timing timing_of(std::vector<double> milliseconds) {
  std::sort(milliseconds.begin(), milliseconds.end());
  return {percentile(milliseconds, 0.50), percentile(milliseconds, 0.95),
          percentile(milliseconds, 0.99)};
}

/// One query on both sides.
class QueryRun {
 public:
  QueryRun(const QueryCheck& check, const Table& source, const Table& target, Connection& on_source,
           Connection& on_target)
      : check_(check),
        target_(target),
        on_source_(on_source),
        on_target_(on_target),
        source_sql_(on_table(check.sql, source.qualified)),
        target_sql_(
            on_table(check.target_sql.empty() ? check.sql : check.target_sql, target.qualified)) {}

  /// Returns a description of the difference, or nothing; figures go into `figures`.
  Result<std::string> run(std::string& figures, const Cancellation& cancellation) {
    PGFANOUT_TRY_ASSIGN(const std::string before, digest(on_source_, source_sql_));
    PGFANOUT_TRY_ASSIGN(const std::string after, digest(on_target_, target_sql_));
    if (before != after) {
      return fmt::format(
          "it gives another result on the target: {} against {} (rows, sum of "
          "hashes)",
          after, before);
    }
    PGFANOUT_TRY_ASSIGN(const std::size_t leaves, leaves_read());
    std::vector<double> source_times;
    std::vector<double> target_times;
    for (std::uint32_t at = 0; at < std::max(1U, check_.runs); ++at) {
      if (cancellation.is_set()) return interrupted("cancelled", "stopped on request");
      PGFANOUT_TRY_ASSIGN(const double source_time, timed(on_source_, source_sql_));
      PGFANOUT_TRY_ASSIGN(const double target_time, timed(on_target_, target_sql_));
      source_times.push_back(source_time);
      target_times.push_back(target_time);
    }
    const Timing source = timing_of(std::move(source_times));
    const Timing target = timing_of(std::move(target_times));
    const double ratio = target.p95 / std::max(source.p95, 1e-3);
    figures = fmt::format("{} of {} leaves read; source {}; target {}; p95 ratio {:.2f}", leaves,
                          target_.leaves.size(), source.text(), target.text(), ratio);
    if (check_.max_partitions && leaves > *check_.max_partitions) {
      return fmt::format("it reads {} leaves, {} are allowed", leaves, *check_.max_partitions);
    }
    if (check_.max_ratio && ratio > *check_.max_ratio) {
      return fmt::format("its p95 is {:.2f} times that on the source, {:.2f} is allowed", ratio,
                         *check_.max_ratio);
    }
    return std::string();
  }

 private:
  /// Order does not count, copies of rows do.
  static Result<std::string> digest(Connection& connection, const std::string& sql) {
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        connection.query(fmt::format("SELECT count(*) || ', ' || COALESCE("
                                                     "sum(hashtextextended("
                                                     "q::text, 0)), 0) FROM (\n{}\n) AS q",
                                                     sql)));
    return rows.str(0, 0);
  }

  static Result<double> timed(Connection& connection, const std::string& sql) {
    const auto began = Clock::now();
    PGFANOUT_TRY(connection.query(sql));
    return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
  }

  Result<std::size_t> leaves_read() {
    PGFANOUT_TRY_ASSIGN(const std::set<std::string> relations,
                        relations_read(on_target_, target_sql_));
    std::size_t count = 0;
    for (const Leaf& leaf : target_.leaves) {
      if (relations.contains(leaf.schema + "." + leaf.name)) ++count;
    }
    return count;
  }

  const QueryCheck& check_;
  const Table& target_;
  Connection& on_source_;
  Connection& on_target_;
  const std::string source_sql_;
  const std::string target_sql_;
};

}  // namespace

double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
}

Result<std::string> check_queries(const JobDescription& job, WindowState& state,
                                  const Table& source, const Table& target,
                                  const Cancellation& cancellation, const IssueSink& tell) {
  if (job.window.queries.empty()) return std::string();
  PGFANOUT_TRY_ASSIGN(Connection on_target, state.connect_target("queries"));
  PGFANOUT_TRY(on_target.run("BEGIN"));
  Connection& on_source = state.source();
  std::size_t failed = 0;
  const auto run_all = [&]() -> Result<void> {
    for (const QueryCheck& check : job.window.queries) {
      std::string figures;
      auto wrong = QueryRun(check, source, target, on_source, on_target).run(figures, cancellation);
      if (!wrong) {
        Error error = std::move(wrong).error();
        error.where =
            fmt::format("query {}{}{}", check.name, error.where.empty() ? "" : ", ", error.where);
        return error;
      }
      if (!figures.empty()) {
        tell({Severity::info,
              "query",
              fmt::format("query {}: {}", check.name, figures),
              target.qualified,
              {}});
      }
      if (wrong->empty()) continue;
      ++failed;
      tell({Severity::error, "query-failed", fmt::format("query {}: {}", check.name, *wrong),
            target.qualified,
            "look at its plan on the target, or change its limits in the job file"});
    }
    return {};
  };
  PGFANOUT_TRY(in_transaction(on_source, {"BEGIN", TransactionEnd::roll_back}, run_all));
  if (failed > 0) {
    return refused("queries-failed",
                   fmt::format("{} of the application's queries did not pass", failed), "see above",
                   target.qualified);
  }
  return fmt::format("{} queries passed", job.window.queries.size());
}

}  // namespace pgfanout
