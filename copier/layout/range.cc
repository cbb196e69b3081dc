// RANGE by plain columns. The key of a row is the number of bounds that are not above it; a leaf
// takes those from its lower bound up to the one before its upper bound.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <utility>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/partition_bound.h"
#include "copier/catalog/relation_name.h"
#include "copier/layout/by_columns.h"
#include "copier/layout/leaf_map.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t kMostRanges = 1000;

/// Names of leaves by their lower bounds as pg_partman 5 has them, where all are dates, times or
/// whole numbers and the names differ; else by number.
void name_by_bounds(LeafMap::Leaves& leaves) {
  const bool are_days = std::ranges::all_of(leaves.froms, [](const std::string& from) {
    return from.empty() || formatted_bound(from, "HH24MISS") == "000000";
  });
  std::set<std::string> names;
  for (const std::string& from : leaves.froms) {
    const bool is_number = !from.empty() &&
                           from.find_first_not_of("-0123456789") == std::string::npos &&
                           from.find('-', 1) == std::string::npos;
    const auto name = is_number
                          ? std::optional(from)
                          : formatted_bound(from, are_days ? "YYYYMMDD" : "YYYYMMDD_HH24MISS");
    const std::string& suffix =
        leaves.suffixes.emplace_back(name ? "_p" + *name : std::string("_default"));
    const bool is_rest = leaves.rest == leaves.suffixes.size() - 1;
    if ((is_rest || name) && names.insert(suffix).second) continue;
    leaves.suffixes.clear();
    return;
  }
}

Result<PartitionBound> range_bound_of(const Leaf& leaf) {
  PGFANOUT_TRY_ASSIGN(PartitionBound bound, parse_partition_bound(leaf.bound));
  if (bound.kind == PartitionBound::Kind::range || bound.kind == PartitionBound::Kind::rest) {
    return bound;
  }
  return refused("not-range", fmt::format("the bound \"{}\" is not one of RANGE", leaf.bound),
                 "the target's leaves must be partitions by RANGE", leaf.qualified);
}

// --- new targets ---

/// A column by whose type intervals can be added.
enum class StepKind : std::uint8_t { none, day, time, number };

StepKind step_kind_of(KeyType type) {
  switch (type) {
    case KeyType::date:
      return StepKind::day;
    case KeyType::timestamp:
    case KeyType::timestamptz:
      return StepKind::time;
    case KeyType::int2:
    case KeyType::int4:
    case KeyType::int8:
    case KeyType::numeric:
      return StepKind::number;
    default:
      return StepKind::none;
  }
}

/// The pieces of SQL that differ between times and numbers. `s` is the step, `lo` the lowest value.
struct StepSql {
  std::string type;      ///< To calculate in.
  std::string is_step;   ///< Whether the step is above zero, and whole where it has to be.
  std::string finite;    ///< A condition on {0}, the column.
  std::string aligned;   ///< The first bound, not above `lo`.
  std::string estimate;  ///< Leaves from `first` to `hi`.
  std::string bound;     ///< The n-th, NULL beyond the type's end.
};

/// Months are counted from the year 0, days from a Monday, and hours from midnight.
constexpr const char* kAlignedTime =
    "CASE WHEN months > 0 THEN date_trunc('month', lo) - make_interval(months => "
    "(((extract(year FROM lo) * 12 + extract(month FROM lo) - 1)::int8 % months + months) % "
    "months)::int4) WHEN micros = 0 THEN date_trunc('day', lo) - make_interval(days => "
    "((((date_trunc('day', lo)::date - '2000-01-03'::date) % days) + days) % days)::int4) "
    "ELSE date_trunc('day', lo) + s * floor(extract(epoch FROM lo - date_trunc('day', lo)) * "
    "1000000 / (micros + days * 86400000000))::float8 END";

StepSql sql_of_times(KeyType type) {
  const std::string bound = "first + s * n";
  return {type == KeyType::timestamptz ? "timestamptz" : "timestamp",
          "months >= 0 AND days >= 0 AND micros >= 0 AND months + days + micros > 0",
          "WHERE {0} > '-infinity' AND {0} < 'infinity'",
          kAlignedTime,
          "ceil(extract(epoch FROM hi - first) / extract(epoch FROM s)) + 2",
          type == KeyType::date ? "(" + bound + ")::date" : bound};
}

