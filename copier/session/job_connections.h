// The connections of a job: how they are opened, and how those of a killed client are ended.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The options of every connection of every command.
[[nodiscard]] inline ConnectOptions connect_options(const Endpoints& endpoints, std::string dsn,
                                                    std::string application_name) {
  return {std::move(dsn), std::move(application_name), endpoints.connect_timeout,
          endpoints.stall_timeout};
}

/// Opens one more connection of a running job. A failure to connect interrupts the job: the same
/// command may be run again.
Result<Connection> connect_again(const ConnectOptions& options);

/// Terminates the backends of `job` in this database whose application_name begins with
/// "pgfanout/<job>/<role>", except `own` (backend ids), and waits until they are gone: their
/// transactions are then committed or rolled back. An empty role: all backends of the job.
Result<void> end_orphans(Connection& connection, const std::string& job, std::string_view role,
                         const std::vector<int>& own);

}  // namespace pgfanout
