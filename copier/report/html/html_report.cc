#include "copier/report/html/html_report.h"

#include <fmt/format.h>

#include "copier/report/html/html.h"
#include "copier/report/html/html_sections.h"
#include "copier/report/html/html_style.h"
#include "copier/report/text/tool_version.h"

namespace pgfanout {
namespace {

/// Without colour, areas are told apart by these.
constexpr const char* kPatterns =
    "<svg width=\"0\" height=\"0\" class=\"defs\" aria-hidden=\"true\"><defs>"
    "<pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><rect class=\"under3\" width=\"6\" height=\"6\"/>"
    "<rect class=\"over3\" width=\"2\" height=\"6\"/></pattern>"
    "<pattern id=\"dots\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
    "<rect class=\"under4\" width=\"6\" height=\"6\"/>"
    "<circle class=\"over4\" cx=\"3\" cy=\"3\" r=\"1.4\"/></pattern></defs></svg>\n";

std::string title_of(const HtmlReport& report) {
  const std::string table = report.result.source ? report.result.source->table : report.next.table;
  return fmt::format("{}: {} {}", verdict_word(report), report.result.command, table);
}

}  // namespace

std::string html_report(const HtmlReport& report) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
      "<meta name=\"generator\" content=\"pgfanout {}\"/>\n<link rel=\"icon\" "
      "href=\"data:,\"/>\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n{}<main>\n",
      tool_version(), html_text(title_of(report)), html_style(), kPatterns);
  html += verdict_section(report);
  html += signoff_section(report);
  html += differences_section(report);
  html += issues_section(report);
  html += stages_section(report);
  html += leaves_section(report);
  html += rates_section(report);
  html += schema_section(report);
  html += settings_section(report);
  html += machine_section(report);
  html += digests_section(report);
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace pgfanout
