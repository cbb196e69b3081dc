// The planner's statistics of the target, and the freezing of what the load has left unfrozen.
#pragma once

#include <string>

#include "copier/window/after_load.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// ANALYZE of all leaves and of the parent; VACUUM of leaves whose pages the load did not freeze.
/// Leaves side by side. Returns figures for people.
Result<std::string> analyze_target(const AfterLoad& input);

}  // namespace pgfanout
