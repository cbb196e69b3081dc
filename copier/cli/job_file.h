// The job file: TOML with the options' own names, taken over before the command line's options.
// Every command reads the same file, so that settings of other commands are checked, too. What is
// not known is an error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "copier/cli/invocation.h"
#include "copier/cli/option_table.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Options of any command that have a name in job files, each once.
[[nodiscard]] std::vector<OptionSpec> job_file_settings();

/// `file` is a name for messages. Errors have code "job-file", "password-in-job-file" or
/// check_dsn()'s, and never quote what could be a password.
Result<void> apply_job_text(std::string_view text, std::string_view file, Invocation& to);

/// The same from a file of at most 1 MiB.
Result<void> apply_job_file(const std::string& path, Invocation& to);

/// Of the first `from_file` mappings those that a later one replaces are dropped.
void let_later_mappings_win(std::vector<ColumnMapping>& map, std::size_t from_file);

}  // namespace pgfanout
