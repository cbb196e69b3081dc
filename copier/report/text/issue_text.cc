#include "copier/report/text/issue_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

/// In the order of Severity.
constexpr std::array kColors = {"\x1b[1;31m", "\x1b[31m", "\x1b[33m", ""};
constexpr std::array kUpperNames = {"CRITICAL", "ERROR", "WARNING", "INFO"};

std::string where_and_hint(std::string_view where, std::string_view hint) {
  std::string text;
  constexpr std::string_view before_where = "\n  where: ";
  constexpr std::string_view before_hint = "\n  hint: ";
  if (!where.empty()) {
    text += fmt::format("{}{}", before_where, printable_lines(where, before_where.size() - 1));
  }
  if (!hint.empty()) {
    text += fmt::format("{}{}", before_hint, printable_lines(hint, before_hint.size() - 1));
  }
  return text;
}

}  // namespace

std::string code_text(std::string_view code) {
  return code.empty() ? "" : fmt::format(" [{}]", printable(code));
}

std::string_view severity_name(Severity severity) {
  return kUpperNames.at(static_cast<std::size_t>(severity));
}

std::string issue_text(const Issue& issue, bool color) {
  const auto severity = static_cast<std::size_t>(issue.severity);
  const std::string_view style = color ? kColors.at(severity) : "";
  return fmt::format("{}{}{}: {}{}{}", style, kSeverityNames.at(severity),
                     style.empty() ? "" : "\x1b[0m", printable_lines(issue.message, 2),
                     code_text(issue.code), where_and_hint(issue.where, issue.hint));
}

std::string error_text(const Error& error) {
  const bool has_state = !error.sqlstate.empty();
  return fmt::format("error: {}{}{}{}\n", printable_lines(error.message, 2),
                     has_state ? fmt::format(" (SQLSTATE {})", printable(error.sqlstate)) : "",
                     code_text(error.code), where_and_hint(error.where, error.hint));
}

std::vector<Issue> issues_beside_error(const JobResult& result) {
  std::vector<Issue> issues;
  for (const Issue& issue : result.issues) {
    const bool is_error_again =
        result.error && issue.code == result.error->code && issue.message == result.error->message;
    if (!is_error_again) issues.push_back(issue);
  }
  std::stable_sort(issues.begin(), issues.end(),
                   [](const Issue& a, const Issue& b) { return a.severity < b.severity; });
  return issues;
}

std::string issues_text(const JobResult& result) {
  std::string text;
  for (const Issue& issue : issues_beside_error(result)) text += issue_text(issue) + "\n";
  return text;
}

std::string fence_line(const JobResult& result, std::string_view release) {
  if (result.writes_refused && release.empty()) return "source: writes are refused by a fence\n";
  if (result.writes_refused) {
    return fmt::format("source: writes are refused by a fence until {}; to lift it now: {}\n",
                       result.command == "copy" ? "the copy is done" : "swap or rollback",
                       printable(release));
  }
  // A command that did not look at the fence does not know of one that another command left.
  const bool looks = result.command != "plan" && result.command != "key" &&
                     result.command != "verify" && result.command != "queries";
  const bool came_to_look = !result.error || !result.job.empty();
  return looks && came_to_look ? "source: writes are allowed\n"
                               : "source: writes are as they were\n";
}

}  // namespace pgfanout
