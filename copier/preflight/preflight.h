// Go or no-go: everything around the copy that can be known before the window begins. Reads only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/carry/carry_plan.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct Preflight {
  /// Issues beside those of `plan.issues` and `carry.issues`. Severity error and above: no-go.
  std::vector<Issue> issues;
  std::vector<LayoutOption> layouts;
  std::vector<Impact> impact;            ///< On the application's statements after the swap.
  std::vector<StageEstimate> estimates;  ///< From a short calibration.
  LockFigures locks;
};

/// The refusal that these issues amount to: an error and worse is a reason. Absent: go.
[[nodiscard]] std::optional<Error> no_go_of(const std::vector<Issue>& issues,
                                            const std::string& hint, const std::string& where);

/// The application's statements after the swap, each with the objects found by walking pg_depend
/// over table, row type and columns, and, marked as such, by the text of functions.
Result<std::vector<Impact>> find_impact(const JobDescription& job, const CopyPlan& plan,
                                        const CarryPlan& carry, Connection& source);

/// Each has the ones before it. Those of a job that is resumed are about what others change while
/// it is interrupted: settings, standbys, WAL and its archive, slots, free disk, connections; for
/// the swap of a window also rights and sessions that block.
enum class CheckScope : std::uint8_t { resumed_copy, resumed_window, all };

/// The checks. `carry` tells what cannot be carried over: an error unless it is accepted. A check
/// that could not be made is an error in the list and does not end it. Open transactions stay open.
Result<Preflight> check_before_window(const JobDescription& job, const CopyPlan& plan,
                                      const CarryPlan& carry, Connection& source,
                                      Connection& target, const Cancellation& cancellation,
                                      CheckScope scope = CheckScope::all);

/// Before a job is resumed: reports what the checks find, notes apart, and refuses by "no-go" where
/// one of them is a reason. Of the plan they read servers, source, target and connections.
Result<void> check_before_resuming(const JobDescription& job, const CopyPlan& plan,
                                   CheckScope scope, Connection& source, Connection& target,
                                   const Cancellation& cancellation, const IssueSink& report);

/// An error if commits on this server wait for standbys that are not connected; a warning if
/// `accept` names each of them. Absent: none is missing.
Result<std::optional<Issue>> judge_standbys(Connection& connection,
                                            const std::vector<std::string>& accept);

}  // namespace pgfanout
