// A comparison of two tables: they are equal, or every row that is not is named. Reads only, unless
// asked to repair.
#pragma once

#include "copier/base/pace.h"
#include "copier/verify/verify_sides.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Stages as the observer sees them, in order and as the scope asks for: preflight, schema, quick,
/// data, name, checks, repair. After a repair, all but the repair once more: only that counts. The
/// result is that of command verify. Never throws.
JobResult verify_tables(const VerifyInput& input, Observer& observer,
                        const Cancellation& cancellation, JobCounters& counters, const Pace& pace);

/// The verify command: compares the job's two tables, or only installs the views that watch
/// partitions. Never throws.
JobResult run_verify(const JobDescription& job, Observer& observer,
                     const Cancellation& cancellation);

}  // namespace pgfanout
