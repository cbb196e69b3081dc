// The copy command: lock, snapshot, plan, prove the key, prepare the target, copy, read back,
// reconcile, attach.
#pragma once

#include "copier/base/pace.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Stages as the observer sees them, in order: preflight, prepare, copy, read-back, attach.
/// Returns within about a second after `cancellation` is set. Never throws; the result says all.
JobResult run_copy(const JobDescription& job, Observer& observer, const Cancellation& cancellation);

/// The same, counting into `counters` and obeying `pace`: for a window, which has told the observer
/// of them.
JobResult run_copy_within(const JobDescription& job, Observer& observer,
                          const Cancellation& cancellation, JobCounters& counters, Pace& pace);

}  // namespace pgfanout
