#include "hashing/partition_key.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <utility>

#include "copier/base/lists.h"
#include "hashing/key_forms.h"

namespace pgfanout {
namespace {

using Strategy = PartitionKey::Strategy;

struct StrategyName {
  Strategy strategy;
  std::string_view name;
};
constexpr std::array kStrategyNames = {StrategyName{Strategy::hash, "hash_partition"},
                                       StrategyName{Strategy::range, "range_partition"},
                                       StrategyName{Strategy::list, "list_partition"}};

// --- The text ---

std::string in_parentheses(const std::vector<std::string>& parts) {
  const std::string joined_parts = fmt::format("{}", fmt::join(parts, ", "));
  return parts.size() == 1 ? joined_parts : "(" + joined_parts + ")";
}

/// Reads what text_of() wrote.
class PartitionKeyReader {
 public:
  explicit PartitionKeyReader(std::string_view text) : text_(text), rest_(text) {}

  Result<PartitionKey> read(Strategy strategy) {
    PartitionKey key;
    key.strategy = strategy;
    bool is_whole = take("(");
    if (strategy == Strategy::hash) {
      is_whole = is_whole && number(key.modulus);
      while (is_whole && take(", ")) is_whole = quoted('"', key.columns.emplace_back());
    } else {
      is_whole = is_whole && group([&] { return quoted('"', key.columns.emplace_back()); });
      while (is_whole && take(", ")) {
        std::vector<BoundValue>& bound = key.bounds.emplace_back();
        is_whole = group([&] { return value(bound.emplace_back()); }) &&
                   bound.size() == key.columns.size();
      }
    }
    if (is_whole && take(")") && rest_.empty() && !key.columns.empty()) return key;
    return refused("key-expression", "this is no whole partition key", "say --partition-by instead",
                   std::string(text_));
  }

 private:
  bool take(std::string_view prefix) {
    if (!rest_.starts_with(prefix)) return false;
    rest_.remove_prefix(prefix.size());
    return true;
  }

  /// One alone, or several in parentheses.
  template <class Element>
  bool group(const Element& element) {
    if (!take("(")) return element();
    do {
      if (!element()) return false;
    } while (take(", "));
    return take(")");
  }

  bool number(std::uint32_t& number) {
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (error != std::errc() || number == 0) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return true;
  }

  bool quoted(char quote, std::string& text) {
    if (!take({&quote, 1})) return false;
    while (!rest_.empty()) {
      const char next = rest_.front();
      rest_.remove_prefix(1);
      if (next == quote && !take({&quote, 1})) return true;
      text += next;
    }
    return false;
  }

  bool value(BoundValue& value) {
    using Kind = BoundValue::Kind;
    for (const Kind kind : {Kind::null, Kind::minimum, Kind::maximum}) {
      if (take(bound_sql({kind, {}}))) {
        value.kind = kind;
        return true;
      }
    }
    return quoted('\'', value.text);
  }

  const std::string_view text_;
  std::string_view rest_;
};

// --- SQL ---

/// PostgreSQL's HASH_PARTITION_SEED, and the constant of hash_combine64(), as bigints.
constexpr std::int64_t kSqlSeed = 0x7A5B22367996DCFD;
constexpr std::int64_t kSqlGoldenRatio = 0x49a0f4dd15e5a8e3;

/// The sum of bigints modulo 2^64, where + would be out of range: halves apart.
std::string wrapped_sum(const std::vector<std::string>& terms) {
  const auto sum_of = [&](const char* half) {
    return joined(terms, " + ",
                  [&](const std::string& term) { return fmt::format(fmt::runtime(half), term); });
  };
  const std::string low = sum_of("({} & 4294967295)");
  return fmt::format("(((({0}) >> 32) + {1}) << 32 | (({0}) & 4294967295))", low,
                     sum_of("({} >> 32 & 4294967295)"));
}

/// Each column's hash is combined with those before it, and a NULL is left out: a chain of
/// subqueries, so that each is computed once. Their names must be none of the table's columns,
/// which they would hide.
std::string hash_sql(std::uint32_t modulus, std::span<const std::string> columns) {
  std::string combined = "'0'::pg_catalog.int8";
  std::string from;
  for (std::size_t at = 0; at < columns.size(); ++at) {
    const std::string hash =
        fmt::format("pg_catalog.hash_record_extended(ROW({}), '{}')", columns[at], kSqlSeed);
    std::vector<std::string> terms = {"pgfanout_h",
                                      fmt::format("'{}'::pg_catalog.int8", kSqlGoldenRatio)};
    if (at > 0) {
      terms.emplace_back("(pgfanout_a << 54)");
      terms.emplace_back("(pgfanout_a >> 7 & 144115188075855871)");
    }
    from = fmt::format("(SELECT {} AS pgfanout_a, {} AS pgfanout_h{}{} OFFSET 0) AS pgfanout_s",
                       combined, hash, at == 0 ? "" : " FROM ", from);
    combined = fmt::format("CASE WHEN {} IS NULL THEN pgfanout_a ELSE pgfanout_a # {} END",
                           columns[at], wrapped_sum(terms));
  }
  const std::uint64_t of_high_half = (1ULL << 32U) % modulus;
  return fmt::format(
      "(SELECT ((pgfanout_a >> 32 & 4294967295) % {0} * {1} + (pgfanout_a & 4294967295)) % {0}"
      " FROM (SELECT {2} AS pgfanout_a FROM {3} OFFSET 0) AS pgfanout_s)",
      modulus, of_high_half, combined, from);
}

/// "'{...}'" would have to be quoted for arrays too.
std::string array_sql(const PartitionKey& key, const std::string& type) {
  return fmt::format("ARRAY[{}]::{}[]",
                     joined(key.bounds, ", ",
                            [](const auto& bound) {
                              return bound.front().kind == BoundValue::Kind::null
                                         ? std::string("NULL")
                                         : keyexpr::string_literal(bound.front().text);
                            }),
                     type);
}

class RangeSql {
 public:
  RangeSql(const PartitionKey& key, std::span<const std::string> columns,
           std::span<const std::string> types)
      : key_(key), columns_(columns), types_(types) {}

