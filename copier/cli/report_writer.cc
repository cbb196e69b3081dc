#include "copier/cli/report_writer.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "copier/cli/next_commands_of.h"
#include "copier/cli/settings_of.h"
#include "copier/report/html/html_report.h"
#include "copier/report/html/report_file.h"

namespace pgfanout {
namespace {

/// Others only look: with the same job file they must not write over a job's report.
bool has_report(std::string_view command) {
  constexpr std::array<std::string_view, 6> commands = {"run",  "copy",     "verify",
                                                        "swap", "rollback", "cleanup"};
  return std::find(commands.begin(), commands.end(), command) != commands.end();
}

/// As they were given, but for what hooks are called with: a token may stand there.
std::vector<std::string> shown_words(std::vector<std::string> words) {
  constexpr std::string_view kJoined = "--hook=";
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (words[at] == "--hook" && at + 1 < words.size()) words[at + 1] = shown_hook(words[at + 1]);
    if (words[at].starts_with(kJoined)) {
      words[at] = std::string(kJoined) + shown_hook(words[at].substr(kJoined.size()));
    }
  }
  return words;
}

}  // namespace

Result<std::unique_ptr<ReportWriter>> ReportWriter::open(const Invocation& call) {
  if (call.output.report.empty() || !has_report(call.command)) {
    return std::unique_ptr<ReportWriter>();
  }
  PGFANOUT_TRY(check_report_file(call.output.report));
  return std::unique_ptr<ReportWriter>(new ReportWriter(call));
}

void ReportWriter::job_finished(JobResult& result) {
  HtmlReport report;
  report.result = result;
  report.recorded = recorded();
  report.used = resources_used();
  report.machine = this_machine();
  report.next = next_commands_of(shown_words(call_.words), call_.job.table, result);
  report.settings = settings_of(call_);
  report.gates = call_.job.window.confirm_at;
  auto written = write_report_file(call_.output.report, html_report(report));
  if (written) return;
  const Error& error = written.error();
  result.issues.push_back({Severity::warning, "report-not-written", error.message, error.where,
                           "what the job did is done; its result is in this output"});
}

}  // namespace pgfanout
