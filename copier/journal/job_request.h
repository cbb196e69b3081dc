// The settings that decide a job's result, as the journal keeps them. A later call of the job must
// give the same ones; a rollback takes them from the journal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/job.h"

namespace pgfanout {

/// Key, partitions, mode, mappings, accepted objects, views and the target's own objects as JSON: a
/// list of settings, each a list of its name and its value or values.
[[nodiscard]] std::string request_of(const JobDescription& job, const std::string& key_sql);

/// The settings that differ, in words; empty if none does.
[[nodiscard]] std::string request_differences(const std::string& then, const std::string& now);

/// Rows without a parent, and absent standbys, that `job` accepts and `request` does not: they may
/// be accepted later, since they are met when the job has begun.
[[nodiscard]] std::vector<std::string> accepted_later(const std::string& request,
                                                      const JobDescription& job);

/// Only names the table, and so means the job as it was begun.
[[nodiscard]] bool says_nothing(const JobDescription& job);

/// `job` with the settings of `request` in place of its own.
[[nodiscard]] JobDescription with_request(JobDescription job, const std::string& request);

}  // namespace pgfanout
