// The text at the end of run, swap, rollback and cleanup, and that of status, for a person: the
// verdict or the standing first, then stages, the backup, and the next command. Pure functions;
// text from servers is made safe for a terminal.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "copier/report/record/resources.h"
#include "copier/report/text/next_commands.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// Of run, swap, rollback and cleanup, by result.command. Every line ends in a line feed.
[[nodiscard]] std::string window_summary(const JobResult& result, const Resources& used,
                                         const NextCommands& next);
[[nodiscard]] std::string status_summary(const JobResult& result, const NextCommands& next);
/// The first line of window_summary(), of a command that ran to its end.
[[nodiscard]] std::string window_verdict(const JobResult& result, const NextCommands& next);
/// Commands that a person may run next: what each does, and the command.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> next_steps(const JobResult& result,
                                                                          const NextCommands& next);

}  // namespace pgfanout
