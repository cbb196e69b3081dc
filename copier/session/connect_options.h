// How a job connects: every connection of every command is opened with these.
#pragma once

#include <string>
#include <utility>

#include "copier/pg/connection.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

[[nodiscard]] inline ConnectOptions connect_options(const JobDescription& job, std::string dsn,
                                                    std::string application_name) {
  return {std::move(dsn), std::move(application_name), job.connect_timeout, job.stall_timeout};
}

/// Opens one more connection of a running job. A failure to connect interrupts the job: the same
/// command may be run again.
[[nodiscard]] inline Result<Connection> connect_again(const ConnectOptions& options) {
  auto connection = Connection::open(options);
  if (connection) return connection;
  Error error = std::move(connection).error();
  if (error.code == "cannot-connect") error.consequence = Consequence::interrupt;
  return error;
}

}  // namespace pgfanout
