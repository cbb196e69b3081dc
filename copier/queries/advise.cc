#include "copier/queries/advise.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/application_path.h"
#include "copier/catalog/sql_text.h"
#include "copier/queries/advice_rules.h"

namespace pgfanout {
namespace {

/// Indexes of table $1, and those that its leaf $2 has alone. Items are joined by a byte 1.
constexpr const char* kKnownIndexesSql = R"sql(
SELECT c.relname, m.amname, i.indisunique,
  i.indisreplident OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid),
  COALESCE((SELECT string_agg(pg_get_indexdef(i.indexrelid, n, true), E'\x01' ORDER BY n)
    FROM generate_series(1, i.indnkeyatts) n), ''),
  COALESCE((SELECT string_agg(pg_get_indexdef(i.indexrelid, n, true), E'\x01' ORDER BY n)
    FROM generate_series(i.indnkeyatts + 1, i.indnatts) n), ''),
  COALESCE(pg_get_expr(i.indpred, i.indrelid), '')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
WHERE i.indisvalid AND (i.indrelid = $1::oid OR i.indrelid = $2::oid AND NOT c.relispartition)
ORDER BY c.oid)sql";

constexpr const char* kDistinctSql = R"sql(
SELECT s.attname, max(CASE WHEN s.n_distinct > 0 THEN s.n_distinct
  ELSE -s.n_distinct * greatest(c.reltuples, 1) END)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
WHERE c.oid IN ($1::oid, $2::oid) GROUP BY 1)sql";

constexpr const char* kExtensionSql =
    "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n"
    " ON n.oid = e.extnamespace WHERE e.extname = $1";

std::vector<Parameter> table_and_leaf(const Table& table) {
  return {std::to_string(table.oid),
          std::to_string(table.leaves.empty() ? table.oid : table.leaves.front().oid)};
}

/// An index that saves less than that is not worth its writes.
constexpr double kWorthwhile = 0.9;

std::vector<std::string> list_in(const std::string& joined) {
  std::vector<std::string> items;
  for (std::size_t at = 0; at < joined.size();) {
    const std::size_t end = std::min(joined.find('\x01', at), joined.size());
    items.push_back(joined.substr(at, end - at));
    at = end + 1;
  }
  return items;
}

class TableAdviser {
 public:
  TableAdviser(const QueryTable& on, bool is_target, const std::vector<QueryCheck>& queries)
      : on_(on), is_target_(is_target), queries_(queries) {}

  Result<std::vector<IndexAdvice>> advise(const QueryReport& report, const AdviceKey& key,
                                          const IssueSink& sink) {
    PGFANOUT_TRY(read_facts(key));
    for (Issue& issue : redundant_indexes(facts_.indexes, on_.table.qualified)) {
      sink(std::move(issue));
    }
    PGFANOUT_TRY(plan_queries(report));
    std::vector<IndexAdvice> worthwhile;
    for (IndexAdvice& advice : advice_of(patterns_, facts_)) {
      const bool is_index = advice.kind != "key-condition";
      advice.tried = "rules";
      advice.sql = with_placeholder(advice.definition, "{table}", on_.table.qualified);
      if (is_index) PGFANOUT_TRY(try_index(advice));
      const bool is_useless =
          advice.cost_after && *advice.cost_after > kWorthwhile * *advice.cost_before;
      if (!is_useless) worthwhile.push_back(std::move(advice));
    }
    return worthwhile;
  }

 private:
  Result<void> read_facts(const AdviceKey& key) {
    const Table& table = on_.table;
    facts_.table = table.name;
    facts_.columns = table.columns;
    facts_.primary_key = table.primary_key;
    facts_.key = key.key;
    facts_.key_sql = key.key_sql;
    facts_.key_inputs = key.inputs;
    facts_.relations.insert(table.schema + "." + table.name);
    for (const Leaf& leaf : table.leaves) facts_.relations.insert(leaf.schema + "." + leaf.name);
    PGFANOUT_TRY_ASSIGN(const Rows indexes, print_under(on_.connection, on_.path, kKnownIndexesSql,
                                                        table_and_leaf(table)));
    for (int row = 0; row < indexes.size(); ++row) {
      facts_.indexes.push_back({indexes.str(row, 0), indexes.str(row, 1), indexes.boolean(row, 2),
                                indexes.boolean(row, 3), list_in(indexes.str(row, 4)),
                                list_in(indexes.str(row, 5)), indexes.str(row, 6)});
    }
    PGFANOUT_TRY_ASSIGN(facts_.distinct, distinct_values(on_.connection, table));
    PGFANOUT_TRY_ASSIGN(const Rows trigrams, on_.connection.query(kExtensionSql, {"pg_trgm"}));
    facts_.has_trigrams = trigrams.size() > 0;
    PGFANOUT_TRY_ASSIGN(const Rows hypopg, on_.connection.query(kExtensionSql, {"hypopg"}));
    if (hypopg.size() > 0) hypopg_ = hypopg.str(0, 0);
    return {};
  }

