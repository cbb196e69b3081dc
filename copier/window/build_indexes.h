// The stages between copy and verify: they give the target the source's indexes, constraints and
// other objects, and the planner its statistics. Each returns figures for people.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

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

/// Steps that one worker runs in their order.
struct StepGroup {
  std::vector<CarryStep> steps;
  bool is_joined = false;  ///< All in one transaction; else each in one of its own.
};
/// Those of small leaves share a transaction, `at_once` at most, since a commit takes longer than
/// they do; no more than leaves enough groups for all `workers`. Largest leaf first. Pure.
[[nodiscard]] std::vector<StepGroup> group_steps(const std::vector<CarryStep>& steps,
                                                 std::size_t at_once, std::size_t workers);

Result<std::string> build_indexes(const StageInput& input);
Result<std::string> add_constraints(const StageInput& input);
/// ANALYZE of all leaves and of the parent; VACUUM of leaves whose pages the load did not freeze.
/// Leaves side by side.
Result<std::string> analyze_target(const StageInput& input);

}  // namespace pgfanout
