#include "copier/queries/query_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "copier/catalog/catalog_query.h"
#include "copier/catalog/sql_text.h"
#include "copier/queries/query_rules.h"
#include "copier/watch/host_figures.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;

/// The timed runs of a query, both sides together, and those that measure the host.
constexpr std::chrono::seconds kLongestTiming{60};
constexpr std::chrono::milliseconds kLoadTime{500};

/// Indexes of table $1 and its leaves: name, name of the table's own that it belongs to, unique.
constexpr const char* kIndexesSql =
    "SELECT c.relname, top.relname, i.indisunique FROM pg_index i"
    " JOIN pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_class top ON top.oid = COALESCE(pg_partition_root(c.oid), c.oid)"
    " WHERE i.indrelid IN (SELECT tree.oid FROM {}) ORDER BY 2, 1";

constexpr const char* kParametersSql =
    "SELECT t::pg_catalog.text FROM pg_catalog.pg_prepared_statements p"
    " CROSS JOIN LATERAL pg_catalog.unnest(p.parameter_types) WITH ORDINALITY u(t, place)"
    " WHERE p.name OPERATOR(pg_catalog.=) 'pgfanout_query' ORDER BY u.place";

/// Without what ends a statement, so that it may stand in another.
std::string open_ended(std::string sql) {
  while (!sql.empty() &&
         (sql.back() == ';' || std::isspace(static_cast<unsigned char>(sql.back())))) {
    sql.pop_back();
  }
  return sql;
}

/// Values in place of $1, $2, ...
std::string with_values(std::string_view sql, const std::vector<std::string>& literals) {
  const std::vector<SqlPiece> pieces = sql_pieces(sql);
  std::string text;
  for (std::size_t at = 0; at < pieces.size(); ++at) {
    const auto numbers = at + 1 < pieces.size() && pieces[at].is("$")
                             ? numbers_in<std::size_t>(pieces[at + 1].text)
                             : std::vector<std::size_t>();
    const bool is_parameter =
        numbers.size() == 1 && numbers[0] >= 1 && numbers[0] <= literals.size();
    text += is_parameter ? literals[numbers[0] - 1] : pieces[at].text;
    if (is_parameter) ++at;
  }
  return text;
}

/// Row by row, with their order and without.
constexpr const char* kDigestSql =
    "SELECT pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended("
    "pgfanout_numbered.pgfanout_row::pg_catalog.text, 0)), pg_catalog.sum("
    "pg_catalog.hashtextextended(pg_catalog.concat(pgfanout_numbered.pgfanout_number, ' ',"
    " pgfanout_numbered.pgfanout_row), 0)) FROM (SELECT pgfanout_row,"
    " pg_catalog.row_number() OVER () AS pgfanout_number FROM (\n{}\n) AS pgfanout_row)"
    " AS pgfanout_numbered";
constexpr const char* kCountSql = "SELECT pg_catalog.count(*), '', '' FROM (\n{}\n) AS q";

/// A query on one table.
class SideRun {
 public:
  SideRun(const QueryTable& on, BoundQuery bound) : on_(on), bound_(std::move(bound)) {}

  [[nodiscard]] const BoundQuery& bound() const { return bound_; }
  [[nodiscard]] const QueryTable& on() const { return on_; }

  Result<QueryDigest> digest(QueryComparison compare) const {
    QueryDigest digest;
    const bool counts = compare == QueryComparison::count;
    PGFANOUT_TRY_ASSIGN(const Rows rows, as_application(on_, [&] {
                          return on_.connection.query(counts ? fmt::format(kCountSql, bound_.sql)
                                                             : fmt::format(kDigestSql, bound_.sql));
                        }));
    digest.count = rows.str(0, 0);
    digest.set = rows.str(0, 1);
    digest.ordered = rows.str(0, 2);
    PGFANOUT_TRY_ASSIGN(const auto columns,
                        as_application(on_, [&] { return on_.connection.describe(bound_.sql); }));
    for (const ResultColumn& column : columns) digest.columns.push_back(column.name);
    return digest;
  }

