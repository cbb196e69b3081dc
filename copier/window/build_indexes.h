// The stages between copy and verify: they give the target the source's indexes, constraints and
// other objects, and the planner its statistics. Each returns figures for people.
#pragma once

#include <string>

#include "copier/base/pace.h"
#include "copier/window/state.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The input of these stages.
struct StageInput {
  WindowState& state;
  JobCounters& counters;
  const Pace& pace;
};

Result<std::string> build_indexes(const StageInput& input);
Result<std::string> add_constraints(const StageInput& input);
/// ANALYZE of all leaves and of the parent; VACUUM of leaves whose pages the load did not freeze.
/// Leaves side by side.
Result<std::string> analyze_target(const StageInput& input);

}  // namespace pgfanout
