// The findings: rows that differ, rows set aside, issues, and gaps of the schema.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "copier/base/counted.h"
#include "copier/report/html/html.h"
#include "copier/report/html/html_sections.h"
#include "copier/report/text/issue_text.h"

namespace pgfanout {
namespace {

constexpr std::size_t kMostRows = 1000;

std::string identity_html(const RowDifference& row) {
  std::string html;
  for (const IdentityValue& value : row.identity) {
    html += fmt::format("{}{} = {}", html.empty() ? "" : "<br/>", html_text(value.column),
                        value.value ? html_code(*value.value) : "NULL");
  }
  return html.empty() ? "<span class=\"quiet\">no primary key</span>" : html;
}

std::string counts_table(const Differences& differences) {
  HtmlTable table("Differences by kind", {"Kind", "#Rows", "Meaning"});
  table.row({"missing", with_commas(differences.missing), "in the source only"});
  table.row({"extra", with_commas(differences.extra), "in the target only"});
  table.row({"changed", with_commas(differences.changed), "same identity, other content"});
  table.row({"misplaced", with_commas(differences.misplaced), "same content, wrong key or leaf"});
  return table.html("narrow");
}

std::string rows_html(const Differences& differences) {
  HtmlTable table("Rows that differ", {"Kind", "Identity", "Source", "Target", "Columns"});
  const std::size_t shown = std::min(kMostRows, differences.rows.size());
  for (std::size_t at = 0; at < shown; ++at) {
    const RowDifference& row = differences.rows[at];
    std::string columns;
    for (const std::string& column : row.columns) {
      columns += (columns.empty() ? "" : ", ") + html_text(column);
    }
    table.row({html_text(row.kind), identity_html(row), html_text(row.source),
               html_text(row.target), columns});
  }
  if (table.is_empty()) return {};
  std::string html = table.html("tall");
  if (differences.total() > shown) {
    html += fmt::format("<p>Named are the first {} of {}. {}</p>\n", with_commas(shown),
                        rows_text(differences.total()),
                        differences.rows.size() > shown
                            ? "The JSON document (--json) names more."
                            : "How many are named is bound by --max-differences.");
  }
  return html;
}

std::string issue_row_class(Severity severity) {
  constexpr std::array names = {"critical", "error", "warning", "info"};
  const char* name = names.at(static_cast<std::size_t>(severity));
  return fmt::format("<span class=\"severity {0}\">{0}</span>", name);
}

}  // namespace

std::string differences_section(const HtmlReport& report) {
  const Differences* differences = differences_of(report.result);
  if (differences == nullptr) return {};
  if (differences->total() == 0) {
    return html_section("differences", "Differences",
                        "<p>All rows that were compared are equal.</p>\n");
  }
  return html_section("differences", "Differences",
                      counts_table(*differences) + rows_html(*differences));
}

std::string issues_section(const HtmlReport& report) {
  const JobResult& result = report.result;
  HtmlTable table("Issues", {"Severity", "What was found", "Where", "What to do"});
  if (result.error) {
    const bool is_critical = result.error->consequence == Consequence::unproven;
    table.row(
        {issue_row_class(is_critical ? Severity::critical : Severity::error),
         html_text(result.error->message) + "<br/>" + html_code(result.error->code) +
             (result.error->sqlstate.empty() ? ""
                                             : " SQLSTATE " + html_code(result.error->sqlstate)),
         html_text(result.error->where), html_text(result.error->hint)});
  }
  for (const Issue& issue : issues_beside_error(result)) {
    table.row({issue_row_class(issue.severity),
               html_text(issue.message) + "<br/>" + html_code(issue.code), html_text(issue.where),
               html_text(issue.hint)});
  }
  std::string html;
  const CopyResult* copied = copy_part(result);
  if (copied != nullptr && copied->rows_rejected > 0) {
    html += fmt::format(
        "<p>{} of the source {} set aside in <strong>{}_rejects</strong>, each with the reason; "
        "they are in no leaf.</p>\n",
        rows_text(copied->rows_rejected), copied->rows_rejected == 1 ? "is" : "are",
        html_text(result.target ? result.target->table : "<target>"));
  }
  const ReadResult* read = read_part(result);
  if (read != nullptr && read->key_mismatches > 0) {
    html += fmt::format("<p>{} stored another key than the expression gives.</p>\n",
                        rows_text(read->key_mismatches));
  }
  html += table.is_empty() ? "<p>None.</p>\n" : table.html();
  return html_section("issues", "Issues", html);
}

std::string schema_section(const HtmlReport& report) {
  const VerifyResult none;
  const auto* part = std::get_if<VerifyResult>(&report.result.details);
  const VerifyResult& verified = part == nullptr ? none : *part;
  const std::vector<Impact>& impacts = impact_of(report.result);
  if (verified.schema.empty() && impacts.empty()) return {};
  HtmlTable gaps("Gaps of the schema", {"Severity", "Object", "Gap", "Impact"});
  std::size_t same = 0;
  for (const SchemaFinding& finding : verified.schema) {
    if (finding.gap == "none") {
      ++same;
      continue;
    }
    gaps.row({issue_row_class(finding.severity),
              html_text(finding.kind) + " <strong>" + html_text(finding.name) + "</strong>",
              html_text(finding.gap), html_text(finding.impact)});
  }
  std::string html;
  if (!verified.schema.empty()) {
    html += fmt::format("<p>{} compared, {} without a gap.</p>\n",
                        counted(verified.schema.size(), "object", "objects"), with_commas(same));
  }
  if (!gaps.is_empty()) html += gaps.html();
  if (!verified.deployment_order.empty()) {
    html += "<h3>To deploy, in this order</h3>\n<ol>\n";
    for (const std::string& each : verified.deployment_order)
      html += "<li>" + html_text(each) + "</li>\n";
    html += "</ol>\n";
  }
  HtmlTable impact("Impact on the application", {"After the swap", "Objects", "Advice"});
  for (const Impact& each : impacts) {
    std::string objects;
    for (const std::string& object : each.objects) {
      objects += (objects.empty() ? "" : "<br/>") + html_text(object);
    }
    impact.row({html_text(each.what), objects, html_text(each.advice)});
  }
  if (!impact.is_empty()) html += "<h3>Impact on the application</h3>\n" + impact.html();
  return html_section("schema", "Schema", html);
}

}  // namespace pgfanout