  /// Milliseconds; `rows`: how many came.
  Result<double> timed(std::uint64_t& rows) const {
    return as_application(on_, [&]() -> Result<double> {
      const auto began = Clock::now();
      PGFANOUT_TRY_ASSIGN(const Rows got, on_.connection.query(bound_.sql));
      rows = static_cast<std::uint64_t>(got.size());
      return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
    });
  }

  /// The plan's figures, executed where that is possible.
  Result<void> describe(QuerySide& side) {
    QueryPlan plan = bound_.plan;
    if (bound_.is_runnable()) {
      PGFANOUT_TRY_ASSIGN(plan, as_application(on_, [&] {
                            return explain(on_.connection, "ANALYZE, TIMING OFF, ", bound_.sql);
                          }));
    }
    side.plan = plan.shape;
    side.cost = plan.cost;
    side.leaves = static_cast<std::uint32_t>(on_.table.leaves.size());
    if (bound_.missing.empty()) {
      side.leaves_read = static_cast<std::uint32_t>(
          std::count_if(on_.table.leaves.begin(), on_.table.leaves.end(), [&](const Leaf& leaf) {
            return plan.relations.contains(leaf.schema + "." + leaf.name);
          }));
    }
    side.indexes_used.assign(plan.indexes.begin(), plan.indexes.end());
    return {};
  }

 private:
  QueryTable on_;
  BoundQuery bound_;
};

class QueriesRun {
 public:
  QueriesRun(const QueryTable* source, const QueryTable* target, const QueryOptions& options,
             const Cancellation& cancellation)
      : source_(source), target_(target), options_(options), cancellation_(cancellation) {}

  Result<QueryReport> run(const std::vector<QueryCheck>& queries) {
    std::vector<SideRun> on_source;
    std::vector<SideRun> on_target;
    for (const QueryCheck& check : queries) {
      if (cancellation_.is_set()) return cancelled();
      QueryResult& result = report_.queries.emplace_back();
      result.name = check.name;
      result.compare = check.compare;
      result.severity = check.severity;
      auto source = bound_on(source_, check, false, result);
      if (!source) return std::move(source).error();
      auto target = bound_on(target_, check, true, result);
      if (!target) return std::move(target).error();
      auto ran = run_one(check, *source, *target, result);
      if (!ran) return std::move(ran).error();
      const bool was_timed =
          (!*source || result.source->times) && (!*target || result.target->times);
      if (!was_timed || result.could_not_run) continue;
      if (*source) on_source.push_back(*std::move(*source));
      if (*target) on_target.push_back(*std::move(*target));
    }
    PGFANOUT_TRY(measure_load(source_, on_source, report_.source_load));
    PGFANOUT_TRY(measure_load(target_, on_target, report_.target_load));
    if (source_ == nullptr) report_.source_load = options_.baseline.load;
    if (target_ != nullptr || source_ != nullptr) PGFANOUT_TRY(name_indexes());
    return std::move(report_);
  }

 private:
  /// The server's complaint about a query on one side.
  void note_complaint(const Error& error, bool is_target, QueryResult& result) const {
    // What works on the one table and not on the other is a difference, unless a right is missing
    // or the server's state decides it.
    constexpr std::string_view kOfServer[] = {"42501", "53", "55", "57", "58"};
    const bool is_of_server =
        std::any_of(std::begin(kOfServer), std::end(kOfServer),
                    [&](std::string_view state) { return error.sqlstate.starts_with(state); });
    if (is_target && source_ != nullptr && !result.could_not_run && !is_of_server) {
      result.failures.push_back(
          fmt::format("it fails on the target: {} ({})", error.message, error.sqlstate));
      return;
    }
    if (result.could_not_run) return;
    result.could_not_run = true;
    result.note = fmt::format("it cannot be run: {} ({})", error.message, error.sqlstate);
  }

