// Undoes a window whose tables have not been swapped, or not any more: what the job made is
// dropped, and the fences are lowered.
#pragma once

#include "copier/window/window_state.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Twice is harmless. The journal keeps its record, as "rolled back".
Result<void> undo_window(const JobDescription& job, WindowState& state,
                         const Cancellation& cancellation, const IssueSink& tell);

}  // namespace pgfanout
