// What --help and --version print.
#pragma once

#include <string>

#include "copier/cli/commands.h"

namespace pgfanout {

/// The program: its commands, exit codes, where to look further.
[[nodiscard]] std::string general_help();
/// One command: what it does, examples, every option. At most 100 columns wide.
[[nodiscard]] std::string command_help(const CommandSpec& command);
/// Name, version, compiler, libpq.
[[nodiscard]] std::string version_text();

}  // namespace pgfanout
