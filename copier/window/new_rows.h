// Rows that were written to the live table since the swap, as a comparison with the old table names
// them: they are applied to the old table, or saved in a table. Each in one transaction.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "copier/pg/connection.h"
#include "copier/plan/verify_plan.h"
#include "copier/verify/difference_finder.h"
#include "copier/window/way_back.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// "5 inserted, 3 updated, 2 deleted".
[[nodiscard]] std::string text_of(const NewRowsOutcome& rows);
/// Of the old table (missing) and the live one (extra).
[[nodiscard]] NewRowsOutcome outcome_of(const Differences& differences, std::string fate);

/// `plan`: its source is the old table, its target the live one. `connection` passes the fences.
/// Neither triggers nor foreign keys act, if the role may turn them off. `record` runs in the same
/// transaction. Refuses with "cannot-keep" if a constraint of the old table does not allow a row.
Result<void> apply_new_rows(Connection& connection, const VerifyPlan& plan,
                            const FoundDifferences& found, const WayBack& way,
                            const std::function<Result<void>()>& record,
                            const Cancellation& cancellation);

/// Makes a table with the live table's columns, and pgfanout_change: inserted, updated, or deleted,
/// of which the columns are filled that the old table knows. Returns its qualified name.
Result<std::string> save_new_rows(Connection& connection, const VerifyPlan& plan,
                                  const FoundDifferences& found, const std::string& stamp,
                                  const Cancellation& cancellation);

/// Places of the rows in the live table.
[[nodiscard]] std::set<RowAddress> live_places(const FoundDifferences& found);

/// Whether all that differs after apply_new_rows() are rows among `applied`, since the reverse
/// mapping does not give back what the job's mapping would make of them, and rows of the live table
/// with a wrong key.
[[nodiscard]] bool only_applied_differ(const std::set<RowAddress>& applied,
                                       const FoundDifferences& left);

}  // namespace pgfanout
