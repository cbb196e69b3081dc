// The connections of a job: how they are opened, and how those of a killed client are ended.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The options of every connection of every command. A command that only reads gives the user's
/// `cancellation`: nothing that it does must be finished.
[[nodiscard]] inline ConnectOptions connect_options(const Endpoints& endpoints, std::string dsn,
                                                    std::string application_name,
                                                    const Cancellation* cancellation = nullptr) {
  ConnectOptions options{std::move(dsn), std::move(application_name), endpoints.connect_timeout,
                         endpoints.stall_timeout};
  options.cancellation = cancellation;
  return options;
}

/// Opens one more connection of a running job. A failure to connect interrupts the job: the same
/// command may be run again.
Result<Connection> connect_again(const ConnectOptions& options);

/// Backends of `job` in a database: those whose application_name begins with
/// "pgfanout/<job>/<role>", all of the job's for an empty role, except `own` (backend ids).
struct Orphans {
  std::string job;
  std::string role = {};
  std::vector<int> own = {};
};

/// Terminates them and waits until they are gone: their transactions are then committed or rolled
/// back. `report` is told of those that take longer than a moment.
Result<void> end_orphans(Connection& connection, const Orphans& orphans,
                         const Cancellation& cancellation, const IssueSink& report);

}  // namespace pgfanout
