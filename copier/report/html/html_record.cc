// The job's settings, and the machine and resources that it ran with.
#include <fmt/format.h>

#include "copier/report/html/html.h"
#include "copier/report/html/html_sections.h"
#include "copier/report/text/text.h"
#include "copier/report/text/tool_version.h"

namespace pgfanout {

std::string settings_section(const HtmlReport& report) {
  if (report.settings.empty()) return {};
  HtmlTable table("All settings", {"Option", "Value", "From"});
  std::string group;
  for (const ReportSetting& setting : report.settings) {
    if (setting.group != group) {
      group = setting.group;
      table.row({"<em>" + html_text(group) + "</em>", "", ""});
    }
    table.row({html_code(setting.name), html_text(setting.value),
               setting.is_default ? "<span class=\"quiet\">default</span>" : "given"});
  }
  return html_section("settings", "All settings", table.html("narrow"));
}

std::string machine_section(const HtmlReport& report) {
  HtmlTable table("Machine and resources", {"What", "Value"});
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty()) table.row({what, html_text(value)});
  };
  const JobResult& result = report.result;
  if (result.source) add("Source's server", "PostgreSQL " + result.source->server_version);
  if (result.target) add("Target's server", "PostgreSQL " + result.target->server_version);
  add("Client's system", report.machine.system);
  add("Client's processors", std::to_string(report.machine.processors));
  if (report.machine.memory_bytes > 0) {
    add("Client's memory", bytes_text(static_cast<double>(report.machine.memory_bytes)));
  }
  const ReadResult* read = read_part(result);
  const CopyResult* copied = copy_part(result);
  if (read != nullptr && read->readers > 0) {
    add("Connections that read", std::to_string(read->readers));
  }
  if (copied != nullptr && copied->writers > 0) {
    add("Connections that write", std::to_string(copied->writers));
  }
  add("Client's processor time", seconds_text(report.used.cpu_seconds));
  add("Client's memory at most", bytes_text(static_cast<double>(report.used.peak_rss_bytes)));
  add("Program", fmt::format("pgfanout {}, built by {}", tool_version(), compiler()));
  return html_section("machine", "Machine and resources", table.html("narrow"));
}

}  // namespace pgfanout
