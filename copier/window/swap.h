// The swap: the target takes the source's place, in one short transaction. It can be undone, and so
// can the job before it.
#pragma once

#include <string>
#include <vector>

#include "copier/window/restored_keys.h"
#include "copier/window/state.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// "20261121_020000": now, UTC.
[[nodiscard]] std::string stamp_now();

struct SwapOutcome {
  std::string backup_name;
  std::string backup_qualified;
  double locked_seconds = 0;  ///< From the first lock to COMMIT.
};

/// Refuses if the fence around either table was not continuous, or a needed name is taken; then
/// nothing is changed. Reports attempts that were blocked.
Result<SwapOutcome> swap_tables(WindowState& state);

struct SwapBackOutcome {
  double locked_seconds = 0;
  std::vector<UnvalidatedKey> unvalidated;
};
/// The statements that swap_tables() would run now, in their order, without the journal's own;
/// lines that begin with "--" say what follows. Checks and refuses as it does, changes nothing.
Result<std::vector<std::string>> swap_statements(WindowState& state);
/// The same of a rollback. A swap that is to be taken back begins with a fence around the live
/// table.
Result<std::vector<std::string>> undo_statements(WindowState& state, bool takes_swap_back);

/// Takes the swap back: names, views, publications, foreign keys. The target is the target again.
Result<SwapBackOutcome> swap_back(WindowState& state);

/// Undoes a job whose tables have not been swapped, or not any more: drops what the job made, and
/// lowers its fences. Twice is harmless. The journal keeps its record, as "rolled back". Refuses to
/// drop rows whose table on the source is not there any more, unless they `may_be_lost`.
Result<void> undo_job(WindowState& state, bool may_be_lost);

/// Refuses if anything about the source that the job read, beside its rows, was changed since it
/// was fenced (journaled as side "carry").
Result<void> check_definition(WindowState& state, const Table& source);

/// Once raised, the fence around the source stays until the job's end: refuses to resume a job
/// whose fence was lifted. `records`: its stages.
Result<void> check_still_fenced(WindowState& state, const std::vector<StageRecord>& records);

/// Refuses unless the fence is on `side` and nothing passed it since it was raised.
Result<void> check_fence(WindowState& state, const std::string& side, const Table& table);

}  // namespace pgfanout
