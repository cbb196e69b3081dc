// A copy's hold on its job: which job of the journal it is, whether it can be resumed, and the
// fence that keeps the source as it was from one call to the next.
#pragma once

#include <string>

#include "copier/catalog/table.h"
#include "copier/copy/copy_rules.h"
#include "copier/copy/copy_state.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Claims the target, ends what a killed call left running, and settles what an earlier job left.
/// Refuses if another job is at work, or another request than the unfinished job's is made.
Result<CopyStanding> claim_copy(CopyState& state, Connection& source, const Table& table);

/// Writes a new job down, before it changes anything. `key` is its expression.
Result<void> journal_copy(CopyState& state, const Connection& source, const Table& table,
                          const std::string& key);

/// Raises the fence around the source; for a job that is resumed, refuses unless the fence has
/// stood all the time.
Result<void> fence_source(CopyState& state, Connection& source, const Table& table);

/// Lifts it: the job is over, or given up.
Result<void> lift_fence(CopyState& state, Connection& source);

}  // namespace pgfanout
