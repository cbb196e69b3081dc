// All settings of a call, for its report. They come from the option tables themselves, so that an
// option cannot be forgotten; what was given is noted where options are applied.
#pragma once

#include <vector>

#include "copier/cli/invocation.h"
#include "copier/report/html/html_report.h"

namespace pgfanout {

/// "stage_finished=curl ...": of the command only the program; its arguments may hold a token.
[[nodiscard]] std::string shown_hook(const std::string& hook);

/// Of connection strings only what names the server, of hooks only the program: neither can then
/// carry a secret.
[[nodiscard]] std::vector<ReportSetting> settings_of(const Invocation& call);

}  // namespace pgfanout