/// Numbers are aligned to multiples of the step.
StepSql sql_of_numbers(KeyType type) {
  const bool is_whole = type != KeyType::numeric;
  const int bits = type == KeyType::int2 ? 15 : type == KeyType::int4 ? 31 : 63;
  const std::string end = fmt::format("2::numeric ^ {}", bits);
  return {"numeric",
          is_whole ? "s > 0 AND s = trunc(s) AND s < 'Infinity'" : "s > 0 AND s < 'Infinity'",
          is_whole ? "" : "WHERE {0} > '-Infinity' AND {0} < 'Infinity'",
          "lo - mod(mod(lo, s) + s, s)",
          "ceil((hi - first) / s) + 2",
          is_whole ? fmt::format("CASE WHEN first + s * n < {0} THEN "
                                 "trunc(GREATEST(first + s * n, -({0}))) END",
                                 end)
                   : "trim_scale(first + s * n)"};
}

/// The step's parts, of which numbers have none.
std::string parts_sql(StepKind kind, const std::string& interval) {
  if (kind == StepKind::number) return "CAST(" + interval + " AS numeric) AS s";
  return fmt::format(
      "s, (extract(year FROM s) * 12 + extract(month FROM s))::int8 AS months,"
      " extract(day FROM s)::int8 AS days, (extract(hour FROM s) * 3600000000 +"
      " extract(minute FROM s) * 60000000 + extract(microseconds FROM s))::int8 AS micros"
      " FROM (SELECT CAST({} AS interval) AS s) AS i",
      interval);
}

/// The smallest of some usual intervals that makes 1,000 leaves at most of `leaves`; empty: none.
Result<std::string> better_interval(Connection& source, StepKind kind, const std::string& interval,
                                    double leaves) {
  if (kind == StepKind::number) {
    PGFANOUT_TRY_ASSIGN(
        const Rows rows,
        source.query(fmt::format("SELECT 10::numeric ^ ceil(log(CAST({} AS numeric) * {} / {}))",
                                 interval, leaves, kMostRanges)));
    const std::string power(rows.text(0, 0));
    return power.substr(0, power.find('.'));
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      source.query(fmt::format(
          "SELECT u FROM unnest(ARRAY['1 hour', '1 day', '1 week', '1 month', '3 months', '1 year',"
          " '10 years', '100 years']) AS u WHERE extract(epoch FROM u::interval) >="
          " extract(epoch FROM CAST({} AS interval)) * {} / {}"
          " ORDER BY extract(epoch FROM u::interval) LIMIT 1",
          interval, leaves, kMostRanges)));
  return rows.size() == 0 ? std::string() : rows.str(0, 0);
}

class RangeSettlement {
 public:
  RangeSettlement(const TableRequest& job, Connection& source, const Table& table,
                  const Column& column)
      : job_(job.layout),
        source_(source),
        table_(table),
        column_(column),
        type_(key_type_of_oid(column.base_type_oid)),
        kind_(step_kind_of(type_)),
        sql_(kind_ == StepKind::number ? sql_of_numbers(type_) : sql_of_times(type_)),
        interval_(source.quote_literal(job_.interval)) {}

  Result<std::vector<std::vector<BoundValue>>> bounds() {
    PGFANOUT_TRY(check_request());
    PGFANOUT_TRY(check_step());
    PGFANOUT_TRY(check_from());
    PGFANOUT_TRY_ASSIGN(const Rows rows, source_.query(bounds_sql()));
    if (rows.is_null(0, 0)) {
      return refused("range-needs-from",
                     fmt::format("{} has no value in {} from which ranges could begin",
                                 table_.qualified, column_.quoted),
                     "say the first bound: --from", "--partition-by");
    }
    return bounds_in(rows);
  }

 private:
  [[nodiscard]] Result<void> check_request() const {
    if (kind_ == StepKind::none) {
      return refused("range-type",
                     fmt::format("ranges by an interval need a date, a time or a number: {} is of "
                                 "type {}",
                                 column_.quoted, column_.type_sql),
                     "name another column, or create the partitioned table yourself and name it "
                     "with --into",
                     "--partition-by");
    }
    if (!job_.interval.empty()) return {};
    return refused(
        "bad-interval", "RANGE needs the width of a leaf",
        kind_ == StepKind::number ? "say it: --interval 10000000" : "say it: --interval '1 month'",
        "--interval");
  }

  /// The interval as a value of its type that is above zero.
  Result<void> check_step() {
    const std::string hint = kind_ == StepKind::number
                                 ? "use a whole number above 0, such as 10000000"
                                 : "use an interval such as '1 month'";
    const auto rows = source_.query(
        fmt::format("SELECT {}, {} FROM (SELECT {}) AS step", sql_.is_step,
                    kind_ == StepKind::day ? "micros = 0" : "true", parts_sql(kind_, interval_)));
    if (!rows && !rows.error().sqlstate.starts_with("22")) return rows.error();
    if (!rows || !rows->boolean(0, 0)) {
      return refused("bad-interval",
                     fmt::format("'{}' is no width for ranges of {} ({})", job_.interval,
                                 column_.quoted, column_.type_sql),
                     hint, "--interval");
    }
    if (rows->boolean(0, 1)) return {};
    return refused("bad-interval",
                   fmt::format("the interval '{}' is finer than the days of {}", job_.interval,
                               column_.quoted),
                   "use whole days, months or years", "--interval");
  }

