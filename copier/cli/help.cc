#include "copier/cli/help.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/pg/connection.h"
#include "copier/report/text/tool_version.h"

namespace pgfanout {
namespace {

constexpr std::size_t page_width = 100;
constexpr std::size_t help_column = 28;

/// `text` wrapped into a column that starts at help_column; the first line starts behind `head`.
std::string beside(std::string head, std::string_view text) {
  std::string line = std::move(head);
  std::string page;
  if (line.size() + 2 > help_column) {
    page = line + "\n";
    line.clear();
  }
  line.resize(help_column, ' ');
  bool is_first_word = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!is_first_word && line.size() + 1 + word.size() > page_width) {
      page += line + "\n";
      line.assign(help_column, ' ');
      is_first_word = true;
    }
    if (!is_first_word) line += ' ';
    line += word;
    is_first_word = false;
  }
  return page + line + "\n";
}

std::string options_help(OptionTable options) {
  std::string page;
  std::string_view group;
  for (const OptionSpec& option : options) {
    if (option.group != group) page += fmt::format("\n{}:\n", group = option.group);
    page += beside(fmt::format("  {} {}", option.name, option.value), option.help);
  }
  return page;
}

}  // namespace

std::string general_help() {
  std::string page =
      "pgfanout moves a PostgreSQL table into a new partition layout and proves that nothing was "
      "lost.\n\nUsage: pgfanout COMMAND [JOB.toml] [options]\n\nCommands:\n";
  for (const CommandSpec& command : commands()) {
    page += beside(fmt::format("  {}", command.name), command.summary);
  }
  page += beside(fmt::format("  {}", bench_command().name), bench_command().summary);
  page += R"(
  pgfanout COMMAND --help     examples and all options of a command
  pgfanout --version          version, and what it was built with

First steps:
    pgfanout key    --source 'service=prod' --table public.chunks --check 10000
    pgfanout plan   --source 'service=prod' --table public.chunks
    pgfanout run    --source 'service=prod' --table public.chunks
    pgfanout status --source 'service=prod' --table public.chunks --watch
    pgfanout verify --source 'service=prod' --table public.chunks
    pgfanout swap   --source 'service=prod' --table public.chunks

All options can stand in a job file instead, which is TOML: [source] table = "public.chunks", ...
Options on the command line win over it. docs/job.example.toml has every setting, explained.

Passwords belong into a file named by PGPASSFILE (or ~/.pgpass) or into a service file; a
connection string that carries one is refused.

Exit codes:
  0  done, and proven: every check passed
  1  it ran to its end and found differences
  2  could not start or must not go on; the same command would end the same way
  3  stopped part-way, or waiting for a person; nothing is damaged
  4  could not prove it: a check did not run to its end

See also: docs/TUTORIAL.md (fifteen minutes on a server that is thrown away), docs/RUNBOOK.md (a
maintenance window, with every way back), docs/MESSAGES.md (every message: what it means, what to
do), docs/job.example.toml, pgfanout(1).
)";
  return page;
}

std::string command_help(const CommandSpec& command) {
  return fmt::format("pgfanout {}: {}\n\n{}\nUsage: pgfanout {}{} [options]\n\nExamples:\n{}{}{}\n",
                     command.name, command.summary, command.description, command.name,
                     command.has_job ? " [JOB.toml]" : "", command.examples,
                     options_help(command.own_options),
                     command.has_job ? options_help(job_options()) : "");
}

std::string version_text() {
  return version_page(libpq_version());
}

}  // namespace pgfanout
