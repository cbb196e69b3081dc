// The copy command: claims the target, raises the fence, copies, and settles both.
#pragma once

#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Returns within about a second after `cancellation` is set. Never throws; the result says all.
JobResult run_copy(const JobDescription& job, Observer& observer, const Cancellation& cancellation);

}  // namespace pgfanout
