// The report of a job as one self-contained HTML file, without scripts and network access.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "copier/report/record/figures.h"
#include "copier/report/record/recorder.h"
#include "copier/report/result/summary.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// An option of the command, and its value in this call.
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

/// A pure function.
[[nodiscard]] std::string html_report(const HtmlReport& report);

/// Before a job: whether the report can be written there. Leaves nothing behind.
Result<void> check_report_file(const std::string& path);
/// Writes the file whole or not at all.
Result<void> write_report_file(const std::string& path, std::string_view text);

}  // namespace pgfanout
