// The options of all commands, and the settings of job files: one table, so that parsing, job
// files, hints, help and reports always speak of the same options.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "copier/cli/invocation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The form of a setting in a job file.
enum class JobValue : std::uint8_t {
  text,            ///< A string.
  number,          ///< An integer.
  number_or_text,  ///< An integer, or a string such as "auto", "64MB" or "5s".
  flag,            ///< true: as if the option were given.
  inverted_flag,   ///< false: as if the option were given.
  list,            ///< Strings, each as if the option were given once.
  own_reader,      ///< Table or list that job_file.cc reads.
};

struct OptionSpec {
  std::string_view
      commands;            ///< "plan run": those that have it; empty: all but bench; "file": none.
  std::string_view group;  ///< Heading in the help.
  std::string_view name;   ///< With its two dashes; empty: a setting of job files only.
  std::string_view value;  ///< Name of the value in the help; empty: a flag.
  std::string_view help;   ///< Ends with "Default: ..." if there is one.
  /// Applies the value, which is empty for a flag. The error lacks the option's name.
  Result<void> (*apply)(std::string_view value, Invocation& to) = nullptr;
  std::string_view job_key = {};  ///< In a job file, "limits.memory"; empty: command line only.
  JobValue job_value = JobValue::text;
  bool is_repeatable = false;
};

/// Options that only this command has.
[[nodiscard]] std::vector<OptionSpec> own_options(std::string_view command);
/// Options of every command that works on a job.
[[nodiscard]] std::vector<OptionSpec> job_options();
/// All options that the command has, its own first.
[[nodiscard]] std::vector<OptionSpec> options_of(std::string_view command);
/// All settings of job files; those that are no option have no name.
[[nodiscard]] std::vector<OptionSpec> job_file_settings();
/// Null if there is none of that name.
[[nodiscard]] const OptionSpec* find_option(std::span<const OptionSpec> options,
                                            std::string_view name);

}  // namespace pgfanout
