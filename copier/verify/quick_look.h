// A comparison of two tables in seconds, whatever their size: how many rows each leaf holds, and
// whether a sample of rows is the same on both sides.
#pragma once

#include <string>
#include <vector>

#include "copier/plan/verify_plan.h"
#include "copier/verify/table_checks.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Counts rows (estimates them from statistics where counting would take long, and says so), fills
/// the result's rows, leaves and skew, and compares a sample. `set_aside`: "<leaf> <ctid>" of the
/// source's rows that are in the reject table.
Result<void> look_quickly(const VerifyPlan& plan, Connection& source, Connection& target,
                          std::vector<std::string> set_aside, const Cancellation& cancellation,
                          JobResult& result, const IssueSink& report);

}  // namespace pgfanout
