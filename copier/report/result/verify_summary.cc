#include "copier/report/result/verify_summary.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/report/result/summary_parts.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

constexpr std::size_t kShownRows = 20;

bool has_stage(const JobResult& result, std::string_view name) {
  return std::any_of(result.stages.begin(), result.stages.end(),
                     [&](const StageSummary& stage) { return stage.name == name; });
}

std::string identity_text(const RowDifference& row) {
  std::string text;
  for (const IdentityValue& value : row.identity) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", printable(value.column),
                        value.value ? printable(*value.value) : "NULL");
  }
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
    for (std::size_t column = 0; column < row.columns.size(); ++column) {
      text += (column == 0 ? "; columns " : ", ") + printable(row.columns[column]);
    }
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

/// A row for each object that has a gap; those without are counted.
std::string schema_text(const VerifyResult& verified) {
  if (verified.schema.empty()) return {};
  const auto is_same = [](const SchemaFinding& finding) { return finding.gap == "none"; };
  const auto same = std::count_if(verified.schema.begin(), verified.schema.end(), is_same);
  std::string text = figure(
      "schema", fmt::format("{} objects compared, {} without a gap", verified.schema.size(), same));
  text += fmt::format("    {:<9} {:<16} {:<28} {:<10} {}\n", "severity", "kind", "name", "gap",
                      "impact");
  for (const SchemaFinding& finding : verified.schema) {
    if (is_same(finding)) continue;
    text += fmt::format("    {:<9} {:<16} {:<28} {:<10} {}\n", severity_name(finding.severity),
                        finding.kind, shortened(finding.name, 28), finding.gap,
                        printable(finding.impact));
  }
  if (!verified.deployment_order.empty()) {
    text += figure("to deploy", "in this order:");
    for (std::size_t at = 0; at < verified.deployment_order.size(); ++at) {
      text += fmt::format("    {}. {}\n", at + 1, printable(verified.deployment_order[at]));
    }
  }
  return text;
}

}  // namespace

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
               : fmt::format("failed: {} of {} against {}\n", what, target, source);
  }
  const Differences* differences = differences_of(result);
  const bool same_rows = differences != nullptr && differences->total() == 0;
  if (result.verdict == Verdict::differs && same_rows) {
    return fmt::format("differs: {} has the rows of {}, but checks failed\n", target, source);
  }
  return verdict_line(result);
}

std::string verify_summary(const JobResult& result, const Resources& used) {
  std::string text;
  if (result.error) {
    text = error_text(*result.error);
    text += consequence_line(result.error->consequence);
  } else {
    text = verify_verdict(result);
  }
  if (result.source) text += figure("source", side_text(*result.source));
  if (result.target) text += figure("target", side_text(*result.target));
  const VerifyResult none;
  const auto* part = std::get_if<VerifyResult>(&result.details);
  const VerifyResult& verified = part == nullptr ? none : *part;
  if (!verified.partitions.empty()) text += figure("leaves", leaves_text(verified));
  if (verified.differences) text += differences_text(*verified.differences);
  text += schema_text(verified);
  if (!result.stages.empty()) text += figure("stages", stages_text(result));
  if (verified.rows_read > 0) {
    text += figure("used", fmt::format("{} readers, {} memory at most, {} CPU", verified.readers,
                                       bytes_text(static_cast<double>(used.peak_rss_bytes)),
                                       seconds_text(used.cpu_seconds)));
  }
  return text + issues_line(result);
}

}  // namespace pgfanout
