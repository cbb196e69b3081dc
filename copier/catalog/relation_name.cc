#include "copier/catalog/relation_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "hashing/pg_hash.h"

namespace pgfanout {
namespace {

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\r\f";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// Takes one identifier off the front of `rest`.
std::optional<std::string> take_identifier(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  if (rest.front() != '"') {
    if (!starts_sql_name(rest.front())) return std::nullopt;
    std::size_t end = 1;
    while (end < rest.size() && continues_sql_name(rest[end])) ++end;
    std::string name = lower_case(rest.substr(0, end));
    rest.remove_prefix(end);
    return name;
  }
  std::string name;
  for (std::size_t at = 1; at < rest.size(); ++at) {
    if (rest[at] != '"') {
      name += rest[at];
    } else if (at + 1 < rest.size() && rest[at + 1] == '"') {
      name += '"';
      ++at;
    } else {
      rest.remove_prefix(at + 1);
      if (name.empty()) return std::nullopt;
      return name;
    }
  }
  return std::nullopt;
}

Error bad_name(std::string_view written) {
  const bool has_quote = written.find('"') != std::string_view::npos;
  return refused("bad-name", fmt::format("\"{}\" is not the name of a table", written),
                 has_quote
                     ? "write name or schema.name, each part in double quotes where needed"
                     : fmt::format("write name or schema.name; names with other characters than "
                                   "letters, digits and _ need double quotes: '\"{}\"'",
                                   written));
}

}  // namespace

std::string suffixed_name(std::string_view name, std::string_view suffix) {
  if (name.size() + suffix.size() <= kMaxMadeNameBytes) return fmt::format("{}{}", name, suffix);
  const std::string hash = fmt::format("_{:08x}", hash_bytes(as_bytes(name)));
  std::size_t keep = kMaxMadeNameBytes - suffix.size() - hash.size();
  while (keep > 0 && is_continuation(name[keep])) --keep;
  return fmt::format("{}{}{}", name.substr(0, keep), hash, suffix);
}

std::string reject_table_name(std::string_view target) {
  return suffixed_name(target, "_rejects");
}

std::string lower_case(std::string_view name) {
  std::string lower(name);
  for (char& byte : lower) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  }
  return lower;
}

std::optional<std::string> parse_identifier(std::string_view written) {
  std::string_view rest = trimmed(written);
  auto name = take_identifier(rest);
  if (!rest.empty()) return std::nullopt;
  return name;
}

Result<RelationName> parse_relation_name(std::string_view written) {
  std::string_view rest = trimmed(written);
  auto first = take_identifier(rest);
  if (!first) return bad_name(written);
  if (rest.empty()) return RelationName{{}, std::move(*first)};
  if (rest.front() != '.') return bad_name(written);
  rest.remove_prefix(1);
  auto second = take_identifier(rest);
  if (!second || !rest.empty()) return bad_name(written);
  return RelationName{std::move(*first), std::move(*second)};
}

std::string display_name(std::string_view name) {
  const auto is_plain = [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_';
  };
  if (!name.empty() && std::ranges::all_of(name, is_plain) &&
      (name.front() < '0' || name.front() > '9')) {
    return std::string(name);
  }
  return quoted_name(name);
}

std::string quoted_name(std::string_view name) {
  std::string quoted = "\"";
  for (const char byte : name) quoted.append(byte == '"' ? 2 : 1, byte);
  return quoted + '"';
}

std::string quoted_name(std::string_view schema, std::string_view name) {
  return quoted_name(schema) + '.' + quoted_name(name);
}

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> before;
  std::vector<std::size_t> above(right.size() + 1);
  for (std::size_t i = 0; i <= right.size(); ++i) above[i] = i;
  for (std::size_t row = 1; row <= left.size(); ++row) {
    std::vector<std::size_t> line(right.size() + 1, row);
    for (std::size_t at = 1; at <= right.size(); ++at) {
      const std::size_t differs = left[row - 1] == right[at - 1] ? 0 : 1;
      line[at] = std::min({above[at] + 1, line[at - 1] + 1, above[at - 1] + differs});
      if (row > 1 && at > 1 && left[row - 1] == right[at - 2] && left[row - 2] == right[at - 1]) {
        line[at] = std::min(line[at], before[at - 2] + 1);
      }
    }
    before = std::exchange(above, std::move(line));
  }
  return above.back();
}

std::vector<std::string> near_names(std::string_view name,
                                    const std::vector<std::string>& candidates) {
  const std::string wanted = lower_case(name);
  const std::size_t limit = std::max<std::size_t>(1, std::min<std::size_t>(wanted.size() / 3, 4));
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(wanted, lower_case(candidate));
    if (distance <= limit) found.emplace_back(distance, candidate);
  }
  std::ranges::sort(found);
  std::vector<std::string> names;
  for (auto& [distance, candidate] : found) {
    if (names.size() == 3) break;
    names.push_back(std::move(candidate));
  }
  return names;
}

std::string near_names_hint(std::string_view name, const std::vector<std::string>& candidates) {
  const std::vector<std::string> names = near_names(name, candidates);
  if (names.empty()) return {};
  std::string hint = "did you mean ";
  for (std::size_t at = 0; at < names.size(); ++at) {
    if (at > 0) hint += at + 1 == names.size() ? " or " : ", ";
    hint += display_name(names[at]);
  }
  return hint + "?";
}

}  // namespace pgfanout
