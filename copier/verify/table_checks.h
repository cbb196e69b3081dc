// Checks of a target other than its rows, in a statement or two each. A check reports an
// issue for what it finds; a check that could not be made says so.
#pragma once

#include <chrono>
#include <string>

#include "copier/pg/connection.h"
#include "copier/plan/verify_plan.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

// A state that the source has as well is no difference.

/// Constraints that were never validated, indexes that are not valid.
Result<void> check_validity(Connection& source, Connection& target, const VerifyPlan& plan,
                            const IssueSink& report);

/// Leaves for all keys that the job asks for or its key can give, if the target is laid out by it.
void check_bounds(const VerifyPlan& plan, const IssueSink& report);

/// Sequences of the target's columns must be ahead of the data. `patience`: for each statement;
/// 0: as long as it takes.
Result<void> check_sequences(Connection& source, Connection& target, const VerifyPlan& plan,
                             std::chrono::milliseconds patience, const IssueSink& report);

/// Columns that are NOT NULL in the source and may be NULL in the target hold none.
Result<void> check_required(Connection& target, const VerifyPlan& plan, const IssueSink& report);

/// Rows of the target whose foreign key, the target's own or one of the source's, points nowhere.
Result<void> check_references(Connection& source, Connection& target, const VerifyPlan& plan,
                              const IssueSink& report);

}  // namespace pgfanout
