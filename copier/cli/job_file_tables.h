// The parts of a job file that are no single option: [map], [gates], [views], [[queries]],
// [thresholds] and [hooks].
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "copier/cli/invocation.h"
#include "copier/cli/toml_tree.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct JobFileTable {
  std::string_view name;
  /// Takes the member of that name over; errors name `file` and a position in it.
  Result<void> (*read)(const TomlMember& member, std::string_view file, Invocation& to);
};

/// Empty if there is none of that name.
[[nodiscard]] const JobFileTable* find_job_file_table(std::string_view name);
[[nodiscard]] std::span<const JobFileTable> job_file_tables();

/// The name as it may be shown: one that is no plain word could be anything, a password too.
[[nodiscard]] std::string shown_name(std::string_view name);

}  // namespace pgfanout
