// Undoes a window whose tables have not been swapped, or not any more: what the job made is
// dropped, and the fences are lowered.
#pragma once

#include <functional>

#include "copier/window/window_state.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Twice is harmless. The journal keeps its record, as "rolled back".
Result<void> undo_window(const JobDescription& job, WindowState& state,
                         const Cancellation& cancellation, const std::function<void(Issue)>& tell);

}  // namespace pgfanout
