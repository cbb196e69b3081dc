#include "copier/cli/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <ctime>
#include <utility>
#include <vector>

#include "copier/catalog/relation_name.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

struct Unit {
  std::string_view name;  // In lower case.
  double factor;
};

constexpr double kilo = 1024.0;
constexpr std::array size_units = {
    Unit{"", 1},
    Unit{"b", 1},
    Unit{"kb", kilo},
    Unit{"kib", kilo},
    Unit{"mb", kilo* kilo},
    Unit{"mib", kilo* kilo},
    Unit{"gb", kilo* kilo* kilo},
    Unit{"gib", kilo* kilo* kilo},
    Unit{"tb", kilo* kilo* kilo* kilo},
    Unit{"tib", kilo* kilo* kilo* kilo},
};
constexpr std::array duration_units = {  // In milliseconds.
    Unit{"ms", 1}, Unit{"s", 1000}, Unit{"min", 60'000}, Unit{"h", 3'600'000}};
constexpr double most_bytes = kilo * kilo * kilo * kilo * kilo;
constexpr double day_milliseconds = 86'400'000;

/// A number without sign or exponent, and its unit in lower case.
std::optional<std::pair<double, std::string>> split_unit(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text.front())) == 0) return {};
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(number)) return {};
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  return std::pair{number, lower_case(unit)};
}

template <std::size_t n>
std::optional<double> scaled(const std::pair<double, std::string>& value,
                             const std::array<Unit, n>& units) {
  const auto unit = std::find_if(units.begin(), units.end(),
                                 [&](const Unit& each) { return each.name == value.second; });
  if (unit == units.end()) return {};
  return value.first * unit->factor;
}

}  // namespace

bool is_plain_word(std::string_view text, std::string_view others) {
  return !text.empty() && std::ranges::all_of(text, [&](unsigned char c) {
    return (c < 0x80U && std::isalnum(c) != 0) || others.find(static_cast<char>(c)) != others.npos;
  });
}

Error bad_value(std::string_view expected, std::string_view given) {
  return refused("usage", fmt::format("must be {}, not '{}'", expected, printable(given)));
}

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || number < least || number > most) {
    return bad_value(fmt::format("a whole number from {} to {}", least, most), text);
  }
  return number;
}

Result<std::optional<std::uint32_t>> parse_connections(std::string_view text) {
  if (text == "auto") return std::optional<std::uint32_t>{};
  const auto number = parse_number(text, 1, 1000);
  if (!number) return bad_value("auto or a whole number from 1 to 1000", text);
  return std::optional{static_cast<std::uint32_t>(*number)};
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto value = split_unit(text);
  const auto bytes = value ? scaled(*value, size_units) : std::nullopt;
  if (!bytes || *bytes > most_bytes) return bad_value("a size such as 256MB or 1.5GB", text);
  return static_cast<std::uint64_t>(*bytes);
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text,
                                                 std::chrono::milliseconds bare_unit,
                                                 std::chrono::milliseconds least) {
  const auto value = split_unit(text);
  std::optional<double> milliseconds;
  if (value && value->second.empty()) {
    milliseconds = value->first * static_cast<double>(bare_unit.count());
  } else if (value) {
    milliseconds = scaled(*value, duration_units);
  }
  if (!milliseconds || *milliseconds < static_cast<double>(least.count()) ||
      *milliseconds > day_milliseconds) {
    return bad_value(
        fmt::format("a time from {}ms to 24h, such as 500ms, 5s or 2min; a bare number "
                    "counts {}",
                    least.count(), bare_unit.count() == 1 ? "milliseconds" : "seconds"),
        text);
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(*milliseconds));
}

Result<CommitEvery> parse_commit_every(std::string_view text) {
  using Unit = CommitEvery::Unit;
  if (text == "auto") return CommitEvery{};
  if (text == "leaf") return CommitEvery{Unit::leaf, 0};
  if (const auto rows = parse_number(text, 1, UINT64_MAX)) return CommitEvery{Unit::rows, *rows};
  const auto bytes = parse_size(text);
  if (bytes && *bytes > 0) return CommitEvery{Unit::bytes, *bytes};
  return bad_value("leaf, a size such as 256MB, or a number of rows", text);
}

Result<RejectLimit> parse_reject_limit(std::string_view text) {
  RejectLimit limit;
  if (text.ends_with('%')) {
    const auto value = split_unit(text);
    if (value && value->second == "%" && value->first <= 100) {
      limit.percent = value->first;
      return limit;
    }
  } else if (const auto rows = parse_number(text, 0, UINT64_MAX)) {
    limit.rows = *rows;
    return limit;
  }
  return bad_value("a number of rows or a share such as 0.1%", text);
}