  /// A query that the server does not take has been told with the others.
  Result<void> plan_queries(const QueryReport& report) {
    for (const QueryCheck& query : queries_) {
      auto bound = bind_query(on_, query, is_target_);
      if (!bound && !is_complaint(bound.error(), on_.connection)) return bound.error();
      if (!bound) continue;
      const bool gives_key_then = !facts_.key.empty() && !is_target_ &&
                                  query.target_sql.find(facts_.key) != std::string::npos;
      patterns_.push_back(
          {query.name, 0, !bound->missing.empty(), gives_key_then, std::move(bound->plan)});
    }
    const auto time_of = [&](const std::string& name) {
      for (const QueryResult& each : report.queries) {
        const auto& side = is_target_ ? each.target : each.source;
        if (each.name == name && side && side->times) return side->times->p50;
      }
      return 0.0;
    };
    const bool has_times =
        std::ranges::all_of(patterns_, [&](const auto& each) { return time_of(each.query) > 0; });
    double all = 0;
    for (AdvicePattern& each : patterns_) {
      each.share = has_times ? time_of(each.query) : each.plan.cost;
      all += each.share;
    }
    for (AdvicePattern& each : patterns_) each.share /= std::max(all, 1e-9);
    return {};
  }

  /// Leaf by leaf: HypoPG's indexes on a partitioned table are not those of its leaves. What it
  /// cannot make (GIN) stays untried.
  Result<void> try_index(IndexAdvice& advice) {
    if (hypopg_.empty()) return {};
    auto costs = costs_with(advice);
    PGFANOUT_TRY(on_.connection.run(fmt::format("SELECT {}.hypopg_reset()", hypopg_)));
    if (!costs && !is_complaint(costs.error(), on_.connection)) return costs.error();
    if (!costs) return {};
    advice.tried = "hypopg";
    advice.cost_before = costs->first;
    advice.cost_after = costs->second;
    return {};
  }

  /// Of the queries that it is for, before and after.
  Result<std::pair<double, double>> costs_with(const IndexAdvice& advice) {
    const std::string make = fmt::format("SELECT {}.hypopg_create_index($1)", hypopg_);
    for (const Leaf& leaf : on_.table.leaves) {
      const std::string sql = with_placeholder(advice.definition, "{table}", leaf.qualified);
      PGFANOUT_TRY(as_application(on_, [&]() -> Result<void> {
        const auto made = on_.connection.query(make, {sql});
        return made ? Result<void>() : made.error();
      }));
    }
    std::pair<double, double> costs;
    for (const AdvicePattern& pattern : patterns_) {
      const bool is_for =
          (", " + advice.query + ",").find(", " + pattern.query + ",") != std::string::npos;
      if (!is_for) continue;
      for (const QueryCheck& query : queries_) {
        if (query.name != pattern.query) continue;
        PGFANOUT_TRY_ASSIGN(const BoundQuery after, bind_query(on_, query, is_target_));
        costs.first += pattern.plan.cost;
        costs.second += after.plan.cost;
      }
    }
    return costs;
  }

  const QueryTable& on_;
  const bool is_target_;
  const std::vector<QueryCheck>& queries_;
  AdviceFacts facts_;
  std::vector<AdvicePattern> patterns_;
  std::string hypopg_;  ///< Its schema, quoted; empty: not installed.
};

}  // namespace

Result<std::map<std::string, double>> distinct_values(Connection& connection, const Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(kDistinctSql, table_and_leaf(table)));
  std::map<std::string, double> distinct;
  for (int row = 0; row < rows.size(); ++row) {
    distinct[rows.str(row, 0)] = std::stod(rows.str(row, 1));
  }
  return distinct;
}

Result<std::vector<IndexAdvice>> advise(const QueryTable& on, bool is_target,
                                        const std::vector<QueryCheck>& queries,
                                        const QueryReport& report, const AdviceKey& key,
                                        const IssueSink& sink) {
  return TableAdviser(on, is_target, queries).advise(report, key, sink);
}

}  // namespace pgfanout
