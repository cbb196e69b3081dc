// The text at the end of a job that moved rows, for a person: the verdict first, then figures.
// Issues were reported when they were found, and are only counted here. A pure function; names from
// servers are made safe for a terminal.
#pragma once

#include <string>

#include "copier/report/record/resources.h"
#include "copier/report/text/next_commands.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// Every line ends in a line feed.
[[nodiscard]] std::string copy_summary(const JobResult& result, const Resources& used,
                                       const NextCommands& next = {});

}  // namespace pgfanout
