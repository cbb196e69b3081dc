// How a job connects: every connection of every command is opened with these.
#pragma once

#include <string>
#include <utility>

#include "copier/pg/connection.h"
#include "pgfanout/job.h"

namespace pgfanout {

[[nodiscard]] inline ConnectOptions connect_options(const JobDescription& job, std::string dsn,
                                                    std::string application_name) {
  return {std::move(dsn), std::move(application_name), job.connect_timeout, job.stall_timeout};
}

}  // namespace pgfanout
