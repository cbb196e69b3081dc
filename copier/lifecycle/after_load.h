// The stages between copy and verify: what belongs to the source beside its rows comes to belong to
// the target, and the planner gets its statistics.
#pragma once

#include <string>

#include "copier/lifecycle/window_state.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct AfterLoad {
  const JobDescription& job;
  WindowState& state;
  JobCounters& counters;
  const Cancellation& cancellation;
};

/// Each returns figures for people.
Result<std::string> build_indexes(const AfterLoad& input);
Result<std::string> add_constraints(const AfterLoad& input);
/// ANALYZE of all leaves and of the parent; VACUUM of leaves whose pages the load did not freeze.
Result<std::string> analyze_target(const AfterLoad& input);

}  // namespace pgfanout
