// What an option is: its name, its help and what its value does. Every option of every command is
// one row of a table, so that parsing, job files, hints and help always speak of the same options.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "copier/cli/invocation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// What a job file says for an option.
enum class JobValue : std::uint8_t {
  text,            ///< A string.
  number,          ///< An integer.
  number_or_text,  ///< An integer, or a string such as "auto", "64MB" or "5s".
  flag,            ///< true: as if the option were given; false: as if not.
  inverted_flag,   ///< false: as if the option were given.
  list,            ///< Strings, each as if the option were given once.
  own_reader,      ///< Table or list that job_file.cc reads.
};

struct OptionSpec {
  std::string_view group;  ///< Heading in the help.
  std::string_view name;   ///< With its two dashes.
  std::string_view value;  ///< What the help calls the value; empty: a flag.
  std::string_view help;
  bool is_repeatable = false;
  /// Takes the value (empty for a flag) over. Its error lacks the option's name.
  Result<void> (*apply)(std::string_view value, Invocation& invocation) = nullptr;
  std::string_view job_key = {};  ///< In a job file, "limits.memory"; empty: command line only.
  JobValue job_value = JobValue::text;
};

using OptionTable = std::span<const OptionSpec>;

/// Options of every command that works on a job: what, where, key, resources, output.
[[nodiscard]] OptionTable job_options();
/// Options of the status command alone.
[[nodiscard]] OptionTable status_options();
/// Options of the key command alone.
[[nodiscard]] OptionTable key_options();
[[nodiscard]] OptionTable verify_options();
/// All options of the bench command, which works on no job.
[[nodiscard]] OptionTable bench_options();
/// Options of the commands of a maintenance window, each alone.
[[nodiscard]] OptionTable plan_options();
[[nodiscard]] OptionTable copy_options();
[[nodiscard]] OptionTable run_options();
[[nodiscard]] OptionTable swap_options();
[[nodiscard]] OptionTable rollback_options();
[[nodiscard]] OptionTable cleanup_options();
/// Settings that only a job file has; their names are empty.
[[nodiscard]] OptionTable job_file_options();

}  // namespace pgfanout
