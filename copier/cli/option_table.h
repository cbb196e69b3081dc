// What an option is: its name, its help and what its value does. Every option of every command is
// one row of a table, so that parsing, hints and help always speak of the same options.
#pragma once

#include <span>
#include <string_view>

#include "copier/cli/invocation.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct OptionSpec {
  std::string_view group;  ///< Heading in the help.
  std::string_view name;   ///< With its two dashes.
  std::string_view value;  ///< What the help calls the value; empty: a flag.
  std::string_view help;
  bool is_repeatable = false;
  /// Takes the value (empty for a flag) over. Its error lacks the option's name.
  Result<void> (*apply)(std::string_view value, Invocation& invocation) = nullptr;
};

using OptionTable = std::span<const OptionSpec>;

/// Options of every command that works on a job: what, where, key, resources, output.
[[nodiscard]] OptionTable job_options();
/// Options of the key command alone.
[[nodiscard]] OptionTable key_options();
[[nodiscard]] OptionTable verify_options();
/// Names of options that later versions have; naming one is not a slip of the keyboard.
[[nodiscard]] std::span<const std::string_view> later_options();

}  // namespace pgfanout
