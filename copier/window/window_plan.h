// The steps of a window, and whether it may begin: the command plan tells it, and the preflight of
// run begins with it, so neither can know more than the other. Reads only.
#pragma once

#include <vector>

#include "copier/carry/carry_plan.h"
#include "copier/catalog/name_holders.h"
#include "copier/plan/copy_plan.h"
#include "copier/preflight/preflight.h"
#include "copier/window/state.h"
#include "copier/window/swap_script.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct WindowPlan {
  CopyPlan copy;
  CarryPlan carry;
  std::vector<LayoutOption> layouts;
  std::vector<Impact> impact;
  std::vector<StageEstimate> estimates;
  LockFigures locks;
  SwapNames names;  ///< With a stamp of the right length. Absent schema: no swap is possible.
  std::vector<NameHolder> holders;
  std::vector<Issue> issues;  ///< As reported: no_go_of() them.
  bool is_present = false;    ///< The table is in this layout already, and in this place.
};

/// Where rows may be set aside, the leaves get their foreign keys before the rows, so that the
/// target refuses rows without a parent.
void add_references_first(const CarryPlan& carry, CopyPlan& plan);

/// Of a job whose target is made: repeats the checks of what others may have changed since, before
/// its next stage. Refuses by "no-go".
Result<void> check_resumed_job(WindowState& state);

/// Reports each issue as it is found. Refusals end it at once.
Result<WindowPlan> make_window_plan(WindowState& state, const IssueSink& report);

}  // namespace pgfanout
