// The stages between copy and verify: they carry over to the target what the source has beside its
// rows, and give the planner its statistics.
#pragma once

#include <string>

#include "copier/base/pace.h"
#include "copier/session/worker_sessions.h"
#include "copier/window/window_state.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct AfterLoad {
  const JobDescription& job;
  WindowState& state;
  JobCounters& counters;
  const Pace& pace;
  const Cancellation& cancellation;
};

/// As many as the job's --index-jobs or this host's processors, with memory for sorts.
Result<WorkerSettings> worker_sessions(const AfterLoad& input);

/// Each returns figures for people.
Result<std::string> build_indexes(const AfterLoad& input);
Result<std::string> add_constraints(const AfterLoad& input);
}  // namespace pgfanout
