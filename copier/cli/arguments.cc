#include "copier/cli/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "copier/base/shell_word.h"
#include "copier/cli/commands.h"
#include "copier/cli/job_file.h"
#include "copier/cli/options.h"
#include "copier/cli/values.h"
#include "copier/layout/layout.h"
#include "copier/pg/connection.h"
#include "copier/report/text/text.h"
#include "copier/report/text/tool_version.h"

namespace pgfanout {
namespace {

using Words = std::span<const std::string>;

/// The words of a command line: the values of each option, in the order of the command's options,
/// and the words that belong to none.
struct SplitWords {
  std::vector<std::vector<std::string>> values;  ///< A flag has an empty value each time.
  std::vector<std::string> others;
  bool wants_help = false;
};

/// Takes "--name value", "--name=value" and flags; "--" ends the options. Refuses an option that is
/// followed by another one instead of its value ("--value=--x" is a value with dashes). Messages
/// never quote a value, which may be a password.
Result<SplitWords> split_words(std::span<const OptionSpec> options, Words words) {
  SplitWords split;
  split.values.resize(options.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      split.others.insert(split.others.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                          words.end());
      break;
    }
    const std::size_t equals = word.find('=');
    const OptionSpec* option = find_option(options, word.substr(0, equals));
    if (word == "-h" || word == "--help") {
      split.wants_help = true;
    } else if (option == nullptr) {
      split.others.push_back(word);
    } else {
      auto& values = split.values[static_cast<std::size_t>(option - options.data())];
      if (option->value.empty()) {
        if (equals != word.npos)
          return refused("usage", fmt::format("{} takes no value", option->name));
        values.emplace_back();
      } else if (equals != word.npos) {
        values.push_back(word.substr(equals + 1));
      } else if (i + 1 == words.size() || words[i + 1].starts_with("--")) {
        return refused("usage", fmt::format("{} needs a value: {}", option->name, option->value));
      } else {
        values.push_back(words[++i]);
      }
    }
  }
  return split;
}

/// "plan, run": the commands of which it is an own option.
std::string commands_with(std::string_view name) {
  std::vector<std::string_view> names;
  for (const CommandSpec& command : commands()) {
    if (find_option(own_options(command.name), name) != nullptr) names.push_back(command.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

/// Quotes only the name, since a value may be a secret ("-pSECRET", "--password=SECRET").
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

/// The refusal of a word that belongs to no option. Does not quote it: it may be a connection
/// string.
Error stray_word(const CommandSpec& command, bool has_job_file) {
  const std::string_view quotes =
      "values that contain blanks need quotes: --source 'host=db1 dbname=app'";
  return refused(
      "usage", fmt::format("a word on the command line belongs to no option of {}", command.name),
      has_job_file ? "one job file is enough, and values that contain blanks need quotes"
                   : fmt::format("{}{}", quotes,
                                 command.has_job ? "; the name of a job file ends in .toml" : ""));
}

/// Only a word that cannot be a connection string, which may end in ".toml" too.
bool is_job_file(const std::string& word) {
  return word.ends_with(".toml") && word.find("://") == std::string::npos &&
         word.find('=') == std::string::npos;
}

/// Removes the words for Google Benchmark, and returns them.
std::vector<std::string> take_benchmark_words(std::vector<std::string>& others) {
  const auto rest = std::stable_partition(
      others.begin(), others.end(),
      [](const std::string& word) { return !word.starts_with("--benchmark_"); });
  std::vector<std::string> words(rest, others.end());
  others.erase(rest, others.end());
  return words;
}

/// The job file among the words that belong to no option; empty: none.
Result<std::string> find_job_file(const CommandSpec& command, std::span<const OptionSpec> options,
                                  const std::vector<std::string>& others) {
  std::string job_file;
  for (const std::string& word : others) {
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

/// Options that exclude each other by the layout that they ask for.
Result<void> check_layout(const TableRequest& job) {
  const LayoutRequest& layout = job.layout;
  const auto excluded = [&](std::string_view option, std::string_view reason,
                            std::string_view hint) {
    return refused("usage", fmt::format("{} {}", option, reason), std::string(hint), layout.by);
  };
  if (!layout.by.empty()) {
    constexpr std::string_view kReason =
        "is about LIST by a key, and excludes --partition-by, which names columns";
    constexpr std::string_view kHint = "leave one of them out";
    if (!job.key.empty()) return excluded("--key", kReason, kHint);
    if (job.key_mode) return excluded("--key-mode", kReason, kHint);
    if (!job.key_column.empty()) return excluded("--key-column", kReason, kHint);
  }
  PGFANOUT_TRY_ASSIGN(const PartitionBy by, layout.by.empty() ? Result<PartitionBy>(PartitionBy{})
                                                              : parse_partition_by(layout.by));
  if (job.partitions && !layout.by.empty() && by.strategy != 'h') {
    return excluded("--partitions", "is the number of leaves by HASH or by a key",
                    by.strategy == 'r' ? "leave it out; --interval says how wide a leaf is"
                    : by.strategy == 'l'
                        ? "leave it out: the table's rows say which leaves there are"
                        : "leave it out: a plain table has none");
  }
  if (by.strategy == 'r') return {};
  constexpr std::string_view kRange = "is for leaves by RANGE";
  constexpr std::string_view kUseRange = "leave it out, or write --partition-by 'RANGE (column)'";
  if (!layout.interval.empty()) return excluded("--interval", kRange, kUseRange);
  if (!layout.from.empty()) return excluded("--from", kRange, kUseRange);
  if (layout.ahead > 0) return excluded("--ahead", kRange, kUseRange);
  // LIST by a column may have a leaf for values that no other one takes.
  if (layout.default_partition && by.strategy != 'l') {
    return excluded("--default-partition", "is for leaves by RANGE, and by LIST of a column",
                    kUseRange);
  }
  return {};
}

Result<std::variant<Invocation, Information>> parse_command(const CommandSpec& command,
                                                            Words words) {
  const std::vector<OptionSpec> options = options_of(command.name);
  PGFANOUT_TRY_ASSIGN(SplitWords split, split_words(options, words));
  if (split.wants_help)
    return std::variant<Invocation, Information>(Information{command_help(command)});
  Invocation invocation;
  invocation.command = command.name;
  invocation.words = {std::string(command.name)};
  invocation.words.insert(invocation.words.end(), words.begin(), words.end());
  if (!command.has_job) invocation.bench.benchmark_words = take_benchmark_words(split.others);
  PGFANOUT_TRY_ASSIGN(const std::string job_file, find_job_file(command, options, split.others));
  if (!job_file.empty()) PGFANOUT_TRY(apply_job_file(job_file, invocation));
  const std::size_t mappings_from_file = invocation.job.map.size();
  for (std::size_t i = 0; i < options.size(); ++i) {
    PGFANOUT_TRY(apply(options[i], split.values[i], invocation));
  }
  let_later_mappings_win(invocation.job.map, mappings_from_file);
  PGFANOUT_TRY(check_layout(invocation.job));
  PGFANOUT_TRY(command.check(invocation));
  return std::variant<Invocation, Information>(std::move(invocation));
}

/// Options meant for one call alone.
constexpr std::array<std::string_view, 6> kOfOneCall = {
    "--restart", "--confirm", "--release", "--force", "--keep-new-rows", "--save-new-rows"};

/// Whether an option of this call belongs into another command on the same job. After run, the
/// journal has the settings of the job; a report or log of this call is not another call's.
bool matters_to(std::string_view command, const OptionSpec& option) {
  if (option.group == "Tables") return true;
  if (option.group == "Output" || option.group == "Reports") return false;
  if (command == "swap") return option.group == "Swap" || option.name == "--retention-days";
  constexpr std::array<std::string_view, 3> kByJournal = {"rollback", "cleanup", "status"};
  return std::ranges::find(kByJournal, command) == kByJournal.end() &&
         std::ranges::find(kOfOneCall, option.name) == kOfOneCall.end();
}

/// An option with its value, or another word; as given.
struct Part {
  std::string_view option;  ///< Its name; empty for another word.
  Words words;
};

std::vector<Part> parts_of(std::span<const OptionSpec> options, Words words) {
  std::vector<Part> parts;
  for (std::size_t at = 0; at < words.size();) {
    const std::string& word = words[at];
    const OptionSpec* option = find_option(options, word.substr(0, word.find('=')));
    const bool is_apart = option != nullptr && !option->value.empty() && option->name == word;
    const std::size_t count = is_apart && at + 1 < words.size() ? 2 : 1;
    parts.push_back(
        {option != nullptr ? option->name : std::string_view(), words.subspan(at, count)});
    at += count;
  }
  return parts;
}

std::string with_words(std::string line, Words words) {
  for (const std::string& word : words) line += " " + shell_word(word);
  return line;
}

/// Another command on the same job, with the options that matter to it, or to `as_for`.
std::string other_command(std::string_view name, const std::vector<Part>& parts,
                          std::string_view as_for = {}) {
  if (find_command(name) == nullptr) return {};
  const std::vector<OptionSpec> options = options_of(name);
  std::string line = "pgfanout " + std::string(name);
  for (const Part& part : parts) {
    const OptionSpec* option = find_option(options, part.option);
    if (part.option.empty() ||
        (option != nullptr && matters_to(as_for.empty() ? name : as_for, *option)))
      line = with_words(std::move(line), part.words);
  }
  return line;
}

/// "pgfanout swap" or "pgfanout run --confirm verify" made complete; empty if it is no command.
std::string completed(std::string_view bare, const std::vector<Part>& parts) {
  constexpr std::string_view prefix = "pgfanout ";
  if (!bare.starts_with(prefix)) return {};
  bare.remove_prefix(prefix.size());
  const std::size_t end = std::min(bare.find(' '), bare.size());
  std::string line = other_command(bare.substr(0, end), parts);
  if (!line.empty()) line += bare.substr(end);
  return line;
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
    const bool wants_options = words.size() == 2 && words[1] == "options";
    return Parsed(Information{wants_options ? options_page() : general_help()});
  }
  if (first == "--version" || first == "-V") {
    return Parsed(Information{version_page(libpq_version())});
  }
  const CommandSpec* command = find_command(first);
  if (command != nullptr) return parse_command(*command, words.subspan(1));
  if (first.starts_with('-')) {
    return refused("usage", "the command comes first, then its options",
                   "pgfanout plan --table public.chunks");
  }
  return unknown_command(first);
}

bool wants_json(Words words) {
  if (!words.empty() && words.front() == "bench") return false;  // It takes a file.
  if (std::find(words.begin(), words.end(), "--json") != words.end()) return true;
  const auto job_file = std::find_if(words.begin(), words.end(), is_job_file);
  Invocation invocation;
  return job_file != words.end() && apply_job_file(*job_file, invocation) && invocation.json;
}

std::string command_of(Words words) {
  return words.empty() || find_command(words.front()) == nullptr ? std::string() : words.front();
}

NextCommands next_commands_of(Words words, std::string_view table, const JobResult& result) {
  NextCommands next;
  const CommandSpec* command = words.empty() ? nullptr : find_command(words.front());
  if (command == nullptr) return next;
  const std::vector<Part> parts = parts_of(options_of(command->name), words.subspan(1));
  next.table = table;
  if (const JobStatus* status = job_status_of(result)) {
    next.by_status = completed(status->next, parts);
  }
  next.again = with_words("pgfanout", words);
  next.run = other_command("run", parts);
  next.copy = other_command("copy", parts);
  next.swap = other_command("swap", parts);
  next.rollback = other_command("rollback", parts);
  next.cleanup = other_command("cleanup", parts);
  next.release =
      other_command(command->name == "copy" ? "copy" : "run", parts, "rollback") + " --release";
  if (result.waiting_at.empty()) return next;
  next.confirm = "pgfanout " + words.front();
  for (const Part& part : parts) {
    // The journal has earlier confirmations, and --restart would start over.
    if (part.option == "--confirm" || part.option == "--restart") continue;
    next.confirm = with_words(std::move(next.confirm), part.words);
  }
  next.confirm += " --confirm " + shell_word(result.waiting_at);
  return next;
}

}  // namespace pgfanout