  /// --from as a value of the column's type.
  [[nodiscard]] std::string from_sql() const {
    return fmt::format("CAST({} AS {})", source_.quote_literal(job_.from), column_.type_sql);
  }

  Result<void> check_from() {
    if (job_.from.empty()) return {};
    const auto rows =
        source_.query(fmt::format("SELECT true FROM (SELECT {} AS c OFFSET 0) AS f {}", from_sql(),
                                  fmt::format(fmt::runtime(sql_.finite), "c")));
    if (!rows && !rows.error().sqlstate.starts_with("22")) return rows.error();
    if (rows && rows->size() == 1) return {};
    return refused("bad-from",
                   fmt::format("'{}' is no first bound for ranges of {} ({})", job_.from,
                               column_.quoted, column_.type_sql),
                   kind_ == StepKind::number ? "use a number" : "use a date such as 2020-01-01",
                   "--from");
  }

  [[nodiscard]] std::string bounds_sql() const {
    const std::string first = job_.from.empty() ? sql_.aligned
                                                : fmt::format("CAST(CAST({} AS {}) AS {})",
                                                              source_.quote_literal(job_.from),
                                                              column_.type_sql, sql_.type);
    return fmt::format(
        "WITH l AS (SELECT CAST(min({0}) AS {1}) AS lo, CAST(max({0}) AS {1}) AS hi FROM {2} {3}),"
        " step AS (SELECT {4}), f AS (SELECT {5} AS first, hi, s FROM l, step),"
        " e AS (SELECT first, hi, s, GREATEST(COALESCE({6}, 0), 0)::float8 AS leaves FROM f)"
        " SELECT {7}, COALESCE(first + s * n > hi, n > 0), leaves FROM e,"
        " generate_series(0, LEAST(leaves, {8})::int4 + {9}) AS n ORDER BY n",
        column_.quoted, sql_.type, table_.qualified,
        fmt::format(fmt::runtime(sql_.finite), column_.quoted), parts_sql(kind_, interval_), first,
        sql_.estimate, sql_.bound, kMostRanges, job_.ahead + 1);
  }

  /// Up to the first one above all values, and `ahead` more.
  Result<std::vector<std::vector<BoundValue>>> bounds_in(const Rows& rows) {
    std::vector<std::vector<BoundValue>> bounds;
    std::uint32_t ahead = 0;
    for (int row = 0; row < rows.size() && ahead <= job_.ahead; ++row) {
      const bool is_end = rows.is_null(row, 0);
      bounds.push_back({is_end ? BoundValue{BoundValue::Kind::maximum, ""}
                               : BoundValue{BoundValue::Kind::value, rows.str(row, 0)}});
      if (row > 0 && rows.boolean(row, 1)) ++ahead;
      if (is_end) ahead = job_.ahead + 1;
    }
    if (ahead > job_.ahead && bounds.size() - 1 <= kMostRanges) return bounds;
    const double leaves = std::max(std::strtod(rows.str(0, 2).c_str(), nullptr) - 2,
                                   static_cast<double>(bounds.size() - 1));
    PGFANOUT_TRY_ASSIGN(const std::string better,
                        better_interval(source_, kind_, interval_, leaves));
    return refused("too-many-leaves",
                   fmt::format("ranges of {} would be about {:.0f} leaves; {} are possible",
                               job_.interval, leaves, kMostRanges),
                   better.empty() ? "use a longer interval, or a later first bound: --from"
                                  : fmt::format("use --interval '{}', or a later first bound: "
                                                "--from",
                                                better),
                   "--interval");
  }

  const LayoutRequest& job_;
  Connection& source_;
  const Table& table_;
  const Column& column_;
  KeyType type_;
  StepKind kind_;
  StepSql sql_;
  std::string interval_;
};

class RangeKind final : public ByColumns {
 public:
  Result<std::string> key_of(const Table& table) const override {
    PGFANOUT_TRY(check_plain_columns(table));
    PartitionKey key{PartitionKey::Strategy::range, table.partition_columns, 0, {}};
    std::vector<const Leaf*> leaves;
    for (const Leaf& leaf : table.leaves) leaves.push_back(&leaf);
    std::ranges::sort(leaves, {}, &Leaf::place);
    for (const Leaf* leaf : leaves) {
      PGFANOUT_TRY_ASSIGN(const PartitionBound bound, range_bound_of(*leaf));
      if (bound.kind == PartitionBound::Kind::rest) continue;
      if (key.bounds.empty() || key.bounds.back() != bound.from) key.bounds.push_back(bound.from);
      key.bounds.push_back(bound.to);
    }
    return text_of(key);
  }

