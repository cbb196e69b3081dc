#include "copier/report/result/summary_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "copier/report/text/issue_text.h"
#include "copier/report/text/text.h"

namespace pgfanout {

std::string table_name(const std::optional<TableSummary>& table, std::string_view otherwise) {
  return table ? printable(table->table) : std::string(otherwise);
}

std::string verdict_line(const JobResult& result) {
  const std::string source = table_name(result.source, "the source");
  const std::string target = table_name(result.target, "the target");
  if (!result.statements.empty()) {
    const auto count =
        std::count_if(result.statements.begin(), result.statements.end(),
                      [](const std::string& statement) { return !statement.starts_with("--"); });
    return fmt::format("dry run: {} from {} to {}, nothing was executed\n",
                       counted(static_cast<std::uint64_t>(count), "statement", "statements"),
                       source, target);
  }
  const CopyResult* copied = copy_part(result);
  const std::string set_aside =
      copied == nullptr || copied->rows_rejected == 0
          ? ""
          : fmt::format(", {} set aside", rows_text(copied->rows_rejected));
  const std::uint64_t written = copied == nullptr ? 0 : copied->rows_written;
  const std::uint64_t rows = result.target ? result.target->rows : written;
  switch (final_verdict(result)) {
    case Verdict::match:
      return fmt::format("match: {} in {} {} {}{}\n", rows_text(rows), target,
                         rows == 1 ? "equals" : "equal", source, set_aside);
    case Verdict::differs:
      return fmt::format("differs: {} does not equal {}{}\n", target, source, set_aside);
    case Verdict::unproven:
      break;
  }
  return fmt::format("unproven: could not show that {} equals {}{}\n", target, source, set_aside);
}

std::string_view consequence_line(Consequence consequence) {
  switch (consequence) {
    case Consequence::refuse:
      return "refused: the same command would end the same way\n";
    case Consequence::interrupt:
      return "interrupted: nothing is damaged; the source is as it was\n";
    case Consequence::unproven:
      break;
  }
  return "unproven: a check did not run to its end; do not rely on the target\n";
}

std::string figure(std::string_view name, std::string_view value) {
  return fmt::format("  {:<12} {}\n", name, value);
}

std::string command_figure(std::string_view name, const std::string& command) {
  return command.empty() ? std::string() : figure(name, printable(command));
}

std::string leaves_text(const ReadResult& read) {
  const auto& leaves = read.partitions;
  const auto [least, most] = std::minmax_element(
      leaves.begin(), leaves.end(),
      [](const PartitionSummary& a, const PartitionSummary& b) { return a.rows < b.rows; });
  const std::uint64_t rows = std::accumulate(
      leaves.begin(), leaves.end(), std::uint64_t{0},
      [](std::uint64_t sum, const PartitionSummary& leaf) { return sum + leaf.rows; });
  std::string text =
      fmt::format("{}; rows: least {}, mean {}, most {}", leaves.size(), with_commas(least->rows),
                  with_commas(rows / leaves.size()), with_commas(most->rows));
  if (read.skew) text += fmt::format("; skew {:.2f}", *read.skew);
  return text;
}

std::string stages_text(const JobResult& result) {
  std::string text;
  for (const StageSummary& stage : result.stages) {
    if (!text.empty()) text += ", ";
    text += printable(stage.name) + " " + seconds_text(stage.seconds);
    if (stage.status != "ok") text += " (" + printable(stage.status) + ")";
  }
  return text;
}

std::string side_text(const TableSummary& side) {
  std::string text;
  if (!side.digest.empty()) {
    text = fmt::format("{}, digest {}, ", rows_text(side.rows), printable(side.digest));
  } else if (side.rows > 0) {
    text = rows_text(side.rows) + ", ";
  }
  return text + "PostgreSQL " + printable(side.server_version);
}

std::string issues_line(const JobResult& result) {
  std::array<std::size_t, 4> counts{};
  for (const Issue& issue : issues_beside_error(result)) {
    ++counts.at(static_cast<std::size_t>(issue.severity));
  }
  constexpr std::array<std::string_view, 4> names = {"critical", "error", "warning", "info"};
  std::string text;
  for (std::size_t at = 0; at < counts.size(); ++at) {
    if (counts.at(at) == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts.at(at), names.at(at));
  }
  return text.empty() ? text : figure("issues", text + ": see above, on standard error");
}

}  // namespace pgfanout
