// Checks of a target other than its rows, in a statement or two each. A check reports an
// issue for what it finds; a check that could not be made says so.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string>

#include "copier/pg/connection.h"
#include "copier/plan/verify_plan.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

// A state that the source has as well is no difference.

/// The objects that a check looked at.
struct Looked {
  std::size_t objects = 0;
  std::optional<Issue> hindrance = {};  ///< Why one of them was not looked at; was reported.
};

struct LookedAtStates {
  Looked constraints;
  Looked indexes;
};
/// Constraints that were never validated, but for foreign keys in `unvalidated` (display_name()),
/// and indexes that are not valid.
Result<LookedAtStates> check_states_of(Connection& source, Connection& target,
                                       const VerifyPlan& plan,
                                       const std::set<std::string>& unvalidated,
                                       const IssueSink& of_constraints,
                                       const IssueSink& of_indexes);

/// Leaves for all keys that the job asks for or its key can give, if the target is laid out by it.
void check_bounds(const VerifyPlan& plan, const IssueSink& report);

/// Sequences of the target's columns must be ahead of the data. `patience`: for each statement;
/// 0: as long as it takes.
Result<Looked> check_sequences(Connection& source, Connection& target, const VerifyPlan& plan,
                               std::chrono::milliseconds patience, const IssueSink& report);

/// Columns that are NOT NULL in the source and may be NULL in the target hold none.
Result<Looked> check_required(Connection& target, const VerifyPlan& plan, const IssueSink& report);

/// Rows of the target whose foreign key, the target's own or one of the source's, points nowhere.
/// Only warnings for those in `unvalidated`.
Result<Looked> check_references(Connection& source, Connection& target, const VerifyPlan& plan,
                                const std::set<std::string>& unvalidated, const IssueSink& report);

/// The function that computes the key for statements that insert: its signature; empty: it is
/// missing, though a swap of this table made one. Absent: nothing calls for one.
Result<std::optional<std::string>> find_key_function(Connection& target, const VerifyPlan& plan);

}  // namespace pgfanout
