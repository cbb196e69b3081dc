// The commands of this version: what each is called, says about itself and takes.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "copier/cli/invocation.h"
#include "copier/cli/option_table.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct CommandSpec {
  std::string_view name;
  std::string_view summary;      ///< One line.
  std::string_view description;  ///< Paragraphs, wrapped as printed.
  std::string_view examples;     ///< Commands that work, wrapped as printed.
  OptionTable own_options;       ///< Beside job_options().
  /// What no option can say alone: the required ones, and those that exclude each other.
  Result<void> (*check)(const Invocation& invocation);
  bool has_job = true;  ///< Takes a job file and job_options().
};

/// Those that work on a job.
[[nodiscard]] std::span<const CommandSpec> commands();
/// The one that does not.
[[nodiscard]] const CommandSpec& bench_command();
/// Null if there is none of that name.
[[nodiscard]] const CommandSpec* find_command(std::string_view name);
/// The command's own options, then those of every command that works on a job.
[[nodiscard]] std::vector<OptionSpec> options_of(const CommandSpec& command);
/// The refusal of a name that is no command of this version.
[[nodiscard]] Error unknown_command(std::string_view name);

}  // namespace pgfanout