  Result<std::optional<SideRun>> bound_on(const QueryTable* on, const QueryCheck& check,
                                          bool is_target, QueryResult& result) const {
    if (on == nullptr) return std::optional<SideRun>();
    auto bound = bind_query(*on, check, is_target);
    if (bound) {
      result.sql = bound->pattern;
      (is_target ? result.target : result.source).emplace();
      return std::optional<SideRun>(SideRun(*on, *std::move(bound)));
    }
    if (!is_complaint(bound.error(), on->connection) && bound.error().code != "query-params") {
      return std::move(bound).error();
    }
    note_complaint(bound.error(), is_target, result);
    return std::optional<SideRun>();
  }

  /// Runs `work` on a side; a complaint of the server is noted, and the answer is false.
  template <class Work>
  Result<bool> tried(const std::optional<SideRun>& side, bool is_target, QueryResult& result,
                     Work work) const {
    if (!side) return true;
    Result<void> done = work(*side);
    if (done) return true;
    if (!is_complaint(done.error(), side->on().connection)) return std::move(done).error();
    note_complaint(done.error(), is_target, result);
    return false;
  }

  Result<void> run_one(const QueryCheck& check, std::optional<SideRun>& source,
                       std::optional<SideRun>& target, QueryResult& result) const {
    const bool is_whole = (source_ == nullptr || source) && (target_ == nullptr || target);
    const SideRun* any = target ? &*target : source ? &*source : nullptr;
    if (any == nullptr) return {};
    if (!any->bound().missing.empty()) {
      result.note = fmt::format("planned, not executed: it has parameters of types {}; give params",
                                fmt::join(any->bound().missing, ", "));
    } else if (!any->bound().is_runnable()) {
      result.note = "planned, not executed: it changes or locks rows";
    }
    for (auto* side : {&source, &target}) {
      if (!*side) continue;
      const bool is_target = side == &target;
      PGFANOUT_TRY_ASSIGN(const bool is_described, tried(*side, is_target, result, [&](auto&) {
                            return (*side)->describe(is_target ? *result.target : *result.source);
                          }));
      if (!is_described) return {};
    }
    if (is_whole && any->bound().is_runnable()) {
      PGFANOUT_TRY_ASSIGN(const bool is_compared, compare(check, source, target, result));
      if (!is_compared) return {};
      PGFANOUT_TRY_ASSIGN(const bool is_timed, time(check, source, target, result));
      if (!is_timed) return {};
    }
    judge(check, result);
    return {};
  }

  Result<bool> compare(const QueryCheck& check, const std::optional<SideRun>& source,
                       const std::optional<SideRun>& target, QueryResult& result) const {
    if (!source || !target || check.compare == QueryComparison::none) return true;
    QueryDigest before;
    QueryDigest after;
    const auto into = [&](QueryDigest& digest) {
      return [&](const SideRun& side) -> Result<void> {
        PGFANOUT_TRY_ASSIGN(digest, side.digest(check.compare));
        return {};
      };
    };
    PGFANOUT_TRY_ASSIGN(const bool has_source, tried(source, false, result, into(before)));
    if (!has_source) return false;
    PGFANOUT_TRY_ASSIGN(const bool has_target, tried(target, true, result, into(after)));
    if (!has_target) return false;
    AnswerJudgement judged =
        judge_answers(check.compare, before, after, order_of(source->bound().sql),
                      source->on().table.primary_key, options_.may_change);
    result.answer = judged.answer;
    if (judged.is_failure) {
      result.failures.push_back(std::move(judged.why));
    } else {
      result.note = std::move(judged.why);
    }
    return true;
  }

