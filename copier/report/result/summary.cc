#include "copier/report/result/summary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "copier/base/amount.h"
#include "copier/base/counted.h"
#include "copier/base/lists.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/text.h"
#include "copier/report/text/watch_text.h"
#include "pgfanout/criteria.h"
#include "pgfanout/job.h"

namespace pgfanout {
namespace {

constexpr std::size_t kShownRows = 20;
constexpr std::size_t kShownObjects = 20;

/// The table's name, safe for a terminal.
std::string table_name(const std::optional<TableSummary>& table, std::string_view otherwise) {
  return table ? printable(table->table) : std::string(otherwise);
}

/// Checks of other commands than verify, by the beginning of their issues' codes.
constexpr std::pair<std::string_view, std::string_view> kOtherChecks[] = {
    {"after-swap", "a check after the swap failed"},
    {"query-", "a query of the job gives another result"}};

/// "the schema differs, a sequence is behind"; empty: none of the checks beside the rows failed.
std::string failed_checks(const JobResult& result) {
  std::vector<std::string_view> words;
  const auto add = [&](std::string_view code, std::string_view failure) {
    const bool has_failed = std::ranges::any_of(result.issues, [&](const Issue& issue) {
      return issue.severity <= Severity::error && issue.code.starts_with(code);
    });
    if (has_failed) words.push_back(failure);
  };
  for (const CriterionFacts& each : kCriteria) {
    if (!each.code.empty()) add(each.code, each.failure);
  }
  for (const auto& [code, failure] : kOtherChecks) add(code, failure);
  return joined(words, ", ");
}

/// Codes of issues that say that rows differ.
constexpr std::string_view kRowCodes[] = {
    "missing", "extra", "changed", "misplaced", "rows-differ", "sample-differs", "copy-differs"};

/// "match: ...", "differs: ...", "unproven: ..." or "dry run: ...".
std::string verdict_line(const JobResult& result) {
  const std::string source = table_name(result.source, "the source");
  const std::string target = table_name(result.target, "the target");
  if (!result.statements.empty()) {
    const auto count = std::ranges::count_if(result.statements, [](const std::string& statement) {
      return !statement.starts_with("--");
    });
    const bool is_about_names =
        result.command == "swap" || result.command == "rollback" || result.command == "cleanup";
    const std::string sides =
        is_about_names && !result.source ? "" : fmt::format(" from {} to {}", source, target);
    return fmt::format("dry run: {}{}, nothing was executed\n",
                       counted(static_cast<std::uint64_t>(count), "statement", "statements"),
                       sides);
  }
  const CopyResult& copied = or_empty(copy_part(result));
  const std::string set_aside =
      copied.rows_rejected == 0 ? ""
                                : fmt::format(", {} set aside", rows_text(copied.rows_rejected));
  const std::uint64_t rows = result.target ? result.target->rows : copied.rows_written;
  switch (final_verdict(result)) {
    case Verdict::match:
      return fmt::format("match: {} in {} {} {}{}\n", rows_text(rows), target,
                         rows == 1 ? "equals" : "equal", source, set_aside);
    case Verdict::differs: {
      const std::string checks = failed_checks(result);
      if (has_equal_rows(result)) {
        return fmt::format("rows equal: {} has the rows of {}, but {}{}\n", target, source,
                           checks.empty() ? "a check failed" : checks, set_aside);
      }
      return fmt::format("differs: {} does not equal {}{}\n", target, source, set_aside);
    }
    case Verdict::unproven:
      break;
  }
  return fmt::format("unproven: could not show that {} equals {}{}\n", target, source, set_aside);
}

/// The error, and its consequence in words.
std::string error_lines(const Error& error, std::string_view interrupted) {
  std::string text = error_text(error);
  switch (error.consequence) {
    case Consequence::refuse:
      return text + "refused: the same command would end the same way\n";
    case Consequence::interrupt:
      return text + fmt::format("interrupted: nothing is damaged; {}\n", interrupted);
    case Consequence::unproven:
      break;
  }
  return text + "unproven: a check did not run to its end; do not rely on the target\n";
}

constexpr std::string_view kSourceUnchanged = "the source is as it was";

bool has_issue(const JobResult& result, std::string_view code) {
  return contains(result.issues, code, &Issue::code);
}

bool has_stage(const JobResult& result, std::string_view name) {
  return contains(result.stages, name, &StageSummary::name);
}

/// Whether the stage is done.
bool is_done(const JobResult& result, std::string_view name) {
  return std::ranges::any_of(result.stages, [&](const StageSummary& stage) {
    return stage.name == name && stage.status == "ok";
  });
}

/// "  name         value"; empty without a value.
std::string figure(std::string_view name, std::string_view value) {
  return value.empty() ? "" : fmt::format("  {:<12} {}\n", name, value);
}

/// "2 error, 1 warning": how many of `list` have each of the words, in the order of these.
template <class List, class Words, class WordOf>
std::string counts_by_word(const List& list, const Words& words, WordOf word_of) {
  return joined(words, ", ", [&](std::string_view word) {
    const auto count = std::ranges::count(list, word, word_of);
    return count == 0 ? std::string() : fmt::format("{} {}", count, word);
  });
}

std::string leaves_figure(const ReadResult& read) {
  return read.partitions.empty() ? "" : figure("leaves", leaves_text(read));
}

std::string stages_figure(const JobResult& result) {
  return figure("stages", joined(result.stages, ", ", [](const StageSummary& stage) {
                  return printable(stage.name) + " " + seconds_text(stage.seconds) +
                         (stage.status == "ok" ? "" : " (" + printable(stage.status) + ")");
                }));
}

std::string side_text(const TableSummary& side, std::string_view sum) {
  std::string text;
  if (!side.digest.empty()) {
    text = fmt::format("{}, {} {}, ", rows_text(side.rows), sum, printable(side.digest));
  } else if (side.rows > 0) {
    text = rows_text(side.rows) + ", ";
  }
  return text + "PostgreSQL " + printable(side.server_version);
}

std::string sides_figures(const JobResult& result) {
  const std::string_view sum = is_by_hash(result) ? "hash" : "digest";
  return (result.source ? figure("source", side_text(*result.source, sum)) : "") +
         (result.target ? figure("target", side_text(*result.target, sum)) : "");
}

std::string used_figure(const ReadResult& read, std::optional<std::uint32_t> writers,
                        const Resources& used) {
  if (read.rows_read == 0) return {};
  return figure("used",
                fmt::format("{} readers, {}{} memory at most, {} CPU", read.readers,
                            writers ? fmt::format("{} writers, ", *writers) : "",
                            amount_of_bytes(used.peak_rss_bytes), seconds_text(used.cpu_seconds)));
}

std::string comparison_figure(const RowComparison& how) {
  if (how.by.empty()) return {};
  const std::string text = figure("compared by", how.by + ": " + how.strength);
  if (how.by != "hash") return text;
  const bool is_streamed = how.leaves_streamed > 0 || how.rows_streamed > 0;
  return text + figure("", is_streamed
                               ? fmt::format("streamed to name rows: {}, {}",
                                             counted(how.leaves_streamed, "leaf", "leaves"),
                                             rows_text(how.rows_streamed))
                               : "finds accidents, not forgery; --stream compares 128 bits");
}

std::string rejected_figure(const JobResult& result, const CopyResult& copied) {
  if (copied.rows_rejected == 0) return {};
  // The swap renames that table as well.
  const JobStatus* status = job_status_of(result);
  const bool is_swapped = status != nullptr && !status->backup.empty();
  return figure("rejected",
                fmt::format("{}, in {}_rejects", rows_text(copied.rows_rejected),
                            table_name(is_swapped ? result.source : result.target, "<target>")));
}

std::string moved_text(const CopyResult& copied) {
  return fmt::format("{} read, {} written, {}", with_commas(copied.rows_read),
                     with_commas(copied.rows_written), amount_of_bytes(copied.bytes_read));
}

/// Issues were printed when they were found, but for notes of a window's plan: this line only
/// counts them.
std::string issues_line(const JobResult& result) {
  const auto word_of = [](const Issue& issue) -> std::string_view {
    return kSeverityNames.at(static_cast<std::size_t>(issue.severity));
  };
  const std::string text = counts_by_word(issues_beside_error(result), kSeverityNames, word_of);
  if (text.empty()) return text;
  const bool hides_notes =
      result.command == "run" && contains(result.issues, Severity::info, &Issue::severity);
  return figure("issues", text + (hides_notes ? ": see above; --report and --json have all notes"
                                              : ": see above, on standard error"));
}

// The copy.

std::string copy_figures(const JobResult& result, const Resources& used) {
  const CopyResult& copied = or_empty(copy_part(result));
  std::string text;
  if (copied.rows_read > 0) {
    const auto copy = std::ranges::find(result.stages, "copy", &StageSummary::name);
    const double seconds = copy == result.stages.end() ? 0 : copy->seconds;
    text += figure(
        "rows",
        moved_text(copied) +
            (seconds > 0 ? ", " + rates_text(static_cast<double>(copied.rows_read) / seconds,
                                             static_cast<double>(copied.bytes_read) / seconds)
                         : ""));
  }
  if (copied.rows_resumed > 0) {
    text += figure("resumed", rows_text(copied.rows_resumed) + " were committed before");
  }
  text += rejected_figure(result, copied);
  if (copied.key_mismatches > 0) {
    text += figure("stored keys", counted(copied.key_mismatches,
                                          "row stored another key than the expression gives",
                                          "rows stored another key than the expression gives"));
  }
  if (result.statements.empty()) text += sides_figures(result);
  if (!result.error) text += leaves_figure(copied);
  return text + stages_figure(result) + used_figure(copied, copied.writers, used);
}

std::string copy_summary(const JobResult& result, const Resources& used, const NextCommands& next) {
  std::string text =
      result.error ? error_lines(*result.error, kSourceUnchanged) : outcome_line(result, next);
  if (result.error && result.error->consequence == Consequence::interrupt) {
    text += figure("to resume", printable(next.again));
  }
  return text + copy_figures(result, used) + issues_line(result);
}

// The verification.

std::string identity_text(const RowDifference& row) {
  const std::string text = joined(row.identity, " ", [](const IdentityValue& value) {
    return fmt::format("{}={}", printable(value.column),
                       value.value ? printable(*value.value) : "NULL");
  });
  return text.empty() ? "row" : text;
}

std::string differences_text(const Differences& differences) {
  if (differences.total() == 0) return {};
  std::string text =
      figure("differences",
             fmt::format("{} missing, {} extra, {} changed, {} misplaced",
                         with_commas(differences.missing), with_commas(differences.extra),
                         with_commas(differences.changed), with_commas(differences.misplaced)));
  const std::size_t shown = std::min(kShownRows, differences.rows.size());
  for (std::size_t at = 0; at < shown; ++at) {
    const RowDifference& row = differences.rows[at];
    text += fmt::format("    {:<9} {}", row.kind, identity_text(row));
    if (!row.source.empty()) text += "; source " + printable(row.source);
    if (!row.target.empty()) text += "; target " + printable(row.target);
    if (!row.columns.empty()) text += "; columns " + joined(row.columns, ", ", printable);
    text += "\n";
  }
  if (differences.total() > shown) {
    text += fmt::format(
        "    and {} more: --json has {}\n", with_commas(differences.total() - shown),
        differences.rows.size() == differences.total() ? "all of them"
                                                       : "as many as --max-differences says");
  }
  return text;
}

std::string shortened(std::string_view text, std::size_t columns) {
  std::string line = printable(text);
  if (line.size() <= columns) return line;
  line.resize(columns - 3);
  return line + "...";
}

/// "9 pass, 1 fails, ..."; empty: there are none.
std::string criteria_figure(const std::vector<CriterionResult>& criteria) {
  constexpr std::string_view kStatuses[] = {"pass", "fail", "not applicable", "not checked"};
  return figure("criteria", counts_by_word(criteria, kStatuses, &CriterionResult::status));
}

/// A line for each criterion that `is_shown`.
template <class IsShown>
std::string criteria_text(const std::vector<CriterionResult>& criteria, IsShown is_shown) {
  std::string text = criteria_figure(criteria);
  for (const CriterionResult& each : criteria) {
    if (!is_shown(each)) continue;
    text += fmt::format("    {:<14} {:<9} {:<28} {}\n", each.status, severity_name(each.severity),
                        printable(each.name), shortened(each.detail, 100));
  }
  return text;
}

/// A line for each object that has a gap; the others are only counted.
std::string schema_text(const VerifyResult& verified) {
  if (verified.schema.empty()) return {};
  const auto is_same = [](const SchemaFinding& finding) { return finding.gap == "none"; };
  const auto same = std::ranges::count_if(verified.schema, is_same);
  std::string text = figure(
      "schema", fmt::format("{} objects compared, {} without a gap", verified.schema.size(), same));
  text += fmt::format("    {:<16} {:>7} {:>7} {:>7} {:>7} {:>9}\n", "kind", "source", "target",
                      "missing", "extra", "different");
  for (const SchemaCount& count : count_by_kind(verified.schema)) {
    text += fmt::format("    {:<16} {:>7} {:>7} {:>7} {:>7} {:>9}\n", count.kind, count.source,
                        count.target, count.missing, count.extra, count.different);
  }
  text += fmt::format("    {:<9} {:<16} {:<28} {:<10} {}\n", "severity", "kind", "name", "gap",
                      "impact");
  for (const SchemaFinding& finding : verified.schema) {
    if (is_same(finding)) continue;
    text += fmt::format("    {:<9} {:<16} {:<28} {:<10} {}\n", severity_name(finding.severity),
                        finding.kind, shortened(finding.name, 28), finding.gap,
                        printable(finding.impact));
  }
  if (!verified.deployment_order.empty()) {
    text += figure("to deploy", "SQL in this order:");
    for (const std::string& statement : verified.deployment_order) {
      text += fmt::format("    {}\n", printable_lines(statement, 4));
    }
  }
  return text;
}

/// Only a comparison of all rows may say that tables are equal.
std::string verify_verdict(const JobResult& result) {
  const bool read_all = has_stage(result, "data");
  if (!result.statements.empty() || final_verdict(result) == Verdict::unproven) {
    return verdict_line(result);
  }
  const std::string what = has_stage(result, "quick") ? "quick checks" : "schema checks";
  const std::string source = table_name(result.source, "the source");
  const std::string target = table_name(result.target, "the target");
  if (!read_all && !result.source) return "done\n";
  if (!read_all) {
    return result.verdict == Verdict::match
               ? fmt::format("passed: {} of {} against {}; rows were not compared\n", what, target,
                             source)
               : fmt::format("failed: {} of {} against {}{}\n", what, target, source,
                             failed_checks(result).empty() ? "" : ": " + failed_checks(result));
  }
  return verdict_line(result);
}

std::string verify_summary(const JobResult& result, const Resources& used) {
  const VerifyResult& verified = or_empty(std::get_if<VerifyResult>(&result.details));
  std::string text =
      result.error ? error_lines(*result.error, kSourceUnchanged) : verify_verdict(result);
  text += sides_figures(result) + comparison_figure(verified.comparison) + leaves_figure(verified);
  if (verified.differences) text += differences_text(*verified.differences);
  text += criteria_text(verified.criteria, [](const CriterionResult&) { return true; });
  return text + schema_text(verified) + stages_figure(result) + used_figure(verified, {}, used) +
         issues_line(result);
}

// The plan.

bool is_reason_against(const Issue& issue) {
  return issue.severity <= Severity::error;
}

/// The issues that belong to it, numbered, under a heading.
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
    const std::size_t shown = std::min(kShownObjects, change.objects.size());
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
  return text + estimate_line("together", sum_of(estimates, &StageEstimate::seconds), "");
}

std::string locks_text(const LockFigures& locks) {
  if (locks.needs.empty()) return {};
  std::string text =
      fmt::format("locks of one transaction, of {} that are free on the server now:\n", locks.free);
  for (const LockNeed& need : locks.needs) {
    text += fmt::format("  {:<12} about {:>7}  {}\n", printable(need.of), need.locks,
                        printable(need.basis));
  }
  return text;
}

/// A line for each: leaves, the queries that read one, some or all of them, and its consequences.
std::string layouts_text(const std::vector<LayoutOption>& layouts) {
  if (layouts.empty()) return {};
  const auto name_of = [](const LayoutOption& option) {
    return printable(option.layout) + (option.is_asked     ? " (asked for)"
                                       : option.is_present ? " (today)"
                                                           : "");
  };
  std::size_t width = 0;
  for (const LayoutOption& option : layouts) width = std::max(width, columns_of(name_of(option)));
  const auto& reads = layouts.front().reads;
  std::string text = fmt::format("layouts, and the leaves that {} would read:\n",
                                 reads.size() == 1 ? "a query " + printable(reads.front().query)
                                                   : counted(reads.size(), "query", "queries"));
  for (const LayoutOption& option : layouts) {
    const auto count = [&](std::string_view leaves) {
      return std::ranges::count(option.reads, leaves, &LayoutOption::Read::leaves);
    };
    const std::string name = name_of(option);
    text += fmt::format("  {}{}  {:>5} {:<6}  {}  {}\n", name,
                        std::string(width - columns_of(name), ' '),
                        option.leaves == 0 ? "?" : with_commas(option.leaves),
                        option.leaves == 1 ? "leaf" : "leaves",
                        reads.size() == 1 ? fmt::format("{:<4}", option.reads.front().leaves)
                                          : fmt::format("one: {:>2}, some: {:>2}, all: {:>2}",
                                                        count("1"), count("some"), count("all")),
                        printable(option.changes));
  }
  return text;
}

std::string plan_lines(const JobResult& result) {
  if (result.error && result.error->consequence == Consequence::refuse) {
    return "no-go: " + error_text(*result.error).substr(std::string_view("error: ").size());
  }
  if (result.error) return error_lines(*result.error, kSourceUnchanged);
  const std::string source = table_name(result.source, "the source");
  const std::string target = table_name(result.target, "the target");
  const auto layout = std::ranges::find(result.issues, "present-layout", &Issue::code);
  const std::string present =
      layout == result.issues.end() ? "" : fmt::format("  {}\n", printable(layout->message));
  if (has_issue(result, "nothing-to-do")) {
    return fmt::format("nothing to do: {} is in this layout already\n{}", source, present);
  }
  if (result.verdict == Verdict::match) {
    return fmt::format("go: {} can move into {}\n{}", source, target, present);
  }
  if (result.verdict == Verdict::differs) {
    return fmt::format("no-go: {} cannot move into {} yet\n", source, target);
  }
  return "unproven: the checks did not run to their end, so this is no go\n";
}

std::string plan_summary(const JobResult& result, const NextCommands& next) {
  std::string text = plan_lines(result);
  if (!result.statements.empty()) text += verdict_line(result);
  text += issue_groups(result);
  text += impact_text(impact_of(result));
  if (const auto* plan = std::get_if<PlanResult>(&result.details)) {
    text += layouts_text(plan->layouts) + estimates_text(plan->estimates) + locks_text(plan->locks);
  }
  if (exit_code_of(result) != 0 || has_issue(result, "nothing-to-do")) return text;
  // Without a fence there is no window, and only a copy may follow.
  return text + figure("next", printable(has_issue(result, "no-fence") ? next.copy : next.run));
}

// The commands of a maintenance window.

/// A line for each stage, in the order of the window, since a resumed job repeats the preflight.
/// With start times where the journal has them.
std::string stage_table(const JobResult& result) {
  if (result.stages.empty()) return {};
  const bool has_starts = std::ranges::any_of(
      result.stages, [](const StageSummary& stage) { return !stage.started_at.empty(); });
  std::size_t start_columns = std::string_view("started").size();
  for (const StageSummary& stage : result.stages) {
    start_columns = std::max(start_columns, columns_of(printable(stage.started_at)));
  }
  const auto line = [&](std::string_view name, std::string_view status, std::string_view start,
                        std::string_view seconds, std::string_view detail) {
    std::string text = fmt::format("  {:<12} {:<11}", name, status);
    if (has_starts) text += fmt::format(" {:<{}}", start, start_columns);
    text += fmt::format(" {:>8}", seconds);
    if (!detail.empty()) text += fmt::format("  {}", detail);
    return text + "\n";
  };
  std::string text = line("stage", "state", "started", "time", "");
  std::vector<StageSummary> stages = result.stages;
  std::ranges::stable_sort(stages, {}, [](const StageSummary& stage) {
    return std::ranges::find(kWindowStages, stage.name);
  });
  for (const StageSummary& stage : stages) {
    text += line(printable(stage.name), printable(stage.status), printable(stage.started_at),
                 seconds_text(stage.seconds), printable(stage.detail));
  }
  return text;
}

/// The source's name by the server, else by the user.
std::string source_name(const JobResult& result, const NextCommands& next) {
  return table_name(result.source, next.table.empty() ? "the table" : printable(next.table));
}

std::string swapped_line(const JobResult& result, const std::string& table) {
  const JobStatus* status = job_status_of(result);
  const bool has_backup = status != nullptr && !status->backup.empty();
  return has_backup ? fmt::format("swapped: {} is the new table; the old one is kept as {}\n",
                                  table, printable(status->backup))
                    : fmt::format("swapped: {} is the new table\n", table);
}

std::string waiting_line(const JobResult& result) {
  return fmt::format("waiting: {} is done, and its gate waits for a person\n",
                     printable(result.waiting_at));
}

std::string window_lines(const JobResult& result, const NextCommands& next) {
  if (result.error) return error_lines(*result.error, "the same command resumes it");
  return result.waiting_at.empty() ? outcome_line(result, next) : waiting_line(result);
}

/// A preflight changes nothing: a rollback would undo an earlier job.
bool has_begun(const JobResult& result) {
  return std::ranges::any_of(result.stages,
                             [](const StageSummary& stage) { return stage.name != "preflight"; });
}

std::string backup_figure(const JobResult& result) {
  const JobStatus* status = job_status_of(result);
  if (status == nullptr || status->backup.empty()) return {};
  const std::string until =
      status->keep_until.empty() ? "" : ", kept until " + printable(status->keep_until);
  return figure("backup", printable(status->backup) + until);
}

std::string window_figures(const JobResult& result, const Resources& used) {
  const CopyResult& copied = or_empty(copy_part(result));
  std::string text = copied.rows_read > 0 ? figure("rows", moved_text(copied)) : "";
  text += rejected_figure(result, copied);
  if (result.statements.empty()) text += sides_figures(result);
  return text + leaves_figure(copied) + used_figure(copied, copied.writers, used);
}

bool is_unfinished(const JobStatus& status) {
  return status.state == "open" || status.state == "loading";
}

/// A rollback leaves its gate in the journal.
bool may_wait(const JobStatus& status) {
  return is_unfinished(status) || status.state == "swapped";
}

std::string status_figures(const JobResult& result) {
  const JobStatus& status = *job_status_of(result);
  std::string waits;
  for (const SessionWait& wait : status.waits) {
    waits += figure("waits", wait_text(wait)) + figure("to end it", printable(wait.help));
  }
  return figure("job", printable(result.job)) + figure("source", printable(status.source)) +
         figure("target", printable(status.target)) +
         figure("started", printable(status.started_at)) + backup_figure(result) +
         figure("run by", printable(status.active)) + waits +
         figure("waits at", may_wait(status) ? printable(status.waiting_at) : "");
}

/// For example after --release: the copy may differ from the source by now.
bool has_lost_its_fence(const JobResult& result) {
  return is_unfinished(*job_status_of(result)) && is_done(result, "prepare") &&
         !result.writes_refused;
}

/// The job's state by the journal, and the last stage of an unfinished job.
std::string state_line(const JobResult& result) {
  const JobStatus& status = *job_status_of(result);
  const std::string state = printable(status.state);
  if (has_lost_its_fence(result)) {
    return state + ", but its fence is gone: the source may have changed since it was copied\n";
  }
  if (may_wait(status) && !status.waiting_at.empty()) {
    return fmt::format("{}, waiting for a person after {}\n", state, printable(status.waiting_at));
  }
  if (!is_unfinished(status)) return state + "\n";
  if (result.stages.empty()) return state + "\n";
  const StageSummary& last = result.stages.back();
  const bool is_good = last.status == "ok" || last.status == "confirmed";
  if (is_good && last.name == "verify") return state + ", proven and ready for the swap\n";
  return fmt::format("{}, {} {}\n", state, printable(last.name),
                     is_good ? "is done" : printable(last.status));
}

std::string next_after_status(const JobResult& result, const NextCommands& next) {
  const JobStatus& status = *job_status_of(result);
  const bool has_rollback = status.active.empty() && !next.rollback.empty();
  if (has_lost_its_fence(result) && has_rollback) {
    return figure("to restart", printable(next.run + " --restart")) +
           figure("to undo", printable(next.rollback));
  }
  if (status.state == "swapped" && has_rollback) {
    const std::string confirm = status.waiting_at.empty() ? "" : " --confirm " + status.waiting_at;
    return figure("to undo", printable(next.rollback)) +
           figure("later", printable(next.cleanup + confirm));
  }
  return figure("next", printable(next.by_status.empty() ? status.next : next.by_status)) +
         (is_unfinished(status) && has_rollback ? figure("to undo", printable(next.rollback)) : "");
}

std::string rolled_back_line(const JobResult& result, const std::string& table) {
  std::string line = "rolled back: " + table;
  const auto* rollback = std::get_if<RollbackResult>(&result.details);
  const NewRowsOutcome* rows =
      rollback != nullptr && rollback->new_rows ? &*rollback->new_rows : nullptr;
  const bool is_kept = rows != nullptr && rows->fate == "kept";
  line += is_kept ? " has its old layout again" : " is as it was before the job";
  if (has_issue(result, "old-rows-refer") || has_issue(result, "orphan-rows")) {
    line += ", but for a foreign key that is NOT VALID";
  }
  if (rows == nullptr) return line + "\n";
  line += fmt::format("{} written since the swap ({} inserted, {} updated, {} deleted){}",
                      is_kept ? ", with the rows" : "; rows", rows->inserted, rows->updated,
                      rows->deleted, is_kept ? "" : " are " + rows->fate);
  return line + (rows->table.empty() ? "\n" : " in " + printable(rows->table) + "\n");
}

/// The action of a command that changed something, else the proof.
std::string window_verdict(const JobResult& result, const NextCommands& next) {
  const std::string table = source_name(result, next);
  if (result.statements.empty() && result.verdict == Verdict::differs && is_done(result, "swap")) {
    const std::string checks = failed_checks(result);
    return fmt::format("swapped: {} is the new table, but {}\n", table,
                       checks.empty() ? "a check failed" : checks);
  }
  if (!result.statements.empty() || result.verdict != Verdict::match) return verdict_line(result);
  if (result.command == "rollback") {
    return rolled_back_line(result, table);
  }
  if (result.command == "cleanup") {
    return fmt::format("cleaned up: the backup of {} is gone\n", table);
  }
  if (result.command == "swap" || is_done(result, "swap")) return swapped_line(result, table);
  if (has_issue(result, "released")) return fmt::format("released: {} takes writes again\n", table);
  if (has_issue(result, "nothing-to-do")) {
    return fmt::format("nothing to do: {} is in this layout already\n", table);
  }
  if (!result.target && or_empty(copy_part(result)).rows_written == 0) return "done\n";
  return verdict_line(result);
}

std::string window_summary(const JobResult& result, const Resources& used,
                           const NextCommands& next) {
  std::string text =
      window_lines(result, next) + window_figures(result, used) + backup_figure(result);
  text += criteria_text(criteria_of(result),
                        [](const CriterionResult& each) { return each.status == "fail"; });
  text += stage_table(result) + issues_line(result);
  for (const auto& [purpose, command] : next_steps(result, next)) {
    text += figure(purpose, printable(command));
  }
  return text;
}

std::string status_summary(const JobResult& result, const NextCommands& next) {
  if (result.error) return error_text(*result.error);
  if (job_status_of(result) == nullptr) {
    return "no job: the journal knows none for this table\n" + figure("next", printable(next.run));
  }
  std::string text = state_line(result) + status_figures(result);
  text += stage_table(result);
  return text + next_after_status(result, next) + issues_line(result);
}

// The application's queries.

/// "match: 3 queries passed".
std::string queries_verdict(const JobResult& result) {
  if (!result.queries) return "done\n";
  const std::vector<QueryResult>& queries = result.queries->queries;
  const auto status = [](const QueryResult& query) { return status_of(query); };
  const std::string text = fmt::format("{}: {} of {} passed",
                                       result.verdict == Verdict::match     ? "match"
                                       : result.verdict == Verdict::differs ? "differs"
                                                                            : "unproven",
                                       std::ranges::count(queries, "passed", status),
                                       counted(queries.size(), "query", "queries"));
  constexpr std::string_view kOthers[] = {"failed", "warned", "not run"};
  const std::string others = counts_by_word(queries, kOthers, status);
  return text + (others.empty() ? "" : ", ") + others + "\n";
}

std::string load_figure(std::string_view name, const std::optional<QueryLoad>& load) {
  if (!load || !load->cpu_percent) return {};
  return figure(name, fmt::format("host's processors {:.0f} %, memory {:.0f} %, with these queries",
                                  *load->cpu_percent, load->memory_percent.value_or(0)));
}

/// A paragraph for each.
std::string advice_text(const std::vector<IndexAdvice>& all) {
  if (all.empty()) return figure("advice", "no index would help these queries");
  std::string text =
      figure("advice", counted(all.size(), "index or condition", "indexes or conditions") +
                           " would help, the most important first");
  for (const IndexAdvice& advice : all) {
    const std::string gain = advice.cost_after
                                 ? fmt::format("cost {:.1f} -> {:.1f}, tried with HypoPG",
                                               *advice.cost_before, *advice.cost_after)
                                 : std::string("by rules, not tried");
    text += fmt::format("  {}, {} ({}): {}\n", advice.priority, advice.kind, gain,
                        printable(advice.query));
    text += fmt::format("    {}\n    {}\n", printable(advice.reason), printable(advice.sql));
  }
  return text;
}

std::string queries_summary(const JobResult& result) {
  std::string text =
      result.error ? error_lines(*result.error, kSourceUnchanged) : queries_verdict(result);
  if (!result.queries) return text + issues_line(result);
  const QueryReport& report = *result.queries;
  const auto time = [](const std::optional<QuerySide>& side) {
    return side && side->times ? fmt::format("{:.1f} ms", side->times->p95) : std::string("-");
  };
  text += fmt::format("  {:<12} {:<12} {:>11} {:>11} {:>6} {:>9}  {}\n", "status", "result",
                      "p95 before", "p95 after", "ratio", "leaves", "query");
  for (const QueryResult& query : report.queries) {
    const std::optional<QuerySide>& last = query.target ? query.target : query.source;
    text += fmt::format(
        "  {:<12} {:<12} {:>11} {:>11} {:>6} {:>9}  {}\n", status_of(query), name_of(query.answer),
        time(query.source), time(query.target),
        query.ratio ? fmt::format("{:.2f}", *query.ratio) : "-",
        last && last->leaves_read ? fmt::format("{}/{}", *last->leaves_read, last->leaves) : "-",
        printable(query.name));
  }
  text += load_figure("before", report.source_load) + load_figure("after", report.target_load);
  if (!report.load_not_measured.empty()) {
    text += figure("host", "not measured: " + printable(report.load_not_measured));
  }
  if (!report.unused_indexes.empty()) {
    text +=
        figure("never used", printable(fmt::format("{}", fmt::join(report.unused_indexes, ", "))));
  }
  if (report.advice) text += advice_text(*report.advice);
  return text + issues_line(result);
}

// The answers of key.

/// The question of the answer at `index`: its own value, or all values where several columns make
/// one row.
std::string asked(const std::vector<std::string>& values, const KeyResult& key, std::size_t index) {
  if (values.size() == key.answers.size()) return printable(values[index]);
  return key.answers.size() == 1 ? joined(values, " ", printable)
                                 : fmt::format("row {}", index + 1);
}

std::string server_text(const KeyAnswer& answer) {
  if (answer.server_agrees) return "the server agrees";
  if (answer.server_key) return fmt::format("the server says {}", *answer.server_key);
  return "the server gives no key";
}

std::string answer_text(const KeyAnswer& answer) {
  std::string text = answer.key ? fmt::format("key {}", *answer.key)
                                : fmt::format("no key ({})", printable(answer.reason));
  if (answer.leaf) text += fmt::format(", leaf {}", printable(*answer.leaf));
  return text + ", " + server_text(answer);
}

}  // namespace

