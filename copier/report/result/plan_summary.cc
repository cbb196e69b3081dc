#include "copier/report/result/plan_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string_view>
#include <vector>

#include "copier/report/result/summary_parts.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

constexpr std::size_t shown_objects = 20;

bool is_reason_against(const Issue& issue) {
  return issue.severity == Severity::critical || issue.severity == Severity::error;
}

/// Issues of one or two severities, numbered, under a heading.
template <class Belongs>
std::string group(std::string_view heading, const std::vector<Issue>& issues, Belongs belongs) {
  std::string text;
  std::size_t count = 0;
  for (const Issue& issue : issues) {
    if (!belongs(issue)) continue;
    text += fmt::format("  {}. {}{}\n", ++count, printable_lines(issue.message, 5),
                        code_text(issue.code));
    if (!issue.where.empty()) {
      text += fmt::format("     where: {}\n", printable_lines(issue.where, 12));
    }
    if (!issue.hint.empty()) {
      text += fmt::format("     hint: {}\n", printable_lines(issue.hint, 11));
    }
  }
  return count == 0 ? std::string() : fmt::format("{} ({}):\n{}", heading, count, text);
}

std::string issue_groups(const JobResult& result) {
  const std::vector<Issue> issues = issues_beside_error(result);
  return group("reasons against", issues, is_reason_against) +
         group("warnings", issues,
               [](const Issue& issue) { return issue.severity == Severity::warning; }) +
         group("notes", issues,
               [](const Issue& issue) { return issue.severity == Severity::info; });
}

std::string impact_text(const std::vector<Impact>& impact) {
  if (impact.empty()) return {};
  std::string text =
      fmt::format("what changes for the application after the swap ({}):\n", impact.size());
  for (std::size_t at = 0; at < impact.size(); ++at) {
    const Impact& change = impact[at];
    text += fmt::format("  {}. {}\n", at + 1, printable_lines(change.what, 5));
    const std::size_t shown = std::min(shown_objects, change.objects.size());
    for (std::size_t object = 0; object < shown; ++object) {
      text += fmt::format("     - {}\n", printable_lines(change.objects[object], 7));
    }
    if (change.objects.size() > shown) {
      text += fmt::format("     - and {} more: --json has all of them\n",
                          with_commas(change.objects.size() - shown));
    }
    if (!change.advice.empty()) {
      text += fmt::format("     do: {}\n", printable_lines(change.advice, 9));
    }
  }
  return text;
}

std::string estimate_line(std::string_view name, double seconds, std::string_view basis) {
  std::string line =
      fmt::format("  {:<12} about {:>7}", printable(name), seconds_text(std::max(seconds, 0.0)));
  if (!basis.empty()) line += "  " + printable(basis);
  return line + "\n";
}

std::string estimates_text(const std::vector<StageEstimate>& estimates) {
  if (estimates.empty()) return {};
  std::string text = "estimated times, from a short calibration; no promise:\n";
  for (const StageEstimate& each : estimates) {
    text += estimate_line(each.stage, each.seconds, each.basis);
  }
  const double sum = std::accumulate(
      estimates.begin(), estimates.end(), 0.0,
      [](double seconds, const StageEstimate& each) { return seconds + each.seconds; });
  return text + estimate_line("together", sum, "");
}

std::string no_go_line(const JobResult& result) {
  constexpr std::string_view prefix = "error: ";
  const std::string error = error_text(*result.error);
  return "no-go: " + error.substr(prefix.size());
}

std::string first_lines(const JobResult& result) {
  if (result.error && result.error->consequence == Consequence::refuse) return no_go_line(result);
  if (result.error) {
    return error_text(*result.error) + std::string(consequence_line(result.error->consequence));
  }
  const std::string source = table_name(result.source, "the source");
  const std::string target = table_name(result.target, "the target");
  if (result.verdict == Verdict::match) {
    return fmt::format("go: {} can move into {}\n", source, target);
  }
  if (result.verdict == Verdict::differs) {
    return fmt::format("no-go: {} cannot move into {} yet\n", source, target);
  }
  return "unproven: the checks did not run to their end, so this is no go\n";
}

}  // namespace

bool plan_has_answer(const JobResult& result) {
  if (!result.error) return final_verdict(result) != Verdict::unproven;
  return result.error->consequence == Consequence::refuse &&
         std::any_of(result.issues.begin(), result.issues.end(), is_reason_against);
}

std::string plan_summary(const JobResult& result, const NextCommands& next) {
  std::string text = first_lines(result);
  if (!result.statements.empty()) text += verdict_line(result);
  text += issue_groups(result);
  text += impact_text(impact_of(result));
  if (const auto* plan = std::get_if<PlanResult>(&result.details)) {
    text += estimates_text(plan->estimates);
  }
  if (exit_code_of(result) == 0 && !next.run.empty()) {
    text += figure("next", printable(next.run));
  }
  return text;
}

}  // namespace pgfanout