  Result<LayoutPointer> layout_of(const std::vector<Leaf>& leaves,
                                  const KeyExpression& key) const override {
    LeafMap::Leaves map;
    for (const Leaf& leaf : leaves) {
      PGFANOUT_TRY_ASSIGN(const PartitionBound bound, range_bound_of(leaf));
      std::vector<std::int64_t>& keys = map.keys.emplace_back();
      std::string& from = map.froms.emplace_back();
      if (bound.kind == PartitionBound::Kind::rest) {
        map.rest = static_cast<std::uint32_t>(map.keys.size() - 1);
        continue;
      }
      const auto low = place_in(*key.partition_key(), bound.from);
      const auto high = place_in(*key.partition_key(), bound.to);
      if (!low || !high) {
        return refused("bound-differs",
                       fmt::format("the bounds of {} are none of those that the job has: {}",
                                   leaf.qualified, leaf.bound),
                       "leave the target's partitions as they were, or begin anew: --restart",
                       leaf.qualified);
      }
      for (std::int64_t at = *low; at < *high; ++at) keys.push_back(at + 1);
      if (bound.from.size() == 1) from = bound.from.front().text;
    }
    name_by_bounds(map);
    return LayoutPointer(std::make_shared<LeafMap>(std::move(map), key));
  }

  Result<void> check_request(const JobDescription& job) const override {
    if (job.target.leaf_name.empty()) return {};
    const bool is_time = job.layout.interval.find_first_not_of("0123456789.") != std::string::npos;
    PGFANOUT_TRY(
        name_by_pattern(job.target.leaf_name, "", 0, is_time ? "2000-01-01 00:00:00" : "0"));
    return {};
  }

  Result<SettledLayout> settle(const TableRequest& job, Connection& source,
                               const Table& table) const override {
    PGFANOUT_TRY_ASSIGN(std::vector<std::string> columns, columns_of(job, table));
    if (columns.size() != 1) {
      return refused("range-columns", "ranges by an interval have one column",
                     "name one column, or create the partitioned table yourself and name it with "
                     "--into",
                     "--partition-by");
    }
    PartitionKey key{PartitionKey::Strategy::range, std::move(columns), 0, {}};
    PGFANOUT_TRY_ASSIGN(
        key.bounds, RangeSettlement(job, source, table, *table.find(key.columns.front())).bounds());
    const auto ranges = static_cast<std::uint32_t>(key.bounds.size() - 1);
    return SettledLayout{text_of(key), ranges + (job.layout.default_partition ? 1 : 0)};
  }

  NewLayout make(const NewLayoutRequest& request) const override {
    NewLayout made;
    made.ddl.partition_by = fmt::format("RANGE ({})", columns_sql(request));
    made.partition_columns = parts_of(request.key_inputs, &Column::name);
    const Column& column = request.key_inputs.front();
    const auto& bounds = request.key.partition_key()->bounds;
    LeafMap::Leaves map;
    for (std::size_t at = 0; at + 1 < bounds.size(); ++at) {
      const BoundValue& from = bounds[at].front();
      const BoundValue& to = bounds[at + 1].front();
      const std::string below =
          to.kind == BoundValue::Kind::value
              ? fmt::format(" AND {} < {}", column.quoted, literal_of(to, column))
              : "";
      made.ddl.leaves.push_back(
          {fmt::format("FOR VALUES FROM ({}) TO ({})", bound_sql(from), bound_sql(to)),
           fmt::format("{0} IS NOT NULL AND {0} >= {1}{2}", column.quoted, literal_of(from, column),
                       below)});
      map.keys.push_back({static_cast<std::int64_t>(at + 1)});
      map.froms.push_back(from.text);
    }
    if (request.job.layout.default_partition) {
      map.rest = static_cast<std::uint32_t>(map.keys.size());
      map.keys.emplace_back();
      map.froms.emplace_back();
      made.ddl.leaves.push_back({"DEFAULT", ""});
    }
    name_by_bounds(map);
    made.layout = std::make_shared<LeafMap>(std::move(map), request.key);
    return made;
  }

  std::string note(const JobDescription& /*job*/,
                   const std::optional<std::string>& /*key_column*/) const override {
    return "inserts need no change, and no column stores a key; conditions on the first partition "
           "column pick the leaves";
  }
};

}  // namespace

const LayoutKind& range_layout() {
  static const RangeKind kind;
  return kind;
}

}  // namespace pgfanout
