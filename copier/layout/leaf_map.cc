#include "copier/layout/leaf_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cctype>
#include <charconv>
#include <chrono>

#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

constexpr std::int64_t kDenseKeys = 65536;
/// As many groups as a statement may well have.
constexpr std::int64_t kFewKeys = 10000;

bool take_text(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// "{key:02}"
bool take_key_width(std::string_view& text, int& width) {
  std::string_view rest = text;
  if (!take_text(rest, "{key:0") || rest.size() < 2 || rest[0] < '1' || rest[0] > '9' ||
      rest[1] != '}') {
    return false;
  }
  width = rest[0] - '0';
  text = rest.substr(2);
  return true;
}

/// "{from}" or "{from:YYYY_MM}"
bool take_from(std::string_view& text, std::string_view from, std::string& name) {
  const std::size_t end = text.find('}');
  if (!text.starts_with("{from") || end == std::string_view::npos || from.empty()) return false;
  std::string_view format = text.substr(5, end - 5);
  text.remove_prefix(end + 1);
  if (format.empty()) {
    name += from;
    return true;
  }
  const auto formatted =
      take_text(format, ":") ? formatted_bound(from, format) : std::optional<std::string>();
  name += formatted.value_or("");
  return formatted.has_value();
}

/// The number in front of `text`.
bool take_digits(std::string_view& text, int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc();
}

struct LocalTime {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

/// Of "2025-01-31" or "2025-01-31 23:59:58.5+01"; not of years before Christ.
std::optional<LocalTime> local_time_of(std::string_view text) {
  LocalTime time;
  const bool is_date = !text.ends_with("BC") && take_digits(text, time.year) &&
                       take_text(text, "-") && take_digits(text, time.month) &&
                       take_text(text, "-") && take_digits(text, time.day);
  if (!is_date || text.empty()) return is_date ? std::optional(time) : std::nullopt;
  const bool has_time = take_text(text, " ") && take_digits(text, time.hour) &&
                        take_text(text, ":") && take_digits(text, time.minute) &&
                        take_text(text, ":") && take_digits(text, time.second);
  return has_time ? std::optional(time) : std::nullopt;
}

struct IsoWeek {
  int year = 0;
  int week = 0;
};

/// A week belongs to the year that has its Thursday.
IsoWeek iso_week_of(const LocalTime& time) {
  using std::chrono::days, std::chrono::month, std::chrono::year, std::chrono::day;
  const std::chrono::sys_days date = year(time.year) / month(static_cast<unsigned>(time.month)) /
                                     day(static_cast<unsigned>(time.day));
  const unsigned weekday = std::chrono::weekday(date).iso_encoding();
  const std::chrono::sys_days thursday = date + days(4 - static_cast<int>(weekday));
  const std::chrono::year_month_day of(thursday);
  const std::chrono::sys_days first = of.year() / std::chrono::January / 1;
  return {static_cast<int>(of.year()), static_cast<int>((thursday - first).count()) / 7 + 1};
}

}  // namespace

std::optional<std::string> formatted_bound(std::string_view bound, std::string_view format) {
  const auto time = local_time_of(bound);
  if (!time) return std::nullopt;
  const IsoWeek week = iso_week_of(*time);
  struct Field {
    std::string_view name;
    int width;
    int value;
  };
  const std::array fields = {Field{"YYYY", 4, time->year},        Field{"MM", 2, time->month},
                             Field{"DD", 2, time->day},           Field{"HH24", 2, time->hour},
                             Field{"MI", 2, time->minute},        Field{"SS", 2, time->second},
                             Field{"IYYY", 4, week.year},         Field{"IW", 2, week.week},
                             Field{"Q", 1, (time->month + 2) / 3}};
  std::string text;
  while (!format.empty()) {
    const Field* field =
        find_where(fields, [&](const Field& each) { return format.starts_with(each.name); });
    if (field != nullptr) {
      text += fmt::format("{:0{}}", field->value, field->width);
      format.remove_prefix(field->name.size());
    } else if (take_text(format, "\"")) {
      const std::size_t end = format.find('"');
      if (end == std::string_view::npos) return std::nullopt;
      text += format.substr(0, end);
      format.remove_prefix(end + 1);
    } else if (std::isalnum(static_cast<unsigned char>(format.front())) != 0) {
      return std::nullopt;
    } else {
      text += format.front();
      format.remove_prefix(1);
    }
  }
  return text;
}

Result<std::string> name_by_pattern(std::string_view pattern, std::string_view table,
                                    std::int64_t key, std::string_view from) {
  std::string name;
  bool has_table = false;
  bool has_key = false;
  for (std::string_view rest = pattern; !rest.empty();) {
    int width = 0;
    if (take_text(rest, "{table}")) {
      name += table;
      has_table = true;
    } else if (take_text(rest, "{key}") || take_key_width(rest, width)) {
      name += fmt::format("{:0{}}", key, width);
      has_key = true;
    } else if (take_from(rest, from, name)) {
      has_key = true;
    } else if (rest.front() == '{' || rest.front() == '}') {
      has_key = false;
      break;
    } else {
      name += rest.front();
      rest.remove_prefix(1);
    }
  }
  if (has_table && has_key) return name;
  return refused("bad-leaf-name",
                 fmt::format("'{}' is no pattern for the names of leaves", pattern),
                 from.empty() ? "write {table} and {key} into it, or {key:02} for two digits at "
                                "least: \"{table}_p{key:02}\""
                              : "write {table} into it, and {from}, {from:YYYY_MM} or {key}: "
                                "\"{table}_p{from:YYYY_MM_DD}\"",
                 "--leaf-name");
}

LeafMap::LeafMap(Leaves leaves, KeyExpression key)
    : leaves_(std::move(leaves)), key_(std::move(key)), rest_(leaves_.rest.value_or(kNoLeaf)) {
  for (std::uint32_t leaf = 0; leaf < leaves_.keys.size(); ++leaf) {
    for (const std::int64_t key_of_leaf : leaves_.keys[leaf]) {
      if (key_of_leaf < 0 || key_of_leaf >= kDenseKeys) {
        sparse_.emplace(key_of_leaf, leaf);
        continue;
      }
      const auto at = static_cast<std::size_t>(key_of_leaf);
      if (at >= dense_.size()) dense_.resize(at + 1, rest_);
      dense_[at] = leaf;
    }
  }
}

std::optional<std::int64_t> LeafMap::leaf_key(std::uint32_t leaf) const {
  const std::vector<std::int64_t>& keys = leaves_.keys[leaf];
  return keys.empty() ? std::nullopt : std::optional(keys.front());
}

std::string LeafMap::leaf_name(std::string_view table, std::uint32_t leaf,
                               std::string_view pattern) const {
  // The request's pattern has been checked.
  if (!pattern.empty() && leaf_key(leaf)) {
    const std::string_view from = leaves_.froms.empty() ? "" : leaves_.froms[leaf];
    return name_by_pattern(pattern, table, *leaf_key(leaf), from).value_or("");
  }
  if (!leaves_.suffixes.empty()) return suffixed_name(table, leaves_.suffixes[leaf]);
  const std::size_t digits = std::to_string(leaf_count() - 1).size();
  return suffixed_name(table, fmt::format("_p{:0{}}", leaf, digits));
}

std::vector<std::string> LeafMap::missing_leaves(std::uint32_t wanted) const {
  std::vector<std::string> missing;
  for (std::uint32_t key = 0; key < wanted; ++key) {
    if (leaf_of(key) == rest_) missing.push_back(std::to_string(key));
  }
  return missing;
}

void LeafMap::route(const LayoutRows& rows, std::span<std::uint32_t> leaf_of_row) const {
  for (std::size_t row = 0; row < leaf_of_row.size(); ++row) {
    leaf_of_row[row] = rows.states[row] == KeyState::ok ? leaf_of(rows.keys[row]) : kNoLeaf;
  }
}

/// A remainder and a partition key have few values as they are.
std::string LeafMap::group_sql(const std::string& key_sql) const {
  const bool is_few =
      key_.partition_key() != nullptr || key_.modulus().value_or(INT64_MAX) <= kFewKeys;
  if (is_few) return key_sql;
  std::vector<std::int64_t> all;
  for (const std::vector<std::int64_t>& keys : leaves_.keys) append(all, keys);
  return fmt::format(
      "CASE WHEN {0} OPERATOR(pg_catalog.=) ANY ('{{{1}}}'::pg_catalog.int8[]) THEN {0} END",
      key_sql, fmt::join(all, ","));
}

namespace {

/// Where a row lies that no leaf takes.
std::string place_of(const PartitionKey& key, std::int64_t place) {
  const std::string columns = joined(key.columns, ", ", display_name);
  const auto bound = [&](std::int64_t at) {
    return joined(key.bounds[static_cast<std::size_t>(at)], ", ", [](const BoundValue& value) {
      return value.kind == BoundValue::Kind::minimum   ? std::string("MINVALUE")
             : value.kind == BoundValue::Kind::maximum ? std::string("MAXVALUE")
                                                       : value.text;
    });
  };
  if (key.strategy == PartitionKey::Strategy::hash) {
    return fmt::format("a row has remainder {}, for which the target has no leaf", place);
  }
  if (place == PartitionKey::kNone) {
    const bool is_list = key.strategy == PartitionKey::Strategy::list;
    return fmt::format("a row has {} in {}, for which the target has no leaf",
                       is_list ? "a value" : "NULL", columns);
  }
  const auto count = static_cast<std::int64_t>(key.bounds.size());
  if (key.strategy == PartitionKey::Strategy::list || count == 0) {
    return fmt::format("a row has a value of {} for which the target has no leaf", columns);
  }
  if (place == 0) {
    return fmt::format("a row's {} is below the first range, which begins at {}", columns,
                       bound(0));
  }
  if (place == count) {
    return fmt::format("a row's {} is above the last range, which ends at {}", columns,
                       bound(count - 1));
  }
  return fmt::format("a row's {} is between {} and {}, where the target has no range", columns,
                     bound(place - 1), bound(place));
}

}  // namespace

std::pair<std::string, std::string> LeafMap::why_no_leaf(const LayoutRows& rows,
                                                         std::size_t row) const {
  const KeyState state = rows.states[row];
  if (state == KeyState::ok && key_.partition_key() != nullptr) {
    return {"key-no-leaf", place_of(*key_.partition_key(), rows.keys[row])};
  }
  if (state == KeyState::ok) {
    return {"key-no-leaf",
            fmt::format("a row has key {}, for which the target has no leaf", rows.keys[row])};
  }
  constexpr std::array<const char*, 5> kCodes = {"key-no-leaf", "key-null", "key-overflow",
                                                 "key-division-by-zero", "key-malformed"};
  return {kCodes[static_cast<std::size_t>(state)],
          fmt::format("a row's key is {}", to_string(state))};
}

Result<void> LeafMap::prove(Connection& source, const Table& table) const {
  PGFANOUT_TRY(prove_key(source, table, key_));
  return {};
}

}  // namespace pgfanout
