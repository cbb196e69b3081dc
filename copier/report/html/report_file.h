// Writes the report where it was asked for: whole or not at all.
#pragma once

#include <string>
#include <string_view>

#include "pgfanout/result.h"

namespace pgfanout {

/// Before a job: whether a file could be made there. Leaves nothing behind.
Result<void> check_report_file(const std::string& path);
/// By a temporary file in the same folder, which takes the name only when it is complete.
Result<void> write_report_file(const std::string& path, std::string_view text);

}  // namespace pgfanout
