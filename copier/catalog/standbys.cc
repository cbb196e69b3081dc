#include "copier/catalog/standbys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

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

struct NameToken {
  std::string text;
  bool is_quoted = false;
  [[nodiscard]] bool is(std::string_view word) const { return !is_quoted && folded(text) == word; }
};

/// Words, numbers, quoted names, and single parentheses, commas and stars. Absent: a quote is open.
std::optional<std::vector<NameToken>> tokens_of(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\r\f\v";
  constexpr std::string_view kSingle = "(),*";
  std::vector<NameToken> tokens;
  for (std::size_t at = 0; at < text.size();) {
    const char byte = text[at];
    if (kBlanks.find(byte) != std::string_view::npos) {
      ++at;
    } else if (byte == '"') {
      NameToken token{"", true};
      for (++at;; ++at) {
        if (at == text.size()) return {};
        if (text[at] == '"' && (at + 1 == text.size() || text[at + 1] != '"')) break;
        if (text[at] == '"') ++at;
        token.text += text[at];
      }
      ++at;
      tokens.push_back(std::move(token));
    } else if (kSingle.find(byte) != std::string_view::npos) {
      tokens.push_back({std::string(1, byte)});
      ++at;
    } else {
      const std::size_t end = std::min(text.find_first_of(" \t\n\r\f\v(),*\"", at), text.size());
      tokens.push_back({std::string(text.substr(at, end - at))});
      at = end;
    }
  }
  return tokens;
}

std::optional<std::uint32_t> number_of(const NameToken& token) {
  std::uint32_t number = 0;
  const char* end = token.text.data() + token.text.size();
  const auto parsed = std::from_chars(token.text.data(), end, number);
  if (token.is_quoted || parsed.ec != std::errc{} || parsed.ptr != end) return {};
  return number;
}

bool is_name(const NameToken& token) {
  return token.is_quoted || !(token.is("(") || token.is(")") || token.is(","));
}

/// `tokens` from `at` to `end`: names with commas between.
bool take_names(const std::vector<NameToken>& tokens, std::size_t at, std::size_t end,
                std::vector<std::string>& names) {
  for (; at < end; at += 2) {
    if (!is_name(tokens[at])) return false;
    names.push_back(tokens[at].text);
    if (at + 1 < end && !tokens[at + 1].is(",")) return false;
    if (at + 2 == end) return false;  // A comma at the end.
  }
  return !names.empty();
}

bool counts(const ConnectedStandby& standby) {
  if (standby.state.empty()) return true;
  return standby.has_flushed && (standby.state == "streaming" || standby.state == "stopping");
}

bool matches(const std::string& listed, const ConnectedStandby& standby) {
  return listed == "*" || folded(listed) == folded(standby.name);
}

}  // namespace

std::optional<StandbyRule> parse_standby_names(std::string_view setting) {
  const auto tokens = tokens_of(setting);
  if (!tokens) return {};
  if (tokens->empty()) return StandbyRule{};
  StandbyRule rule{1, {}};
  std::size_t at = 0;
  std::size_t end = tokens->size();
  if (end > 3 && ((*tokens)[0].is("first") || (*tokens)[0].is("any")) && (*tokens)[2].is("("))
    at = 1;
  if (end > at + 2 && (*tokens)[at + 1].is("(")) {
    const auto number = number_of((*tokens)[at]);
    if (!number || *number == 0 || !tokens->back().is(")")) return {};
    rule.needed = *number;
    at += 2;
    --end;
  }
  if (!take_names(*tokens, at, end, rule.names)) return {};
  return rule;
}

std::optional<MissingStandbys> missing_standbys(std::string_view setting,
                                                const std::vector<ConnectedStandby>& connected) {
  const auto rule = parse_standby_names(setting);
  if (!rule || rule->needed == 0) return {};
  MissingStandbys missing{std::string(setting), rule->needed, 0, {}, {}};
  const auto is_listed = [&](const ConnectedStandby& standby) {
    return std::any_of(rule->names.begin(), rule->names.end(),
                       [&](const std::string& name) { return matches(name, standby); });
  };
  for (const ConnectedStandby& standby : connected) {
    if (!is_listed(standby)) continue;
    if (counts(standby)) {
      ++missing.connected;
    } else if (standby.state == "startup" || standby.state == "catchup") {
      missing.catching_up.push_back(standby.name);
    }
  }
  if (missing.connected >= missing.needed) return {};
  for (const std::string& name : rule->names) {
    const bool is_there = std::any_of(
        connected.begin(), connected.end(),
        [&](const ConnectedStandby& standby) { return counts(standby) && matches(name, standby); });
    if (!is_there && name != "*") missing.absent.push_back(name);
  }
  if (missing.absent.empty()) missing.absent.push_back(missing.setting);
  return missing;
}

std::string text_of(const MissingStandbys& missing) {
  std::string text =
      fmt::format("{} of {} needed synchronous standbys are connected (absent: {})",
                  missing.connected, missing.needed, fmt::join(missing.absent, ", "));
  if (missing.catching_up.empty()) return text;
  return text +
         fmt::format("; {} is connected and catches up", fmt::join(missing.catching_up, ", "));
}

Result<std::optional<MissingStandbys>> find_missing_standbys(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows settings,
                      connection.query("SELECT current_setting('synchronous_standby_names'),"
                                       " current_setting('synchronous_commit') IN ('off', 'local')"
                                       "  OR pg_is_in_recovery()"));
  if (settings.text(0, 0).empty() || settings.boolean(0, 1))
    return std::optional<MissingStandbys>();
  if (!parse_standby_names(settings.text(0, 0))) {
    return refused("check-not-run",
                   fmt::format("cannot parse synchronous_standby_names: {}", settings.text(0, 0)));
  }
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
