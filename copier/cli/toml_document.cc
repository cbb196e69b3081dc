#define TOML_IMPLEMENTATION
#include "copier/cli/toml_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

/// Every dot outside of a string opens a table, and the library frees tables recursively.
constexpr std::ptrdiff_t most_dots_in_a_line = 1000;

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
std::string reason_of(const toml::parse_error& error, std::string_view text, std::uint32_t line) {
  const bool is_secret = may_carry_password(line_at(text, line)) ||
                         (line > 1 && may_carry_password(line_at(text, line - 1)));
  if (is_secret) return {};
  std::string_view reason = error.description();
  constexpr std::string_view preface = "Error while parsing ";
  if (reason.starts_with(preface)) reason.remove_prefix(preface.size());
  return ": " + printable(reason);
}

/// Where the library trips over `text`, to the line: the first one without which it does not.
toml::source_position place_of_trip(std::string_view text) {
  std::vector<std::size_t> ends;
  for (std::size_t at = text.find('\n'); at != std::string_view::npos;
       at = text.find('\n', at + 1)) {
    ends.push_back(at + 1);
  }
  const auto trips = [&](std::size_t end) {
    try {
      static_cast<void>(toml::parse(text.substr(0, end)));
    } catch (const toml_library::Tripped&) {
      return true;
    } catch (const toml::parse_error&) {  // Cut in the middle of something.
    }
    return false;
  };
  const auto line =
      std::partition_point(ends.begin(), ends.end(), [&](std::size_t end) { return !trips(end); });
  return {static_cast<std::uint32_t>(line - ends.begin()) + 1, 1};
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

}  // namespace

std::vector<TomlMember> members_of(const toml::table& table) {
  std::vector<TomlMember> members;
  for (const auto& [key, value] : table) {
    members.push_back({std::string(key.str()), key.source().begin, &value});
  }
  std::ranges::stable_sort(members, {}, &TomlMember::at);
  return members;
}

std::string_view name_of(toml::node_type type) {
  switch (type) {
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::none:
    case toml::node_type::table:
      break;
  }
  return "a table";
}

std::string text_of(const toml::node& node) {
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  return node.value_or(std::string());
}

Error job_file_error(std::string_view file, toml::source_position at, std::string message,
                     std::string hint) {
  return refused(
      "job-file", std::move(message), std::move(hint),
      fmt::format("{}:{}:{}", printable(file), std::max(at.line, 1U), std::max(at.column, 1U)));
}

Result<toml::table> parse_toml(std::string_view text, std::string_view file) {
  PGFANOUT_TRY(check_depth(text, file));
  constexpr std::string_view hint = "strings need quotes: table = \"public.chunks\"";
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    return job_file_error(file, at,
                          "the job file is no valid TOML" + reason_of(error, text, at.line),
                          std::string(hint));
  } catch (const toml_library::Tripped&) {
    return job_file_error(file, place_of_trip(text), "the job file is no valid TOML",
                          std::string(hint));
  }
}

}  // namespace pgfanout
