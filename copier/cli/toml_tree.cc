#include "copier/cli/toml_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "copier/report/text.h"

// Compiled into this file alone: the packaged library of it throws where we want a result.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace pgfanout {
namespace {

/// Every dot outside of a string opens a table, and the library frees tables recursively.
constexpr std::ptrdiff_t most_dots_in_a_line = 1000;

TomlPosition position_of(const toml::source_region& region) {
  return {std::max<std::uint32_t>(region.begin.line, 1),
          std::max<std::uint32_t>(region.begin.column, 1)};
}

std::string_view line_at(std::string_view text, std::uint32_t number) {
  for (std::uint32_t line = 1; line < number; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

bool may_carry_password(std::string_view line) {
  std::string lower(line);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower.find("pass") != std::string::npos || lower.find("pwd") != std::string::npos ||
         lower.find("dsn") != std::string::npos || lower.find("://") != std::string::npos;
}

/// The library's words, without its preface. Where a password may be near they are left out, since
/// they can quote what was read.
std::string reason_of(const toml::parse_error& error, std::string_view text, TomlPosition at) {
  const bool is_secret = may_carry_password(line_at(text, at.line)) ||
                         (at.line > 1 && may_carry_password(line_at(text, at.line - 1)));
  if (is_secret) return {};
  std::string_view reason = error.description();
  constexpr std::string_view preface = "Error while parsing ";
  if (reason.starts_with(preface)) reason.remove_prefix(preface.size());
  return ": " + printable(reason);
}

Result<void> check_depth(std::string_view text, std::string_view file) {
  for (std::uint32_t line = 1; !text.empty(); ++line) {
    const std::string_view words = text.substr(0, text.find('\n'));
    if (std::count(words.begin(), words.end(), '.') > most_dots_in_a_line) {
      return job_file_error(
          file, {line, 1}, fmt::format("a line has more than {} dots", most_dots_in_a_line),
          "break a long SQL text into lines: \"\"\" opens and closes a string of several lines");
    }
    text.remove_prefix(std::min(text.size(), words.size() + 1));
  }
  return {};
}

TomlValue tree_of(const toml::node& node);

void add_members(const toml::table& table, TomlValue& to) {
  for (const auto& [key, value] : table) {
    to.members.push_back({std::string(key.str()), position_of(key.source()), tree_of(value)});
  }
  std::stable_sort(to.members.begin(), to.members.end(),
                   [](const TomlMember& a, const TomlMember& b) {
                     return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
                   });
}

TomlValue tree_of(const toml::node& node) {
  TomlValue value;
  value.at = position_of(node.source());
  if (const auto* text = node.as_string()) {
    value.kind = TomlKind::text;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = TomlKind::integer;
    value.text = std::to_string(integer->get());
  } else if (const auto* decimal = node.as_floating_point()) {
    value.kind = TomlKind::decimal;
    value.text = fmt::format("{}", decimal->get());
  } else if (const auto* flag = node.as_boolean()) {
    value.kind = TomlKind::flag;
    value.text = flag->get() ? "true" : "false";
  } else if (const auto* list = node.as_array()) {
    value.kind = TomlKind::list;
    for (const toml::node& item : *list) value.items.push_back(tree_of(item));
  } else if (const auto* table = node.as_table()) {
    value.kind = TomlKind::table;
    add_members(*table, value);
  } else {
    value.kind = TomlKind::date;
  }
  return value;
}

}  // namespace

std::string_view name_of(TomlKind kind) {
  switch (kind) {
    case TomlKind::text:
      return "a string";
    case TomlKind::integer:
      return "a whole number";
    case TomlKind::decimal:
      return "a number with a fraction";
    case TomlKind::flag:
      return "true or false";
    case TomlKind::date:
      return "a date or time";
    case TomlKind::list:
      return "a list";
    case TomlKind::table:
      break;
  }
  return "a table";
}

Error job_file_error(std::string_view file, TomlPosition at, std::string message,
                     std::string hint) {
  return refused("job-file", std::move(message), std::move(hint),
                 fmt::format("{}:{}:{}", printable(file), at.line, at.column));
}

Result<TomlValue> parse_toml(std::string_view text, std::string_view file) {
  PGFANOUT_TRY(check_depth(text, file));
  const toml::parse_result parsed = toml::parse(text);
  if (parsed.succeeded()) return tree_of(parsed.table());
  const toml::parse_error& error = parsed.error();
  const TomlPosition at = position_of(error.source());
  return job_file_error(file, at, "the job file is no valid TOML" + reason_of(error, text, at),
                        "strings need quotes: table = \"public.chunks\"");
}

}  // namespace pgfanout