std::string summary_of(const JobResult& result, const Resources& used, const NextCommands& next) {
  if (result.command == "copy") return copy_summary(result, used, next);
  if (result.command == "verify") return verify_summary(result, used);
  if (result.command == "plan") return plan_summary(result, next);
  if (result.command == "status") return status_summary(result, next);
  if (result.command == "queries") return queries_summary(result);
  return window_summary(result, used, next);
}

bool has_equal_rows(const JobResult& result) {
  const bool has_row_issue = std::ranges::any_of(
      result.issues, [](const Issue& issue) { return contains(kRowCodes, issue.code); });
  if (has_row_issue || result.command == "copy") return false;
  if (const Differences* differences = differences_of(result)) return differences->total() == 0;
  return result.source && result.target && !result.source->digest.empty() &&
         result.source->digest == result.target->digest;
}

std::string leaves_text(const ReadResult& read) {
  const auto& leaves = read.partitions;
  const auto [least, most] = std::ranges::minmax_element(leaves, {}, &PartitionSummary::rows);
  const std::uint64_t mean = sum_of(leaves, &PartitionSummary::rows) / leaves.size();
  std::string text =
      fmt::format("{}; rows: least {}, mean {}, most {}", leaves.size(), with_commas(least->rows),
                  with_commas(mean), with_commas(most->rows));
  if (read.skew) text += fmt::format("; skew {:.2f}", *read.skew);
  return text;
}

