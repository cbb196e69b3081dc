// The status command: where the last job on a table stands, by the journal. Reads only.
#pragma once

#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Where the job stands, by the journal.
[[nodiscard]] JobResult run_status(const JobDescription& job, Observer& observer,
                                   const Cancellation& cancellation);

}  // namespace pgfanout
