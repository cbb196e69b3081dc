// Issues that a person should know before the copy begins and that do not stop it.
#pragma once

#include <vector>

#include "copier/catalog/server_facts.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Appends to plan.issues: publications that would publish the load, locks, WAL, what the key mode
/// means for later inserts, columns whose values are taken once.
Result<void> add_notes(const JobDescription& job, Connection& target, const ServerFacts& facts,
                       CopyPlan& plan);

}  // namespace pgfanout
