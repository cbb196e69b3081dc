// After the swap: whether the table takes what applications do, tried with one of its own rows in a
// transaction that is rolled back.
#pragma once

#include <functional>

#include "copier/lifecycle/window_state.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Delete and insert of a row, reading and updating it by its key, partition pruning, a wrong key
/// and a dangling reference refused. False if something did not do what it should; each is told.
/// A table without rows passes.
Result<bool> check_after_swap(const JobDescription& job, WindowState& state,
                              const Cancellation& cancellation,
                              const std::function<void(Issue)>& tell);

}  // namespace pgfanout
