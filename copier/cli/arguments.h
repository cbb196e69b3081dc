// From the words of a command line to an Invocation (defaults, then the job file, then options),
// and to the words of the next commands. Connects to nothing, prints nothing.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "copier/cli/invocation.h"
#include "copier/report/result/summary.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The answer to --help or --version, for standard output.
struct Information {
  std::string text;
};

/// `words` are the arguments after the program's name. An error has code "usage", or one of
/// check_dsn() or apply_job_file(), and never quotes a connection string or a word that belongs to
/// no option.
Result<std::variant<Invocation, Information>> parse_arguments(std::span<const std::string> words);

/// Whether the words or their job file ask for JSON, even if they cannot be parsed.
[[nodiscard]] bool wants_json(std::span<const std::string> words);
/// The command that the words name; empty: none of this version's.
[[nodiscard]] std::string command_of(std::span<const std::string> words);

/// The next commands after one that was given: the same job, in the words of its user. `words` are
/// a valid command line; `table` is the source in the words of its user. `result` has the gate at
/// which the job waits, and the next command by status.
[[nodiscard]] NextCommands next_commands_of(std::span<const std::string> words,
                                            std::string_view table, const JobResult& result);

}  // namespace pgfanout
