// The findings of `plan` for a person: go or no-go first, then the reasons, what changes for the
// application, and estimates. A pure function; text from servers is made safe for a terminal.
#pragma once

#include <string>

#include "copier/report/text/next_commands.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// Whether the plan ran to its end: go, or no-go for reasons that it found.
[[nodiscard]] bool plan_has_answer(const JobResult& result);
/// Every line ends in a line feed. Names all issues, so that none needs to be told before.
[[nodiscard]] std::string plan_summary(const JobResult& result, const NextCommands& next);

}  // namespace pgfanout
