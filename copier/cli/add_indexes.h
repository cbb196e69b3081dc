// Puts advised indexes into a job file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The text to append to the job file `text`: a [[target.indexes]] for each index that it does
/// not have yet. Empty: it has them all. Refuses a text that would not be a job file afterwards.
Result<std::string> indexes_to_add(std::string_view text, std::string_view file,
                                   const std::vector<IndexAdvice>& advice);

/// Appends them to the file, whose text stays as it is. Says in a note how many there were.
Result<Issue> add_indexes(const std::string& path, const std::vector<IndexAdvice>& advice);

}  // namespace pgfanout
