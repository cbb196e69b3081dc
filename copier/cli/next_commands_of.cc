#include "copier/cli/next_commands_of.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "copier/cli/commands.h"

namespace pgfanout {
namespace {

using Words = std::span<const std::string>;

/// Options that say nothing about which job it is, or were meant for one command alone: with the
/// same file another command would write over this one's report.
constexpr std::array<std::string_view, 10> passing = {
    "--dry-run", "--json",    "--progress", "--yes",           "--restart",
    "--confirm", "--release", "--force",    "--keep-new-rows", "--report"};

/// An option with its value, or another word; as given.
struct Part {
  std::string_view option;  ///< Its name; empty for another word.
  Words words;
};

const OptionSpec* find_option(std::span<const OptionSpec> options, std::string_view name) {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const OptionSpec& each) { return each.name == name; });
  return found == options.end() ? nullptr : &*found;
}

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

bool is_passing(std::string_view option) {
  return std::find(passing.begin(), passing.end(), option) != passing.end();
}

/// Another command on the same job: with the options that it has, too.
std::string other_command(std::string_view name, const std::vector<Part>& parts) {
  const CommandSpec* command = find_command(name);
  if (command == nullptr) return {};
  const std::vector<OptionSpec> options = options_of(*command);
  std::string line = "pgfanout " + std::string(name);
  for (const Part& part : parts) {
    const bool is_known = part.option.empty() || find_option(options, part.option) != nullptr;
    if (is_known && !is_passing(part.option)) line = with_words(std::move(line), part.words);
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

NextCommands next_commands_of(Words words, std::string_view table, const JobResult& result) {
  NextCommands next;
  const CommandSpec* command = words.empty() ? nullptr : find_command(words.front());
  if (command == nullptr) return next;
  const std::vector<Part> parts = parts_of(options_of(*command), words.subspan(1));
  next.table = table;
  if (const JobStatus* status = job_status_of(result)) {
    next.standing = completed(status->next, parts);
  }
  next.again = with_words("pgfanout", words);
  next.run = other_command("run", parts);
  next.swap = other_command("swap", parts);
  next.rollback = other_command("rollback", parts);
  next.cleanup = other_command("cleanup", parts);
  next.release = other_command(command->name == "copy" ? "copy" : "run", parts) + " --release";
  if (result.waiting_at.empty()) return next;
  next.confirm = "pgfanout " + words.front();
  for (const Part& part : parts) {
    // What was confirmed before is journaled, and --restart would begin anew.
    if (part.option == "--confirm" || part.option == "--restart") continue;
    next.confirm = with_words(std::move(next.confirm), part.words);
  }
  next.confirm += " --confirm " + shell_word(result.waiting_at);
  return next;
}

std::string shell_word(std::string_view word) {
  const bool is_plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./:=@%+,").find(c) != std::string_view::npos;
  });
  if (is_plain) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace pgfanout
