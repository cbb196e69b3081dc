#include "copier/queries/query_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "copier/base/lists.h"
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
std::string open_ended(std::string_view sql) {
  std::vector<SqlPiece> pieces = sql_pieces(sql);
  while (!pieces.empty() && (pieces.back().kind == SqlPieceKind::blank || pieces.back().is(";"))) {
    pieces.pop_back();
  }
  return joined(pieces, "", &SqlPiece::text);
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
struct SideRun {
  const QueryTable* on = nullptr;
  BoundQuery bound;
  std::vector<double> times;  ///< Milliseconds.

  Result<QueryDigest> digest(QueryComparison compare) const {
    QueryDigest digest;
    const bool counts = compare == QueryComparison::count;
    PGFANOUT_TRY_ASSIGN(const Rows rows, as_application(*on, [&] {
                          return on->connection.query(counts ? fmt::format(kCountSql, bound.sql)
                                                             : fmt::format(kDigestSql, bound.sql));
                        }));
    digest.count = rows.str(0, 0);
    digest.set = rows.str(0, 1);
    digest.ordered = rows.str(0, 2);
    PGFANOUT_TRY_ASSIGN(const auto columns,
                        as_application(*on, [&] { return on->connection.describe(bound.sql); }));
    digest.columns = parts_of(columns, &ResultColumn::name);
    return digest;
  }

  /// Milliseconds; `rows`: how many came.
  Result<double> timed(std::uint64_t& rows) const {
    return as_application(*on, [&]() -> Result<double> {
      const auto began = Clock::now();
      PGFANOUT_TRY_ASSIGN(const Rows got, on->connection.query(bound.sql));
      rows = static_cast<std::uint64_t>(got.size());
      return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
    });
  }

  /// The plan's figures, executed where that is possible.
  Result<void> describe(QuerySide& side) const {
    QueryPlan plan = bound.plan;
    if (bound.is_runnable()) {
      PGFANOUT_TRY_ASSIGN(plan, as_application(*on, [&] {
                            return explain(on->connection, "ANALYZE, TIMING OFF, ", bound.sql);
                          }));
    }
    const std::vector<Leaf>& leaves = on->table.leaves;
    side.plan = plan.shape;
    side.cost = plan.cost;
    side.leaves = static_cast<std::uint32_t>(leaves.size());
    if (bound.missing.empty()) {
      side.leaves_read =
          static_cast<std::uint32_t>(std::ranges::count_if(leaves, [&](const Leaf& leaf) {
            return plan.relations.contains(leaf.schema + "." + leaf.name);
          }));
    }
    side.indexes_used.assign(plan.indexes.begin(), plan.indexes.end());
    return {};
  }
};

class QueriesRun {
 public:
  QueriesRun(const QueryTable* source, const QueryTable* target, const QueryOptions& options,
             const Cancellation& cancellation)
      : source_(source), target_(target), options_(options), cancellation_(cancellation) {}

  Result<QueryReport> run(const std::vector<QueryCheck>& queries) {
    for (const QueryCheck& check : queries) {
      QueryResult& result = report_.queries.emplace_back();
      result.name = check.name;
      result.compare = check.compare;
      result.severity = check.severity;
      const auto ran = run_one(check, result);
      if (ran) continue;
      const Error& error = ran.error();
      if (!is_complaint(error, at_->connection) && error.code != "query-invalid") return error;
      note_complaint(error, result);
    }
    PGFANOUT_TRY(measure_load(source_, report_.source_load));
    PGFANOUT_TRY(measure_load(target_, report_.target_load));
    if (source_ == nullptr) report_.source_load = options_.baseline.load;
    PGFANOUT_TRY(name_indexes());
    return std::move(report_);
  }

 private:
  [[nodiscard]] std::optional<QuerySide>& side_of(QueryResult& result, const QueryTable* on) const {
    return on == target_ ? result.target : result.source;
  }

  /// A query that works on only one of the tables is a difference, unless a right is missing or
  /// the server's state decides it.
  void note_complaint(const Error& error, QueryResult& result) const {
    constexpr std::string_view kOfServer[] = {"42501", "53", "55", "57", "58"};
    const bool is_of_server = std::ranges::any_of(
        kOfServer, [&](std::string_view state) { return error.sqlstate.starts_with(state); });
    const std::string why = fmt::format("{} ({})", error.message, error.sqlstate);
    if (at_ == target_ && source_ != nullptr && !is_of_server) {
      result.failures.push_back("it fails on the target: " + why);
    } else {
      result.could_not_run = true;
      result.note = "it cannot be run: " + why;
    }
  }

  /// An error is that of the table `at_`.
  Result<void> run_one(const QueryCheck& check, QueryResult& result) {
    std::vector<SideRun> sides;
    for (const QueryTable* on : {source_, target_}) {
      if (on == nullptr) continue;
      at_ = on;
      PGFANOUT_TRY_ASSIGN(BoundQuery bound, bind_query(*on, check, on == target_));
      sides.push_back({on, std::move(bound), {}});
      result.sql = sides.back().bound.pattern;
      PGFANOUT_TRY(sides.back().describe(side_of(result, on).emplace()));
    }
    const BoundQuery& bound = sides.back().bound;
    if (!bound.missing.empty()) {
      result.note = fmt::format("planned, not executed: it has parameters of types {}; give params",
                                fmt::join(bound.missing, ", "));
    } else if (!bound.is_runnable()) {
      result.note = "planned, not executed: it changes or locks rows";
    } else {
      PGFANOUT_TRY(compare(check, sides, result));
      PGFANOUT_TRY(time(check, sides, result));
    }
    judge(check, result);
    return {};
  }

  Result<void> compare(const QueryCheck& check, const std::vector<SideRun>& sides,
                       QueryResult& result) {
    if (sides.size() < 2 || check.compare == QueryComparison::none) return {};
    at_ = source_;
    PGFANOUT_TRY_ASSIGN(const QueryDigest before, sides.front().digest(check.compare));
    at_ = target_;
    PGFANOUT_TRY_ASSIGN(const QueryDigest after, sides.back().digest(check.compare));
    AnswerJudgement judged =
        judge_answers(check.compare, before, after, order_of(sides.front().bound.sql),
                      source_->table.primary_key, options_.may_change);
    result.answer = judged.answer;
    if (judged.is_failure) {
      result.failures.push_back(std::move(judged.why));
    } else {
      result.note = std::move(judged.why);
    }
    return {};
  }

  /// Turn by turn, so that both sides meet the same caches and neighbours; the first turn warms up.
  Result<void> time(const QueryCheck& check, std::vector<SideRun>& sides, QueryResult& result) {
    const auto began = Clock::now();
    for (std::uint32_t turn = 0; turn <= check.runs; ++turn) {
      if (turn > 1 && Clock::now() - began > kLongestTiming) break;
      for (std::size_t place = 0; place < sides.size(); ++place) {
        if (cancellation_.is_set()) return cancelled();
        SideRun& side = sides[(turn + place) % sides.size()];
        at_ = side.on;
        PGFANOUT_TRY_ASSIGN(const double took, side.timed(side_of(result, side.on)->rows));
        if (turn > 0) side.times.push_back(took);
      }
    }
    for (SideRun& side : sides) {
      QuerySide& figures = *side_of(result, side.on);
      figures.runs = static_cast<std::uint32_t>(side.times.size());
      figures.times = times_of(side.times);
      timed_.push_back(std::move(side));
    }
    return {};
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
  Result<void> measure_load(const QueryTable* on, std::optional<QueryLoad>& load) {
    if (on == nullptr || timed_.empty()) return {};
    PGFANOUT_TRY_ASSIGN(HostMeter meter, HostMeter::open(on->connection, false));
    if (!meter.unmeasurable().empty()) {
      report_.load_not_measured = meter.unmeasurable();
      return {};
    }
    const auto began = Clock::now();
    do {
      for (const SideRun& run : timed_) {
        if (cancellation_.is_set()) return cancelled();
        if (run.on != on) continue;
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
        std::optional<QuerySide>& side = side_of(query, on);
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
  const QueryTable* at_ = nullptr;  ///< The table that the last statement was for.
  std::vector<SideRun> timed_;      ///< All that can be run, on both sides.
  QueryReport report_;
};

/// Work on the statement pgfanout_query, which outlives transactions unless it is forgotten.
template <class Work>
auto with_prepared(const QueryTable& on, const std::string& sql, Work work) -> decltype(work()) {
  auto result = as_application(on, [&]() -> decltype(work()) {
    PGFANOUT_TRY(on.connection.query("PREPARE pgfanout_query AS " + sql));
    return work();
  });
  if (on.connection.is_open()) PGFANOUT_TRY(on.connection.run("DEALLOCATE ALL"));
  return result;
}

/// Types of a statement's parameters, as SQL.
Result<std::vector<std::string>> parameter_types(const QueryTable& on, const std::string& sql) {
  return with_prepared(on, sql, [&]() -> Result<std::vector<std::string>> {
    PGFANOUT_TRY_ASSIGN(const Rows types, on.connection.query(kParametersSql));
    return types.column(0);
  });
}

/// With all leaves: conditions on parameters that are not known prune none.
Result<QueryPlan> generic_plan(const QueryTable& on, const std::string& sql, std::size_t count) {
  return with_prepared(on, sql, [&]() -> Result<QueryPlan> {
    PGFANOUT_TRY(
        on.connection.run("SET LOCAL plan_cache_mode = force_generic_plan;"
                          " SET LOCAL enable_partition_pruning = off"));
    return explain(on.connection, "",
                   fmt::format("EXECUTE pgfanout_query({})",
                               fmt::join(std::vector<std::string>(count, "NULL"), ", ")));
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
    return refused("query-invalid",
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
