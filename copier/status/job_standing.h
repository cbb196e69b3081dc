// Where the last job on a table stands, by the journal: what status tells.
#pragma once

#include "copier/window/window_state.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Sessions that only look have a name of their own, so that they do not pass for the job's.
Result<void> look_on(WindowState& state);

/// Fills job, standing, stages and fence. Refuses where the journal knows of no job.
Result<void> read_standing(WindowState& state, JobResult& result);

}  // namespace pgfanout
