// The commands: names, checks of their arguments, and the pages of --help.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "copier/cli/invocation.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct CommandSpec {
  std::string_view name;
  std::string_view summary;      ///< One line.
  std::string_view description;  ///< A paragraph, wrapped as printed.
  std::string_view examples;     ///< Commands that work, wrapped as printed.
  /// Checks what no option can check alone: options that are required or exclude each other.
  Result<void> (*check)(const Invocation& invocation);
  bool has_job = true;  ///< Takes a job file and job_options().
};

/// Those that work on a job.
[[nodiscard]] std::span<const CommandSpec> commands();
/// Null if there is none of that name; bench is one.
[[nodiscard]] const CommandSpec* find_command(std::string_view name);
/// The refusal of a name that is no command of this version.
[[nodiscard]] Error unknown_command(std::string_view name);

// Pages of at most 100 columns.
/// The program: its commands, exit codes, where to look further.
[[nodiscard]] std::string general_help();
/// One command: what it does, examples, its own options.
[[nodiscard]] std::string command_help(const CommandSpec& command);
/// The options of every command that works on a job.
[[nodiscard]] std::string options_page();

}  // namespace pgfanout
