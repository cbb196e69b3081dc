// The verify command: two tables are equal, or every row that is not is named. Reads only, unless
// asked to repair.
#pragma once

#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Stages as the observer sees them, in order and as the scope asks for: preflight, schema, quick,
/// data, name, checks, repair. Never throws; the result says all.
JobResult run_verify(const JobDescription& job, Observer& observer,
                     const Cancellation& cancellation);

}  // namespace pgfanout