  /// Turn by turn, so that both sides meet the same caches and neighbours; the first turn warms up.
  Result<bool> time(const QueryCheck& check, const std::optional<SideRun>& source,
                    const std::optional<SideRun>& target, QueryResult& result) const {
    std::vector<double> source_times;
    std::vector<double> target_times;
    const auto into = [&](std::optional<QuerySide>& figures, std::vector<double>& times,
                          bool is_counted) {
      return [&, is_counted](const SideRun& side) -> Result<void> {
        PGFANOUT_TRY_ASSIGN(const double took, side.timed(figures->rows));
        if (is_counted) times.push_back(took);
        return {};
      };
    };
    const auto began = Clock::now();
    for (std::uint32_t turn = 0; turn <= std::max(1U, check.runs); ++turn) {
      if (cancellation_.is_set()) return cancelled();
      if (turn > 1 && Clock::now() - began > kLongestTiming) break;
      for (const bool is_target : {turn % 2 == 1, turn % 2 == 0}) {
        PGFANOUT_TRY_ASSIGN(const bool is_done,
                            tried(is_target ? target : source, is_target, result,
                                  into(is_target ? result.target : result.source,
                                       is_target ? target_times : source_times, turn > 0)));
        if (!is_done) return false;
      }
    }
    const auto keep = [](std::optional<QuerySide>& side, std::vector<double>& times) {
      if (!side) return;
      side->runs = static_cast<std::uint32_t>(times.size());
      side->times = times_of(std::move(times));
    };
    keep(result.source, source_times);
    keep(result.target, target_times);
    return true;
  }

  void judge(const QueryCheck& check, QueryResult& result) const {
    if (!result.target) return;
    const auto known = options_.baseline.times.find(check.name);
    if (!result.source && known != options_.baseline.times.end()) {
      result.source.emplace().times = known->second;
    }
    if (result.source && result.source->times && result.target->times) {
      constexpr double kLeast = 1e-3;
      result.ratio = result.target->times->p95 / std::max(result.source->times->p95, kLeast);
    }
    for (std::string& broken : broken_limits(check, *result.target, result.ratio)) {
      result.failures.push_back(std::move(broken));
    }
  }

  /// The host while the queries run on one side alone.
  Result<void> measure_load(const QueryTable* on, const std::vector<SideRun>& runs,
                            std::optional<QueryLoad>& load) {
    if (on == nullptr || runs.empty()) return {};
    PGFANOUT_TRY_ASSIGN(HostMeter meter, HostMeter::open(on->connection, false));
    if (!meter.unmeasurable().empty()) {
      report_.load_not_measured = meter.unmeasurable();
      return {};
    }
    const auto began = Clock::now();
    do {
      for (const SideRun& run : runs) {
        if (cancellation_.is_set()) return cancelled();
        std::uint64_t rows = 0;
        auto ran = run.timed(rows);
        if (!ran && !is_complaint(ran.error(), on->connection)) return std::move(ran).error();
      }
    } while (Clock::now() - began < kLoadTime);
    PGFANOUT_TRY_ASSIGN(const HostFigures figures, meter.sample(on->connection));
    load = {std::chrono::duration<double>(Clock::now() - began).count(), figures.cpu,
            figures.memory};
    return {};
  }

  /// Names the table's indexes in place of its leaves', and finds those that no query used.
  Result<void> name_indexes() {
    for (const QueryTable* on : {source_, target_}) {
      if (on == nullptr) continue;
      PGFANOUT_TRY_ASSIGN(const Rows indexes,
                          on->connection.query(fmt::format(kIndexesSql, kTableTree),
                                               {std::to_string(on->table.oid)}));
      std::map<std::string, std::string> top;
      std::map<std::string, bool> unused;  // Whether it is unique.
      for (int row = 0; row < indexes.size(); ++row) {
        top[indexes.str(row, 0)] = indexes.str(row, 1);
        unused[indexes.str(row, 1)] = indexes.boolean(row, 2);
      }
      bool ran_any = false;
      for (QueryResult& query : report_.queries) {
        std::optional<QuerySide>& side = on == source_ ? query.source : query.target;
        if (!side) continue;
        ran_any = ran_any || side->times.has_value();
        std::set<std::string> used;
        for (const std::string& name : side->indexes_used) {
          const auto known = top.find(name);
          used.insert(known == top.end() ? name : known->second);
          if (known != top.end()) unused.erase(known->second);
        }
        side->indexes_used.assign(used.begin(), used.end());
      }
      report_.unused_indexes.clear();
      for (const auto& [name, is_unique] : unused) {
        if (ran_any) report_.unused_indexes.push_back(name + (is_unique ? " (unique)" : ""));
      }
    }
    return {};
  }

