// The stages between copy and verify: they give the target the source's indexes, constraints and
// other objects, and the planner its statistics. The first of them finishes each leaf, largest leaf
// first, as far as no gate is in between: a worker reads a leaf while the server still has its
// pages in memory. Later stages then find only the parent's part left. Each returns figures for
// people.
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

/// Steps that one worker runs in their order: those of one leaf, or of some.
struct StepGroup {
  std::vector<CarryStep> steps;
  bool is_joined = false;  ///< A transaction for each stage; else see transaction_end().
};
/// Leaves whose steps read little, or no rows, share transactions, `at_once` steps at most, since a
/// commit takes longer than they do; no more than leaves enough groups for all `workers`. Largest
/// leaf first; the steps of a leaf follow each other in the order of their stages. Pure.
[[nodiscard]] std::vector<StepGroup> group_steps(const std::vector<CarryStep>& steps,
                                                 std::size_t at_once, std::size_t workers);
/// Where the transaction ends that begins with the group's step `begin`. A step that reads a large
/// leaf is alone: it keeps no locks of others, and is not repeated. Pure.
[[nodiscard]] std::size_t transaction_end(const StepGroup& group, std::size_t begin,
                                          std::size_t at_once);

Result<std::string> build_indexes(const StageInput& input);
Result<std::string> add_constraints(const StageInput& input);
/// ANALYZE of all leaves and of the parent; VACUUM of leaves whose pages the load did not freeze.
Result<std::string> analyze_target(const StageInput& input);

}  // namespace pgfanout
