// Backends that outlive their killed client: found by their application_name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Ends the backends of `job` in this database whose application_name begins with
/// "pgfanout/<job>/<role>", but for `own` (backend ids), and waits until they are gone: what they
/// were about to commit is then either committed or not. An empty role: all of the job's.
Result<void> end_orphans(Connection& connection, const std::string& job, std::string_view role,
                         const std::vector<int>& own);

}  // namespace pgfanout
