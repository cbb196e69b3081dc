// The line that status --watch --json prints at each look: the document of status, with the figures
// of the live view.
#pragma once

#include <string>

#include "copier/report/live/job_view.h"
#include "copier/report/record/resources.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// Ends with a line feed.
[[nodiscard]] std::string json_look(const JobResult& status, const JobView& view,
                                    const Resources& used);

}  // namespace pgfanout
