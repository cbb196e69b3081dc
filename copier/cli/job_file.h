// The job file: TOML with the names of the options, applied before the command line's options.
// Every command reads the same file, and checks settings of other commands, too. Unknown names are
// errors.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "copier/cli/invocation.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// `file` is a name for messages. Errors have code "job-file", "password-in-job-file" or one of
/// check_dsn(), and never quote text that could be a password.
Result<void> apply_job_text(std::string_view text, std::string_view file, Invocation& to);

/// The same for a file of at most 1 MiB.
Result<void> apply_job_file(const std::string& path, Invocation& to);

/// Removes those of the first `from_file` mappings that a later one replaces.
void let_later_mappings_win(std::vector<ColumnMapping>& map, std::size_t from_file);

}  // namespace pgfanout
