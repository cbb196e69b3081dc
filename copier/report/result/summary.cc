#include "copier/report/result/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "copier/report/result/summary_parts.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

std::string rate_text(const JobResult& result, const CopyResult& copied) {
  const auto copy = std::find_if(result.stages.begin(), result.stages.end(),
                                 [](const StageSummary& stage) { return stage.name == "copy"; });
  std::string text = fmt::format("{} read, {} written, {}", with_commas(copied.rows_read),
                                 with_commas(copied.rows_written),
                                 bytes_text(static_cast<double>(copied.bytes_read)));
  if (copy == result.stages.end() || !(copy->seconds > 0)) return text;
  const double rows = static_cast<double>(copied.rows_read) / copy->seconds;
  return text + fmt::format(", {} rows/s, {}/s",
                            with_commas(static_cast<std::uint64_t>(std::llround(rows))),
                            bytes_text(static_cast<double>(copied.bytes_read) / copy->seconds));
}

std::string figures(const JobResult& result, const Resources& used) {
  const CopyResult none;
  const CopyResult* part = copy_part(result);
  const CopyResult& copied = part == nullptr ? none : *part;
  std::string text;
  if (copied.rows_read > 0) text += figure("rows", rate_text(result, copied));
  if (copied.rows_resumed > 0) {
    text += figure("resumed", rows_text(copied.rows_resumed) + " were committed before");
  }
  if (copied.rows_rejected > 0) {
    text += figure("rejected", fmt::format("{}, in {}_rejects", rows_text(copied.rows_rejected),
                                           table_name(result.target, "<target>")));
  }
  if (copied.key_mismatches > 0) {
    text += figure("stored keys", counted(copied.key_mismatches,
                                          "row stored another key than the expression gives",
                                          "rows stored another key than the expression gives"));
  }
  const bool has_run = result.statements.empty();
  if (result.source && has_run) text += figure("source", side_text(*result.source));
  if (result.target && has_run) text += figure("target", side_text(*result.target));
  if (!copied.partitions.empty() && !result.error) text += figure("leaves", leaves_text(copied));
  if (!result.stages.empty()) text += figure("stages", stages_text(result));
  if (copied.rows_read > 0) {
    text += figure("used",
                   fmt::format("{} readers, {} writers, {} memory at most, {} CPU", copied.readers,
                               copied.writers, bytes_text(static_cast<double>(used.peak_rss_bytes)),
                               seconds_text(used.cpu_seconds)));
  }
  return text;
}

}  // namespace

std::string copy_summary(const JobResult& result, const Resources& used, const NextCommands& next) {
  std::string text;
  const bool is_released = std::any_of(result.issues.begin(), result.issues.end(),
                                       [](const Issue& issue) { return issue.code == "released"; });
  if (result.error) {
    text = error_text(*result.error);
    text += consequence_line(result.error->consequence);
    const bool goes_on = result.error->consequence == Consequence::interrupt;
    if (goes_on && !next.again.empty()) text += command_figure("to go on", next.again);
  } else if (is_released) {
    text = "released: the source takes writes again\n";
  } else {
    text = verdict_line(result);
  }
  return text + figures(result, used) + issues_line(result);
}

}  // namespace pgfanout
