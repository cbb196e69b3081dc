// The report of a job as one HTML file: nothing else is needed to read it, no script, no network.
// A pure function.
#pragma once

#include <string>
#include <vector>

#include "copier/report/record/machine.h"
#include "copier/report/record/recorder.h"
#include "copier/report/record/resources.h"
#include "copier/report/text/next_commands.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// One option of the command, with the value that it had in this call.
struct ReportSetting {
  std::string group;
  std::string name;
  std::string value;
  bool is_default = false;
};

struct HtmlReport {
  JobResult result;
  RecordedJob recorded;
  Resources used;
  Machine machine;
  NextCommands next;
  std::vector<ReportSetting> settings;
  std::vector<std::string> gates;  ///< Stages after which a person must confirm.
};

[[nodiscard]] std::string html_report(const HtmlReport& report);

}  // namespace pgfanout