  const QueryTable* source_;
  const QueryTable* target_;
  const QueryOptions& options_;
  const Cancellation& cancellation_;
  QueryReport report_;
};

/// Types of a statement's parameters, as SQL.
Result<std::vector<std::string>> parameter_types(const QueryTable& on, const std::string& sql) {
  return as_application(on, [&]() -> Result<std::vector<std::string>> {
    PGFANOUT_TRY(on.connection.query("PREPARE pgfanout_query AS " + sql));
    auto types = on.connection.query(kParametersSql);
    PGFANOUT_TRY(on.connection.run("DEALLOCATE pgfanout_query"));
    if (!types) return std::move(types).error();
    return types->column(0);
  });
}

/// With all leaves: conditions on parameters that are not known prune none.
Result<QueryPlan> generic_plan(const QueryTable& on, const std::string& sql, std::size_t count) {
  return as_application(on, [&]() -> Result<QueryPlan> {
    PGFANOUT_TRY(
        on.connection.run("SET LOCAL plan_cache_mode = force_generic_plan;"
                          " SET LOCAL enable_partition_pruning = off"));
    PGFANOUT_TRY(on.connection.query("PREPARE pgfanout_query AS " + sql));
    auto plan = explain(on.connection, "",
                        fmt::format("EXECUTE pgfanout_query({})",
                                    fmt::join(std::vector<std::string>(count, "NULL"), ", ")));
    PGFANOUT_TRY(on.connection.run("DEALLOCATE pgfanout_query"));
    return plan;
  });
}

}  // namespace

bool is_complaint(const Error& error, const Connection& connection) {
  return !error.sqlstate.empty() && error.code != "cancelled" && connection.is_open();
}

Result<BoundQuery> bind_query(const QueryTable& on, const QueryCheck& check, bool is_target) {
  const bool has_own = is_target && !check.target_sql.empty();
  BoundQuery bound;
  bound.sql = open_ended(
      with_placeholder(has_own ? check.target_sql : check.sql, "{table}", on.table.qualified));
  bound.pattern = bound.sql;
  PGFANOUT_TRY_ASSIGN(const auto types, parameter_types(on, bound.sql));
  if (!check.params.empty() && check.params.size() != types.size()) {
    return refused("query-params",
                   fmt::format("params has {} values, the query has {} parameters",
                               check.params.size(), types.size()),
                   "give one value for each of $1, $2, ...");
  }
  if (types.size() > check.params.size()) {
    PGFANOUT_TRY_ASSIGN(bound.plan, generic_plan(on, bound.sql, types.size()));
    bound.missing = types;
    return bound;
  }
  std::vector<std::string> literals;
  for (std::size_t at = 0; at < types.size(); ++at) {
    literals.push_back(
        fmt::format("({}::{})", on.connection.quote_literal(check.params[at]), types[at]));
  }
  if (!literals.empty()) bound.sql = with_values(bound.sql, literals);
  bound.sql += fmt::format("\n{}", kOwnQuery);
  PGFANOUT_TRY_ASSIGN(bound.plan,
                      as_application(on, [&] { return explain(on.connection, "", bound.sql); }));
  return bound;
}

Result<QueryReport> run_queries(const std::vector<QueryCheck>& queries, const QueryTable* source,
                                const QueryTable* target, const QueryOptions& options,
                                const Cancellation& cancellation) {
  QueryReport report;
  const auto run = [&]() -> Result<void> {
    PGFANOUT_TRY_ASSIGN(report, QueriesRun(source, target, options, cancellation).run(queries));
    return {};
  };
  // JIT as applications have it: plans over many leaves are where it shows.
  const TransactionOptions read_only{"BEGIN READ ONLY; SET LOCAL jit = DEFAULT",
                                     TransactionEnd::roll_back};
  const auto on_both = [&]() -> Result<void> {
    return target == nullptr ? run() : in_transaction(target->connection, read_only, run);
  };
  PGFANOUT_TRY(source == nullptr ? on_both()
                                 : in_transaction(source->connection, read_only, on_both));
  return report;
}

}  // namespace pgfanout
