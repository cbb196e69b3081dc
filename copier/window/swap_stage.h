// The swap: the target takes the source's place, in one short transaction.
#pragma once

#include <string>
#include <vector>

#include "copier/window/window_state.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct SwapOutcome {
  std::string backup_name;
  std::string backup_qualified;
  double locked_seconds = 0;  ///< From the first lock to COMMIT.
};

/// Refuses if the fence around either table was not continuous, or a needed name is taken; then
/// nothing is changed. `tell` hears of attempts that were blocked.
Result<SwapOutcome> swap_tables(const JobDescription& job, WindowState& state,
                                const Cancellation& cancellation, const IssueSink& tell);

/// Takes the swap back: names, views, publications, foreign keys. The target is the target again.
Result<double> swap_back(const JobDescription& job, WindowState& state,
                         const Cancellation& cancellation, const IssueSink& tell);

/// Returns the made target. Refuses if the source's definition is not the one that was carried over
/// (journaled as side "carry").
Result<MadeTarget> check_carry(const JobDescription& job, WindowState& state);

/// Refuses unless the fence stands on `side` and nothing passed it since it was raised.
Result<void> check_fence(WindowState& state, const std::string& side, Connection& connection,
                         const Table& table);

}  // namespace pgfanout
