// The verify command: two tables are equal, or every row that is not is named. Reads only, unless
// asked to repair.
#pragma once

#include "copier/base/pace.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Stages as the observer sees them, in order and as the scope asks for: preflight, schema, quick,
/// data, name, checks, repair. Never throws; the result says all.
JobResult run_verify(const JobDescription& job, Observer& observer,
                     const Cancellation& cancellation);

/// The same, counting into `counters` and obeying `pace`: for a window.
JobResult run_verify_within(const JobDescription& job, Observer& observer,
                            const Cancellation& cancellation, JobCounters& counters, Pace& pace);

}  // namespace pgfanout
