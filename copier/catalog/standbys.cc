#include "copier/catalog/standbys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

namespace pgfanout {
namespace {

/// ASCII only, as the server folds these names.
std::string folded(std::string_view text) {
  std::string lower(text);
  for (char& byte : lower) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  }
  return lower;
}

bool counts(const ConnectedStandby& standby) {
  if (standby.state.empty()) return true;
  return standby.has_flushed && (standby.state == "streaming" || standby.state == "stopping");
}

}  // namespace

StandbyRule parse_standby_names(std::string_view setting) {
  StandbyRule rule;
  std::string word;  // Without blanks: "FIRST2" before a parenthesis.
  bool is_quoted = false;
  const auto take_name = [&] {
    if (!word.empty()) rule.names.push_back(std::exchange(word, {}));
  };
  for (std::size_t at = 0; at < setting.size(); ++at) {
    const char byte = setting[at];
    if (byte == '"') {
      const bool is_doubled = is_quoted && setting.substr(at + 1).starts_with('"');
      if (is_doubled) word += setting[++at];
      if (!is_doubled) is_quoted = !is_quoted;
    } else if (is_quoted) {
      word += byte;
    } else if (byte == '(') {
      const std::string digits = word.substr(word.find_last_not_of("0123456789") + 1);
      rule.needed = static_cast<std::uint32_t>(std::strtoul(digits.c_str(), nullptr, 10));
      word.clear();
    } else if (byte == ',' || byte == ')') {
      take_name();
    } else if (std::isspace(static_cast<unsigned char>(byte)) == 0) {
      word += byte;
    }
  }
  take_name();
  if (rule.needed == 0 && !rule.names.empty()) rule.needed = 1;
  return rule;
}

std::optional<MissingStandbys> missing_standbys(std::string_view setting,
                                                const std::vector<ConnectedStandby>& connected) {
  const StandbyRule rule = parse_standby_names(setting);
  MissingStandbys missing{rule.needed, 0, rule.names};
  for (const ConnectedStandby& standby : connected) {
    const auto listed = std::find_if(rule.names.begin(), rule.names.end(), [&](const auto& name) {
      return name == "*" || folded(name) == folded(standby.name);
    });
    if (listed == rule.names.end() || !counts(standby)) continue;
    ++missing.connected;
    std::erase(missing.absent, *listed);
  }
  if (missing.connected >= missing.needed) return {};
  if (missing.absent.empty()) missing.absent.emplace_back(setting);
  return missing;
}

std::string text_of(const MissingStandbys& missing) {
  return fmt::format("{} of {} needed synchronous standbys are streaming (missing: {})",
                     missing.connected, missing.needed, fmt::join(missing.absent, ", "));
}

Result<std::optional<MissingStandbys>> find_missing_standbys(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows settings,
                      connection.query("SELECT current_setting('synchronous_standby_names'),"
                                       " current_setting('synchronous_commit') IN ('off', 'local')"
                                       "  OR pg_is_in_recovery()"));
  if (settings.text(0, 0).empty() || settings.boolean(0, 1))
    return std::optional<MissingStandbys>();
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query("SELECT r.application_name, COALESCE(r.state, ''),"
                                       " r.flush_lsn IS NOT NULL FROM pg_stat_replication r"));
  std::vector<ConnectedStandby> connected;
  for (int row = 0; row < rows.size(); ++row) {
    connected.push_back({rows.str(row, 0), rows.str(row, 1), rows.boolean(row, 2)});
  }
  return missing_standbys(settings.text(0, 0), connected);
}

}  // namespace pgfanout
