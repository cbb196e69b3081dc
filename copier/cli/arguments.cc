#include "copier/cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>
#include <vector>

#include "copier/cli/commands.h"
#include "copier/cli/help.h"
#include "copier/cli/job_file.h"
#include "copier/cli/nearest.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using Words = std::span<const std::string>;

const OptionSpec* find_option(std::span<const OptionSpec> options, std::string_view name) {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const OptionSpec& each) { return each.name == name; });
  return found == options.end() ? nullptr : &*found;
}

/// "--source=" would take the next word as its value: two words say that the value is empty. An
/// option that is followed by another one lacks its value ("--value=--x" gives one with dashes).
Result<std::vector<std::string>> tidy_words(std::span<const OptionSpec> options, Words words) {
  std::vector<std::string> tidy;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool ends_in_equals = word.ends_with('=');
    const std::string name = ends_in_equals ? word.substr(0, word.size() - 1) : word;
    const OptionSpec* option = find_option(options, name);
    tidy.push_back(option != nullptr ? name : word);
    if (option == nullptr || option->value.empty()) continue;
    if (ends_in_equals) {
      tidy.emplace_back();
    } else if (i + 1 == words.size() || words[i + 1].starts_with("--")) {
      return refused("usage", fmt::format("{} needs a value: {}", name, option->value));
    } else {
      tidy.push_back(words[++i]);
    }
  }
  return tidy;
}