  [[nodiscard]] std::string sql() const {
    if (columns_.size() == 1) {
      // MINVALUE is below every row, MAXVALUE above.
      PartitionKey values = key_;
      const auto minima = std::erase_if(values.bounds, is_minimum);
      std::erase_if(values.bounds, is_maximum);
      return fmt::format("COALESCE(pg_catalog.width_bucket({}, {}){}, -1)::pg_catalog.int8",
                         columns_[0], array_sql(values, types_[0]),
                         minima > 0 ? fmt::format(" + {}", minima) : "");
    }
    const std::string nulls =
        joined(columns_, " OR ", [](const std::string& each) { return each + " IS NULL"; });
    return fmt::format("(CASE WHEN {} THEN -1 ELSE {} END)::pg_catalog.int8", nulls,
                       slot(0, key_.bounds.size()));
  }

 private:
  static bool is_minimum(const std::vector<BoundValue>& bound) {
    return bound.front().kind == BoundValue::Kind::minimum;
  }
  static bool is_maximum(const std::vector<BoundValue>& bound) {
    return bound.front().kind == BoundValue::Kind::maximum;
  }

  /// Of a row that is between `low` and `high` bounds: a search by halves.
  [[nodiscard]] std::string slot(std::size_t low, std::size_t high) const {
    if (low == high) return std::to_string(low);
    const std::size_t middle = (low + high) / 2;
    return fmt::format("CASE WHEN {} THEN {} ELSE {} END", is_reached(key_.bounds[middle], 0),
                       slot(middle + 1, high), slot(low, middle));
  }

  [[nodiscard]] std::string is_reached(const std::vector<BoundValue>& bound, std::size_t at) const {
    using Kind = BoundValue::Kind;
    if (at == bound.size() || bound[at].kind == Kind::minimum) return "true";
    if (bound[at].kind == Kind::maximum) return "false";
    const std::string value =
        fmt::format("{}::{}", keyexpr::string_literal(bound[at].text), types_[at]);
    return fmt::format("({0} > {1} OR ({0} = {1} AND {2}))", columns_[at], value,
                       is_reached(bound, at + 1));
  }

  const PartitionKey& key_;
  const std::span<const std::string> columns_;
  const std::span<const std::string> types_;
};

}  // namespace

std::string bound_sql(const BoundValue& value) {
  switch (value.kind) {
    case BoundValue::Kind::null:
      return "NULL";
    case BoundValue::Kind::minimum:
      return "MINVALUE";
    case BoundValue::Kind::maximum:
      return "MAXVALUE";
    case BoundValue::Kind::value:
      break;
  }
  return keyexpr::doubled(value.text, '\'');
}

std::string text_of(const PartitionKey& key) {
  const std::vector<std::string> columns = parts_of(
      key.columns, [](const std::string& column) { return keyexpr::doubled(column, '"'); });
  std::vector<std::string> parts;
  if (key.strategy == Strategy::hash) {
    parts = columns;
    parts.insert(parts.begin(), std::to_string(key.modulus));
  } else {
    parts.push_back(in_parentheses(columns));
    for (const std::vector<BoundValue>& bound : key.bounds) {
      parts.push_back(in_parentheses(parts_of(bound, bound_sql)));
    }
  }
  return fmt::format("{}({})", kStrategyNames[static_cast<std::size_t>(key.strategy)].name,
                     fmt::join(parts, ", "));
}

Result<std::optional<PartitionKey>> parse_partition_key(std::string_view text) {
  for (const auto& [strategy, name] : kStrategyNames) {
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    PGFANOUT_TRY_ASSIGN(PartitionKey key, PartitionKeyReader(text).read(strategy));
    return std::optional(std::move(key));
  }
  return std::optional<PartitionKey>();
}

std::string partition_key_sql(const PartitionKey& key, std::span<const std::string> columns,
                              std::span<const std::string> types) {
  switch (key.strategy) {
    case Strategy::hash:
      return hash_sql(key.modulus, columns);
    case Strategy::range:
      return RangeSql(key, columns, types).sql();
    case Strategy::list:
      break;
  }
  return fmt::format("(COALESCE(pg_catalog.array_position({}, {}), 0) - 1)::pg_catalog.int8",
                     array_sql(key, types[0]), columns[0]);
}

}  // namespace pgfanout