std::string outcome_line(const JobResult& result, const NextCommands& next) {
  if (result.command == "verify") return verify_verdict(result);
  if (result.command == "queries") return queries_verdict(result);
  if (result.command != "copy") return window_verdict(result, next);
  return has_issue(result, "released") ? "released: the source takes writes again\n"
                                       : verdict_line(result);
}

bool plan_has_answer(const JobResult& result) {
  if (!result.error) return final_verdict(result) != Verdict::unproven;
  return result.error->consequence == Consequence::refuse &&
         std::ranges::any_of(result.issues, is_reason_against);
}

std::vector<std::pair<std::string, std::string>> next_steps(const JobResult& result,
                                                            const NextCommands& next) {
  std::vector<std::pair<std::string, std::string>> steps;
  const auto add = [&](const char* what, const std::string& command) {
    if (!command.empty()) steps.emplace_back(what, command);
  };
  const bool is_over = result.command == "rollback" || result.command == "cleanup";
  const int exit_code = exit_code_of(result);
  if (result.command == "queries") return steps;
  if (result.command == "copy" || result.command == "verify") {
    if (exit_code == 3) add("to resume", next.again);
    return steps;
  }
  if (!result.statements.empty()) return steps;
  if (!result.error && !result.waiting_at.empty()) {
    add("to resume", next.confirm);
    add("to undo", next.rollback);
  } else if (exit_code != 0) {
    if (exit_code == 3) add("to resume", next.again);
    if (!is_over && has_begun(result)) add("to undo", next.rollback);
  } else if (is_over) {
    return steps;
  } else if (result.command == "swap" || is_done(result, "swap")) {
    add("to undo", next.rollback);
    add("later", next.cleanup);
  } else if (result.target) {  // Without rows in play it was only a fence that was lifted.
    add("next", next.swap);
    add("to undo", next.rollback);
  }
  return steps;
}

std::string key_summary(const std::vector<std::string>& values, std::uint64_t seed,
                        const KeyResult& key) {
  std::string text;
  if (!key.answers.empty()) {
    text += fmt::format("key expression: {}\n", printable_lines(key.answers.front().expression, 2));
  }
  for (std::size_t i = 0; i < key.answers.size(); ++i) {
    text += fmt::format("{}: {}\n", asked(values, key, i), answer_text(key.answers[i]));
  }
  if (key.compared == 0) return text;
  text += fmt::format(
      "compared {} values with the server: {}\n", with_commas(key.compared),
      key.disagreements == 0 ? "all keys agree" : with_commas(key.disagreements) + " disagree");
  for (const std::string& example : key.examples) text += "  " + printable(example) + "\n";
  if (key.disagreements > 0) text += fmt::format("repeat with --seed {}\n", seed);
  return text;
}

}  // namespace pgfanout