/// "plan, run", the commands that have an option of their own by that name.
std::string commands_with(std::string_view name) {
  std::vector<std::string_view> names;
  for (const CommandSpec& command : commands()) {
    if (find_option(command.own_options, name) != nullptr) names.push_back(command.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

/// Only the name is quoted, never a value: it may be a secret ("-pSECRET", "--password=SECRET").
Error unknown_option(const CommandSpec& command, std::span<const OptionSpec> options,
                     const std::string& word) {
  const std::string name = word.substr(0, word.starts_with("--") ? word.find('=') : 2);
  const std::string what = fmt::format("{} has no option {}", command.name, printable(name));
  if (name == "--password" || name == "-W" || name == "-p") {
    return refused("usage", what + ": passwords are not given on the command line",
                   "put it into a file named by PGPASSFILE (or ~/.pgpass), or use a service file");
  }
  const std::string owners = commands_with(name);
  if (!owners.empty()) {
    return refused("usage", what, fmt::format("it is an option of {}", owners));
  }
  std::vector<std::string_view> names = {"--help"};
  for (const OptionSpec& option : options) names.push_back(option.name);
  return refused(
      "usage", what,
      did_you_mean(name, names, fmt::format("'pgfanout {} --help' lists all", command.name)));
}

/// A word that belongs to no option. It is not quoted: it may be a connection string.
Error stray_word(const CommandSpec& command, bool has_job_file) {
  const std::string_view quotes =
      "values that contain blanks need quotes: --source 'host=db1 dbname=app'";
  return refused(
      "usage", fmt::format("a word on the command line belongs to no option of {}", command.name),
      has_job_file ? "one job file is enough, and values that contain blanks need quotes"
                   : fmt::format("{}{}", quotes,
                                 command.has_job ? "; the name of a job file ends in .toml" : ""));
}

/// A connection string may end in anything, so only what cannot be one is taken for a file's name.
bool is_job_file(const std::string& word) {
  return word.ends_with(".toml") && word.find("://") == std::string::npos &&
         word.find('=') == std::string::npos;
}

/// Takes the words out that are for Google Benchmark.
std::vector<std::string> take_benchmark_words(std::vector<std::string>& leftovers) {
  std::vector<std::string> words;
  const auto rest = std::stable_partition(
      leftovers.begin(), leftovers.end(),
      [](const std::string& word) { return !word.starts_with("--benchmark_"); });
  words.assign(rest, leftovers.end());
  leftovers.erase(rest, leftovers.end());
  return words;
}

/// The job file among the words that belong to no option; empty if there is none.
Result<std::string> find_job_file(const CommandSpec& command, std::span<const OptionSpec> options,
                                  const std::vector<std::string>& leftovers) {
  std::string job_file;
  for (const std::string& word : leftovers) {
    if (word == "--") continue;
    if (word.size() > 1 && word.front() == '-') return unknown_option(command, options, word);
    if (!command.has_job || !job_file.empty() || !is_job_file(word))
      return stray_word(command, !job_file.empty());
    job_file = word;
  }
  return job_file;
}

Result<void> apply(const OptionSpec& spec, const std::vector<std::string>& values,
                   Invocation& invocation) {
  if (values.size() > 1 && !spec.is_repeatable && !spec.value.empty()) {
    return refused("usage", fmt::format("{} is given twice", spec.name));
  }
  for (const std::string& value : values) {
    auto applied = spec.apply(value, invocation);
    if (applied) {
      invocation.given.push_back({std::string(spec.name), value});
      continue;
    }
    Error error = std::move(applied).error();
    if (!error.message.starts_with("--")) {
      error.message = fmt::format("{} {}", spec.name, error.message);
    }
    return error;
  }
  return {};
}

CLI::Option* declare(CLI::App& app, const OptionSpec& spec, std::string& unused) {
  const std::string name(spec.name);
  if (spec.value.empty()) return app.add_flag(name)->disable_flag_override();
  return app.add_option(name, unused)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

Result<std::variant<Invocation, Information>> parse_command(const CommandSpec& command,
                                                            Words words) {
  const std::vector<OptionSpec> options = options_of(command);
  CLI::App app;
  app.allow_extras();
  app.set_help_flag();
  const CLI::Option* help = app.add_flag("-h,--help");
  std::vector<CLI::Option*> declared;
  std::string unused;
  declared.reserve(options.size());
  for (const OptionSpec& spec : options) declared.push_back(declare(app, spec, unused));
  PGFANOUT_TRY_ASSIGN(std::vector<std::string> tidy, tidy_words(options, words));
  std::reverse(tidy.begin(), tidy.end());  // As CLI11 wants it.
  try {
    app.parse(std::move(tidy));
  } catch (const CLI::ParseError& error) {
    return refused("usage", printable(error.what()));
  }
  if (help->count() > 0)
    return std::variant<Invocation, Information>(Information{command_help(command)});
  Invocation invocation;
  invocation.command = command.name;
  invocation.words = {std::string(command.name)};
  invocation.words.insert(invocation.words.end(), words.begin(), words.end());
  std::vector<std::string> leftovers = app.remaining();
  if (!command.has_job) invocation.bench.benchmark_words = take_benchmark_words(leftovers);
  PGFANOUT_TRY_ASSIGN(const std::string job_file, find_job_file(command, options, leftovers));
  if (!job_file.empty()) PGFANOUT_TRY(apply_job_file(job_file, invocation));
  const std::size_t mappings_from_file = invocation.job.map.size();
  for (std::size_t i = 0; i < options.size(); ++i) {
    PGFANOUT_TRY(apply(options[i], declared[i]->results(), invocation));
  }
  let_later_mappings_win(invocation.job.map, mappings_from_file);
  PGFANOUT_TRY(command.check(invocation));
  return std::variant<Invocation, Information>(std::move(invocation));
}

}  // namespace

Result<std::variant<Invocation, Information>> parse_arguments(Words words) {
  using Parsed = std::variant<Invocation, Information>;
  if (words.empty()) {
    return refused("usage", "name a command: pgfanout plan, run, copy, verify, ...",
                   "'pgfanout --help' explains all; 'pgfanout plan --table NAME' changes nothing");
  }
  const std::string& first = words.front();
  if (first == "--help" || first == "-h" || first == "help") {
    return Parsed(Information{general_help()});
  }
  if (first == "--version" || first == "-V") return Parsed(Information{version_text()});
  const CommandSpec* command = find_command(first);
  if (command != nullptr) return parse_command(*command, words.subspan(1));
  if (first.starts_with('-')) {
    return refused("usage", "the command comes first, its options behind it",
                   "pgfanout plan --table public.chunks");
  }
  return unknown_command(first);
}

bool wants_json(Words words) {
  if (!words.empty() && words.front() == bench_command().name) return false;  // It takes a file.
  if (std::find(words.begin(), words.end(), "--json") != words.end()) return true;
  const auto job_file = std::find_if(words.begin(), words.end(), is_job_file);
  Invocation invocation;
  return job_file != words.end() && apply_job_file(*job_file, invocation) && invocation.json;
}

std::string command_of(Words words) {
  return words.empty() || find_command(words.front()) == nullptr ? std::string() : words.front();
}

}  // namespace pgfanout
