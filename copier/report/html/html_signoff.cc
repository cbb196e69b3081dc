// The sign-off page: the window's stages and gates, who confirmed them, and lines for ink.
#include <fmt/format.h>

#include <algorithm>

#include "copier/report/html/html.h"
#include "copier/report/html/html_sections.h"
#include "copier/report/text/text.h"
#include "pgfanout/job.h"

namespace pgfanout {
namespace {

constexpr const char* kLine = "<span class=\"ink\"></span>";

const StageSummary* stage_of(const JobResult& result, std::string_view name) {
  const auto found = std::find_if(result.stages.rbegin(), result.stages.rend(),
                                  [&](const StageSummary& stage) { return stage.name == name; });
  return found == result.stages.rend() ? nullptr : &*found;
}

/// A box to see at a glance, and the word for it.
std::string boxed(std::string_view mark, std::string_view words) {
  return fmt::format("<span class=\"state\"><span class=\"box\">{}</span> {}</span>", mark,
                     html_text(words));
}

std::string state_html(const HtmlReport& report, std::string_view name, const StageSummary* stage) {
  if (report.result.waiting_at == name) return boxed("\u2016", "waits for a person");
  if (stage == nullptr) return boxed(" ", "not reached");
  const bool is_good = stage->status == "ok" || stage->status == "confirmed";
  return is_good ? boxed("\u2713", "passed") : boxed("\u2715", stage->status);
}

std::string gate_html(const HtmlReport& report, std::string_view name, const StageSummary* stage) {
  if (stage != nullptr && !stage->confirmed_by.empty()) {
    return fmt::format("confirmed by {}<br/><span class=\"quiet\">{}</span>",
                       html_text(stage->confirmed_by), html_text(stage->confirmed_at));
  }
  const bool needs_person =
      std::find(report.gates.begin(), report.gates.end(), name) != report.gates.end();
  return needs_person ? "a person confirms" : "<span class=\"quiet\">none</span>";
}

std::string window_table(const HtmlReport& report) {
  HtmlTable table("Sign-off of the window's stages",
                  {"Stage", "State", "Gate", "What was found", "#Time", "Checked by, date"});
  for (const std::string_view name : kWindowStages) {
    const StageSummary* stage = stage_of(report.result, name);
    table.row({"<strong>" + std::string(name) + "</strong>", state_html(report, name, stage),
               gate_html(report, name, stage), stage == nullptr ? "" : html_text(stage->detail),
               stage == nullptr ? "" : seconds_text(stage->seconds), kLine});
  }
  return table.html("named sign");
}

std::string signatures() {
  std::string html = "<div class=\"signatures\">";
  for (const char* who : {"Carried out by", "Checked by", "Approved by"}) {
    html += fmt::format("<div><p>{}</p>{}<p class=\"quiet\">name, date, signature</p></div>", who,
                        kLine);
  }
  return html + "</div>\n";
}

}  // namespace

std::string signoff_section(const HtmlReport& report) {
  const std::string& command = report.result.command;
  const bool is_window = command == "run" || command == "swap";
  return html_section("sign-off", "Sign-off",
                      (is_window ? window_table(report) : std::string()) + signatures());
}

}  // namespace pgfanout
