// Names for jobs.
#pragma once

#include <string>

namespace pgfanout {

/// "20261121T061522-3fa9": the time (UTC) for people who look into the journal, and enough chance
/// to be unique.
[[nodiscard]] std::string new_job_id();

}  // namespace pgfanout
