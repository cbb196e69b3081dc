#include "copier/report/result/window_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "copier/report/result/summary_parts.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/text.h"
#include "pgfanout/job.h"

namespace pgfanout {
namespace {

bool has_swapped(const JobResult& result) {
  return std::any_of(result.stages.begin(), result.stages.end(), [](const StageSummary& stage) {
    return stage.name == "swap" && stage.status == "ok";
  });
}

/// In the order of the window: a job that is resumed repeats the preflight first.
std::vector<StageSummary> in_order(std::vector<StageSummary> stages) {
  const auto place = [](const StageSummary& stage) {
    return std::find(kWindowStages.begin(), kWindowStages.end(), stage.name);
  };
  std::stable_sort(stages.begin(), stages.end(), [&](const StageSummary& a, const StageSummary& b) {
    return place(a) < place(b);
  });
  return stages;
}

/// A line for each stage; when it started only where a journal says so.
std::string stage_table(const JobResult& result) {
  const bool has_starts =
      std::any_of(result.stages.begin(), result.stages.end(),
                  [](const StageSummary& stage) { return !stage.started_at.empty(); });
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
  for (const StageSummary& stage : in_order(result.stages)) {
    text += line(printable(stage.name), printable(stage.status), printable(stage.started_at),
                 seconds_text(stage.seconds), printable(stage.detail));
  }
  return text;
}

std::string_view consequence_of_window(Consequence consequence) {
  switch (consequence) {
    case Consequence::refuse:
      return "refused: the same command would end the same way\n";
    case Consequence::interrupt:
      return "interrupted: nothing is damaged; the same command goes on\n";
    case Consequence::unproven:
      break;
  }
  return "unproven: a check did not run to its end; do not rely on the target\n";
}

/// The source by the server's word, else by the user's.
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

std::string first_lines(const JobResult& result, const NextCommands& next) {
  if (result.error) {
    return error_text(*result.error) +
           std::string(consequence_of_window(result.error->consequence));
  }
  return result.waiting_at.empty() ? window_verdict(result, next) : waiting_line(result);
}

/// A preflight leaves nothing to be undone: rollback would be one of an earlier job.
bool has_begun(const JobResult& result) {
  return std::any_of(result.stages.begin(), result.stages.end(),
                     [](const StageSummary& stage) { return stage.name != "preflight"; });
}

std::string next_lines(const JobResult& result, const NextCommands& next) {
  std::string text;
  for (const auto& [what, command] : next_steps(result, next)) {
    text += command_figure(what, command);
  }
  return text;
}

std::string backup_figure(const JobResult& result) {
  const JobStatus* status = job_status_of(result);
  if (status == nullptr || status->backup.empty()) return {};
  const std::string until =
      status->keep_until.empty() ? "" : ", kept until " + printable(status->keep_until);
  return figure("backup", printable(status->backup) + until);
}

std::string window_figures(const JobResult& result, const Resources& used) {
  const CopyResult none;
  const CopyResult* part = copy_part(result);
  const CopyResult& copied = part == nullptr ? none : *part;
  std::string text;
  if (copied.rows_read > 0) {
    text += figure("rows", fmt::format("{} read, {} written, {}", with_commas(copied.rows_read),
                                       with_commas(copied.rows_written),
                                       bytes_text(static_cast<double>(copied.bytes_read))));
  }
  if (copied.rows_rejected > 0) {
    text += figure("rejected", fmt::format("{}, in {}_rejects", rows_text(copied.rows_rejected),
                                           table_name(result.target, "<target>")));
  }
  const bool has_run = result.statements.empty();
  if (result.source && has_run) text += figure("source", side_text(*result.source));
  if (result.target && has_run) text += figure("target", side_text(*result.target));
  if (!copied.partitions.empty()) text += figure("leaves", leaves_text(copied));
  if (copied.rows_read > 0) {
    text += figure("used",
                   fmt::format("{} readers, {} writers, {} memory at most, {} CPU", copied.readers,
                               copied.writers, bytes_text(static_cast<double>(used.peak_rss_bytes)),
                               seconds_text(used.cpu_seconds)));
  }
  return text;
}

/// A gate that was waiting when the job was undone waits for nobody.
bool is_unfinished(const JobStatus& standing) {
  return standing.state == "open" || standing.state == "loading";
}

std::string standing_figures(const JobResult& result) {
  const JobStatus& standing = *job_status_of(result);
  std::string text;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += figure(name, printable(value));
  };
  add("job", result.job);
  add("source", standing.source);
  add("target", standing.target);
  add("started", standing.started_at);
  text += backup_figure(result);
  add("works on it", standing.active);
  if (is_unfinished(standing)) add("waits at", standing.waiting_at);
  return text;
}

/// After --release, say: what was copied may differ from the source by now.
bool has_lost_its_fence(const JobResult& result) {
  const bool was_raised = std::any_of(
      result.stages.begin(), result.stages.end(),
      [](const StageSummary& stage) { return stage.name == "prepare" && stage.status == "ok"; });
  return is_unfinished(*job_status_of(result)) && was_raised && !result.writes_refused;
}

/// The journal's word for where the job stands, and what an unfinished one is waiting for.
std::string state_line(const JobResult& result) {
  const JobStatus& standing = *job_status_of(result);
  std::string line = printable(standing.state);
  if (has_lost_its_fence(result)) {
    return line + ", but its fence is gone: the source may have changed since it was copied\n";
  }
  if (!standing.waiting_at.empty() && is_unfinished(standing)) {
    return line + ", waiting for a person after " + printable(standing.waiting_at) + "\n";
  }
  if (!is_unfinished(standing) || result.stages.empty()) return line + "\n";
  const StageSummary& last = result.stages.back();
  const bool is_good = last.status == "ok" || last.status == "confirmed";
  if (!is_good) {
    line += fmt::format(", {} {}", printable(last.name), printable(last.status));
  } else if (last.name == "verify") {
    line += ", proven and ready for the swap";
  } else {
    line += fmt::format(", {} is done", printable(last.name));
  }
  return line + "\n";
}

std::string next_of_standing(const JobResult& result, const NextCommands& next) {
  const JobStatus& standing = *job_status_of(result);
  const bool has_rollback = standing.active.empty() && !next.rollback.empty();
  if (has_lost_its_fence(result) && has_rollback) {
    return command_figure("to restart", next.run + " --restart") +
           command_figure("to undo", next.rollback);
  }
  if (standing.state == "swapped" && has_rollback) {
    return command_figure("to undo", next.rollback) + command_figure("later", next.cleanup);
  }
  return command_figure("next", next.standing.empty() ? standing.next : next.standing) +
         (is_unfinished(standing) && has_rollback ? command_figure("to undo", next.rollback) : "");
}

}  // namespace

