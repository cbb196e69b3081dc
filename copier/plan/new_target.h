// A target that is to be created: the names it takes, how its leaves are stored, its sequences, and
// the SQL that makes it. Leaves are loaded while they stand alone, and attached without another
// scan.
#pragma once

#include "copier/columns/column_plan.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct NewTargetRequest {
  const JobDescription& job;
  const ColumnPlan& columns;
  std::vector<Column> key_inputs;  ///< As in NewLayoutRequest.
  bool is_made = false;  ///< An earlier call of the job has made it: its names are taken by it.
};

/// Fills the plan's leaves, layout and DDL. Source, key and target name are in the plan already.
/// Refusals: "schema-missing", "no-privilege", "name-taken".
Result<void> plan_new_target(const NewTargetRequest& request, Connection& source,
                             Connection& target, CopyPlan& plan);

/// Tries what the job asks for beside the source's definition, in a transaction that is rolled
/// back: an error for each part that the target's server refuses, a warning if the role may make no
/// temporary table.
Result<std::vector<Issue>> try_target(Connection& target, const CopyPlan& plan);

}  // namespace pgfanout
