// Lines that the summaries of several commands share. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pgfanout/job_result.h"

namespace pgfanout {

/// The table's name, safe for a terminal.
[[nodiscard]] std::string table_name(const std::optional<TableSummary>& table,
                                     std::string_view otherwise);
/// "match: ...", "differs: ...", "unproven: ..." or "dry run: ...".
[[nodiscard]] std::string verdict_line(const JobResult& result);
/// The consequence of an error, in words for a person.
[[nodiscard]] std::string_view consequence_line(Consequence consequence);
/// "  name         value".
[[nodiscard]] std::string figure(std::string_view name, std::string_view value);
/// The same with a command that a person may copy.
[[nodiscard]] std::string command_figure(std::string_view name, const std::string& command);
/// How rows spread over leaves; there must be some.
[[nodiscard]] std::string leaves_text(const ReadResult& read);
[[nodiscard]] std::string stages_text(const JobResult& result);
/// The digest is known once a side was read to its end.
[[nodiscard]] std::string side_text(const TableSummary& side);
/// Issues are reported when they are found; this line only counts them.
[[nodiscard]] std::string issues_line(const JobResult& result);

}  // namespace pgfanout
