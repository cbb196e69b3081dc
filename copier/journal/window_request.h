// What decides about a job's result, as the journal keeps it: a later call must say the same, and a
// rollback needs nobody to say it again.
#pragma once

#include <string>

#include "pgfanout/job.h"

namespace pgfanout {

/// Key, partitions, mode, mappings, what is accepted, views: JSON, a list of settings, each a list
/// of its name and its value or values.
[[nodiscard]] std::string request_of(const JobDescription& job, const std::string& key_sql);

/// What differs, in words; empty if the same.
[[nodiscard]] std::string request_differences(const std::string& then, const std::string& now);

/// `job` with the settings of `request`, whatever it had before.
[[nodiscard]] JobDescription with_request(JobDescription job, const std::string& request);

}  // namespace pgfanout
