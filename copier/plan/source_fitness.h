// Whether the source can be read whole: every leaf an ordinary table that this role may read, no
// rows hidden, no setting that drops damaged ones.
#pragma once

#include <vector>

#include "copier/catalog/server_facts.h"
#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

Result<void> check_source(Connection& source, const Table& table, const ServerFacts& facts);

/// Counts, in one issue, the objects that a new target does not get from the source while it is
/// copied: keys, indexes, triggers, ... No issue if there are none.
Result<std::vector<Issue>> note_not_carried(Connection& source, const Table& table);

}  // namespace pgfanout
