// status --watch: looks at a job again and again, and shows it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "copier/cli/invocation.h"
#include "copier/cli/session.h"
#include "copier/status/status_command.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// Until the job is over: then what status would tell. Absent: the user has seen enough. With
/// --json, each look is told as one line on the result's descriptor, the last one as well. It looks
/// once a second for a terminal, else every `line_every`.
std::optional<JobResult> watch_status(
    const Invocation& call, const std::function<Result<JobSnapshot>()>& look,
    const OutputStreams& streams, const Cancellation& cancellation,
    std::chrono::milliseconds line_every = std::chrono::seconds(2));

}  // namespace pgfanout
