// The figures of queries that an earlier call printed as JSON.
#pragma once

#include <string_view>

#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// From the document of `pgfanout queries --json`, or of a window: times of the old table, or else
/// of the only one.
Result<QueryBaseline> parse_query_baseline(std::string_view json);
/// The same from a file.
Result<QueryBaseline> read_query_baseline(std::string_view path);

}  // namespace pgfanout
