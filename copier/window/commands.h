// The commands around the copy: one maintenance window from plan to cleanup.
#pragma once

#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Go (exit 0) or no-go (2), with every reason; changes nothing. With dry_run: all SQL in order.
[[nodiscard]] JobResult run_plan(const JobDescription& job, Observer& observer,
                                 const Cancellation& cancellation);
/// All stages up to and including verify, and the swap if asked for. Resumes where an earlier call
/// stopped at a gate.
[[nodiscard]] JobResult run_window(const JobDescription& job, Observer& observer,
                                   const Cancellation& cancellation);
/// Puts the target in the source's place.
[[nodiscard]] JobResult run_swap(const JobDescription& job, Observer& observer,
                                 const Cancellation& cancellation);
/// Runs the application's queries on the table, or before and after: on both tables.
[[nodiscard]] JobResult run_queries_command(const JobDescription& job, Observer& observer,
                                            const Cancellation& cancellation);
/// Undoes whatever has been done so far.
[[nodiscard]] JobResult run_rollback(const JobDescription& job, Observer& observer,
                                     const Cancellation& cancellation);
/// Drops the backup once its retention is over.
[[nodiscard]] JobResult run_cleanup(const JobDescription& job, Observer& observer,
                                    const Cancellation& cancellation);

}  // namespace pgfanout
