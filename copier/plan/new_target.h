// A target that is to be created: what its names must not collide with, how its leaves are stored,
// and the statements that make it.
#pragma once

#include <string>
#include <vector>

#include "copier/catalog/server_facts.h"
#include "copier/columns/column_plan.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct NewTargetRequest {
  const JobDescription& job;
  const ColumnPlan& columns;
  bool key_inputs_are_not_null = true;
  bool is_same_server = false;
  bool is_made = false;  ///< An earlier call of the job has made it: its names are taken by it.
};

/// Fills the plan's leaves, leaf map and statements. Source, key and target name are in the plan
/// already. Refusals: "schema-missing", "no-privilege", "name-taken".
Result<void> plan_new_target(const NewTargetRequest& request, Connection& source,
                             Connection& target, CopyPlan& plan);

}  // namespace pgfanout
