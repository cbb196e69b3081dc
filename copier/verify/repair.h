// Makes the target equal: touches only the rows that a comparison named, in one transaction a leaf.
#pragma once

#include <string>
#include <vector>

#include "copier/plan/verify_plan.h"
#include "copier/verify/difference_finder.h"
#include "copier/verify/verify_sides.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct RepairPlan {
  std::vector<std::string> summary;     ///< A line for each kind of change.
  std::vector<std::string> statements;  ///< The SQL that is run, without values.
};

/// Refuses when rows differ that were not named.
Result<RepairPlan> plan_repair(const VerifyPlan& plan, const FoundDifferences& found);

/// Reads each of the target's rows again under its lock, and each of the source's; one that is not
/// what was compared ends its leaf's transaction, with nothing changed in that leaf.
/// `sides`: the source is locked against writes.
Result<void> run_repair(const VerifyPlan& plan, const FoundDifferences& found, VerifySides& sides,
                        const Cancellation& cancellation);

}  // namespace pgfanout