/// run and swap after a swap, rollback, cleanup: what was done; else what was proven.
std::string window_verdict(const JobResult& result, const NextCommands& next) {
  if (!result.statements.empty() || result.verdict != Verdict::match) return verdict_line(result);
  const std::string table = source_name(result, next);
  if (result.command == "rollback") {
    return fmt::format("rolled back: {} is as it was before the job\n", table);
  }
  if (result.command == "cleanup") {
    return fmt::format("cleaned up: the backup of {} is gone\n", table);
  }
  if (result.command == "swap" || has_swapped(result)) return swapped_line(result, table);
  const bool is_released = std::any_of(result.issues.begin(), result.issues.end(),
                                       [](const Issue& issue) { return issue.code == "released"; });
  if (is_released) return fmt::format("released: {} takes writes again\n", table);
  const CopyResult* copied = copy_part(result);
  const bool wrote = copied != nullptr && copied->rows_written > 0;
  if (!result.target && !wrote) return "done\n";
  return verdict_line(result);
}

std::vector<std::pair<std::string, std::string>> next_steps(const JobResult& result,
                                                            const NextCommands& next) {
  std::vector<std::pair<std::string, std::string>> steps;
  const auto add = [&](const char* what, const std::string& command) {
    if (!command.empty()) steps.emplace_back(what, command);
  };
  const bool is_over = result.command == "rollback" || result.command == "cleanup";
  const int exit_code = exit_code_of(result);
  if (!result.statements.empty()) return steps;
  if (!result.error && !result.waiting_at.empty()) {
    add("to go on", next.confirm);
    add("to undo", next.rollback);
  } else if (exit_code != 0) {
    if (exit_code == 3) add("to go on", next.again);
    if (!is_over && has_begun(result)) add("to undo", next.rollback);
  } else if (is_over) {
    return steps;
  } else if (result.command == "swap" || has_swapped(result)) {
    add("to undo", next.rollback);
    add("later", next.cleanup);
  } else if (result.target) {  // Without rows in play it was only a fence that was lifted.
    add("next", next.swap);
    add("to undo", next.rollback);
  }
  return steps;
}

std::string window_summary(const JobResult& result, const Resources& used,
                           const NextCommands& next) {
  std::string text =
      first_lines(result, next) + window_figures(result, used) + backup_figure(result);
  if (!result.stages.empty()) text += stage_table(result);
  return text + issues_line(result) + next_lines(result, next);
}

std::string status_summary(const JobResult& result, const NextCommands& next) {
  if (result.error) return error_text(*result.error);
  if (job_status_of(result) == nullptr) {
    return "no job: the journal knows none for this table\n" + command_figure("next", next.run);
  }
  std::string text = state_line(result) + standing_figures(result);
  if (!result.stages.empty()) text += stage_table(result);
  return text + next_of_standing(result, next) + issues_line(result);
}

}  // namespace pgfanout