namespace {

template <class Value, std::size_t n>
std::optional<Value> named(std::string_view name, const std::array<Value, n>& values) {
  const auto found =
      std::ranges::find_if(values, [&](Value each) { return name == name_of(each); });
  return found == values.end() ? std::nullopt : std::optional(*found);
}

constexpr std::array kMeasures = {
    Measure::cpu,         Measure::memory,       Measure::errors,
    Measure::lock_wait,   Measure::replica_lag,  Measure::disk_free,
    Measure::checkpoints, Measure::session_wait, Measure::wal_waiting};
constexpr std::array kActions = {WatchAction::off,  WatchAction::warn,  WatchAction::shrink,
                                 WatchAction::slow, WatchAction::pause, WatchAction::stop};

Result<double> parse_limit(Measure measure, std::string_view text) {
  switch (measure) {
    case Measure::cpu:
    case Measure::memory:
    case Measure::errors: {
      const auto value = split_unit(text);
      const bool is_share = value && (value->second == "%" || value->second.empty());
      if (!is_share || value->first > 100) return bad_value("a share such as 80%", text);
      return value->first;
    }
    case Measure::lock_wait:
    case Measure::session_wait:
    case Measure::replica_lag: {
      PGFANOUT_TRY_ASSIGN(const auto time, parse_duration(text, std::chrono::seconds(1),
                                                          std::chrono::milliseconds(1)));
      return std::chrono::duration<double>(time).count();
    }
    case Measure::wal_waiting:
    case Measure::disk_free: {
      PGFANOUT_TRY_ASSIGN(const std::uint64_t bytes, parse_size(text));
      return static_cast<double>(bytes);
    }
    case Measure::checkpoints: {
      const auto value = split_unit(text);
      if (!value || !value->second.empty()) return bad_value("a number a minute, such as 2", text);
      return value->first;
    }
  }
  return bad_value("a limit", text);
}

}  // namespace

Result<ThresholdSetting> parse_threshold(std::string_view text) {
  const std::size_t divider = text.find('=');
  const auto measure = named(text.substr(0, divider), kMeasures);
  if (divider == std::string_view::npos || !measure) {
    return refused("usage", "must be NAME=LIMIT[:ACTION], such as cpu=80%:slow",
                   "names are cpu, memory, errors, lock_wait, replica_lag, disk_free, checkpoints, "
                   "session_wait, wal_waiting");
  }
  ThresholdSetting setting{*measure, {}, {}};
  std::string_view rest = text.substr(divider + 1);
  const std::size_t colon = rest.rfind(':');
  std::string_view action = colon == std::string_view::npos ? rest : rest.substr(colon + 1);
  setting.action = named(action, kActions);
  if (setting.action) rest = colon == std::string_view::npos ? "" : rest.substr(0, colon);
  if (!setting.action && colon != std::string_view::npos) {
    return bad_value("off, warn, shrink, slow, pause or stop after the colon", action);
  }
  if (!rest.empty()) {
    PGFANOUT_TRY_ASSIGN(setting.limit, parse_limit(*measure, rest));
  }
  return setting;
}

Result<std::chrono::system_clock::time_point> parse_clock_time(
    std::string_view text, std::chrono::system_clock::time_point now) {
  const bool has_seconds = text.size() == 8 && text[5] == ':';
  const auto hours = parse_number(text.substr(0, 2), 0, 23);
  const auto minutes = text.size() < 5 ? hours : parse_number(text.substr(3, 2), 0, 59);
  const auto seconds =
      has_seconds ? parse_number(text.substr(6), 0, 59) : Result<std::uint64_t>(std::uint64_t{0});
  const bool has_form = (text.size() == 5 || has_seconds) && text[2] == ':';
  if (!has_form || !hours || !minutes || !seconds) {
    return bad_value("a time of day such as 04:00", text);
  }
  const std::time_t today = std::chrono::system_clock::to_time_t(now);
  std::tm local{};
  localtime_r(&today, &local);
  local.tm_hour = static_cast<int>(*hours);
  local.tm_min = static_cast<int>(*minutes);
  local.tm_sec = static_cast<int>(*seconds);
  local.tm_isdst = -1;
  std::tm tomorrow = local;
  auto moment = std::chrono::system_clock::from_time_t(std::mktime(&local));
  if (moment > now) return moment;
  ++tomorrow.tm_mday;
  tomorrow.tm_isdst = -1;
  return std::chrono::system_clock::from_time_t(std::mktime(&tomorrow));
}

Result<ColumnMapping> parse_mapping(std::string_view text) {
  bool is_quoted = false;
  std::size_t at = 0;
  while (at < text.size() && (is_quoted || text[at] != '=')) {
    if (text[at] == '"') is_quoted = !is_quoted;
    ++at;
  }
  if (at == 0 || at + 1 >= text.size()) return bad_value("COLUMN=EXPRESSION", text);
  return ColumnMapping{std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> names) {
  constexpr std::size_t longest = 64;  // No name is longer; keeps the cost small.
  if (typed.size() > longest) return {};
  std::string_view best;
  std::size_t fewest = std::max<std::size_t>(2, typed.size() / 3) + 1;
  for (const std::string_view name : names) {
    const bool abbreviates = typed.size() >= 3 && typed != "---" && name.starts_with(typed);
    const std::size_t slips = abbreviates ? 1 : edit_distance(typed, name);
    if (slips < fewest && slips < typed.size()) {
      fewest = slips;
      best = name;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view typed, std::span<const std::string_view> names,
                         std::string otherwise) {
  const std::string_view nearest = nearest_name(typed, names);
  return nearest.empty() ? std::move(otherwise) : fmt::format("did you mean {}?", nearest);
}

}  // namespace pgfanout
