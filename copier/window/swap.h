// The swap: the target takes the source's place, in one short transaction. It can be undone, and so
// can the job before it.
#pragma once

#include <string>

#include "copier/window/state.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct SwapOutcome {
  std::string backup_name;
  std::string backup_qualified;
  double locked_seconds = 0;  ///< From the first lock to COMMIT.
};

/// Refuses if the fence around either table was not continuous, or a needed name is taken; then
/// nothing is changed. Reports attempts that were blocked.
Result<SwapOutcome> swap_tables(WindowState& state);

/// Takes the swap back: names, views, publications, foreign keys. The target is the target again.
/// Returns the seconds for which the tables were locked.
Result<double> swap_back(WindowState& state);

/// Undoes a job whose tables have not been swapped, or not any more: drops what the job made, and
/// lowers its fences. Twice is harmless. The journal keeps its record, as "rolled back".
Result<void> undo_job(WindowState& state);

/// Returns the made target. Refuses if the source's definition is not the one that was carried over
/// (journaled as side "carry").
Result<MadeTarget> check_carry(WindowState& state);

/// Refuses unless the fence is on `side` and nothing passed it since it was raised.
Result<void> check_fence(WindowState& state, const std::string& side, const Table& table);

}  // namespace pgfanout
