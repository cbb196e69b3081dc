// The application's own queries, before the swap: the same result on both sides, few leaves read
// where that is expected, and no slower than the job file allows.
#pragma once

#include <string>

#include "copier/window/window_state.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Tells each query's figures, and an error for each that fails; then refuses. Returns a line for
/// people. All queries run in transactions that are rolled back.
Result<std::string> check_queries(const JobDescription& job, WindowState& state,
                                  const Table& source, const Table& target,
                                  const Cancellation& cancellation, const IssueSink& tell);

/// Of sorted values, the one at or above which a share of `share` lies.
[[nodiscard]] double percentile(const std::vector<double>& sorted, double share);

}  // namespace pgfanout
