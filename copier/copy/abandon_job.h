// Conditions for abandoning or restarting a job: its fence can be reached, and none of its objects
// remain without an entry that names them.
#pragma once

#include "copier/journal/journal.h"
#include "copier/pg/connection.h"
#include "copier/session/lock_attempts.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Refuses if `source` is not the database in which the job raised its fence. `journal` is a
/// connection to the target's database.
Result<void> check_fence_place(Connection& journal, Connection& source, const JournalEntry& entry);

/// Refuses while a target that the job did not make has rows that the job committed.
Result<void> check_nothing_stays(Connection& journal, const JournalEntry& entry);

/// Refuses while the job's copy has rows whose table on the source is not there any more: the fence
/// refuses every write, but not DROP.
Result<void> check_source_has_its_rows(Connection& journal, Connection& source,
                                       const JournalEntry& entry);

/// Lifts the fence of a copy that is over, or to be forgotten.
Result<void> lift_copy_fence(Connection& journal, Connection& source, const JournalEntry& entry,
                             const LockPatience& patience, const Cancellation& cancellation);

/// A copy that was done, and killed before it had lifted its fence: does that now.
Result<void> finish_copy(Connection& journal, Connection& source, JournalEntry& entry,
                         const LockPatience& patience, const Cancellation& cancellation);

}  // namespace pgfanout
