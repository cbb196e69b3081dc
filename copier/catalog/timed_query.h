// A query that may take long, or may not be permitted: then the answer is that it is not known.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Absent if it takes longer than `patience` (0: for ever), or if a privilege is missing. An open
/// transaction goes on as if nothing had happened, whatever the result.
Result<std::optional<Rows>> query_in_time(Connection& connection, const std::string& sql,
                                          std::chrono::milliseconds patience);

}  // namespace pgfanout
