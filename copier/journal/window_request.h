// What decides about a job's result, as the journal keeps it: a later call must say the same, and a
// rollback needs nobody to say it again.
#pragma once

#include <string>

#include "pgfanout/job.h"

namespace pgfanout {

/// One setting a line: key, partitions, mode, mappings, what is accepted, views.
[[nodiscard]] std::string request_of(const JobDescription& job, const std::string& key_sql);

/// What differs, in words; empty if the same.
[[nodiscard]] std::string request_differences(const std::string& then, const std::string& now);

/// `job` with the settings of `request`, whatever it had before.
[[nodiscard]] JobDescription with_request(JobDescription job, const std::string& request);

}  // namespace pgfanout
