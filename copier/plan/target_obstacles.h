// Obstacles to writing to an existing target: rows, missing privileges, row-level security, and
// triggers or defaults that slow the load down or change rows.
#pragma once

#include <vector>

#include "copier/catalog/table.h"
#include "copier/columns/column_plan.h"
#include "copier/pg/connection.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Refuses what forbids the copy; what only makes it slower or surprising comes back as issues.
Result<std::vector<Issue>> find_obstacles(const JobDescription& job, Connection& target,
                                          const Table& table);

/// Adds an issue for each column left to a default that keeps COPY from inserting many rows at
/// once.
Result<void> note_slow_defaults(Connection& target, ColumnPlan& columns);

}  // namespace pgfanout
