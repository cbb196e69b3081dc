// From the words of a command line to an Invocation: defaults, then the job file, then options.
// Nothing is connected to, nothing printed.
#pragma once

#include <span>
#include <string>
#include <variant>

#include "copier/cli/invocation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// What --help or --version asks for: text for standard output.
struct Information {
  std::string text;
};

/// `words` are the arguments behind the program's name. An error has code "usage", or
/// check_dsn()'s or apply_job_file()'s, and never quotes a connection string or a word that belongs
/// to no option.
Result<std::variant<Invocation, Information>> parse_arguments(std::span<const std::string> words);

/// Whether --json is among the words, even if they cannot be parsed, or their job file says so.
[[nodiscard]] bool wants_json(std::span<const std::string> words);
/// The command that the words name; empty if it is none of this version's.
[[nodiscard]] std::string command_of(std::span<const std::string> words);

}  // namespace pgfanout
