// Issues and errors as text for a person, safe for a terminal. Pure functions.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/job_result.h"

namespace pgfanout {

/// In the order of Severity.
inline constexpr std::array<const char*, 4> kSeverityNames = {"critical", "error", "warning",
                                                              "info"};
/// "CRITICAL", "ERROR", "WARNING" or "INFO".
[[nodiscard]] std::string_view severity_name(Severity severity);
/// " [code]", by which a message is looked up in docs/MESSAGES.md; empty without one.
[[nodiscard]] std::string code_text(std::string_view code);
/// "warning: <message> [code]", then "  where: ..." and "  hint: ..." where there are any. Without
/// the last line feed.
[[nodiscard]] std::string issue_text(const Issue& issue, bool color = false);
/// "error: <message> [code]", "  where: ...", "  hint: ...".
[[nodiscard]] std::string error_text(const Error& error);
/// Issues, worst first, without a repetition of the error itself.
[[nodiscard]] std::vector<Issue> issues_beside_error(const JobResult& result);
/// Their text; empty if there are none.
[[nodiscard]] std::string issues_text(const JobResult& result);
/// The last line of every command: whether a fence refuses writes to the source, and the command
/// that lifts it. A command that did not look says so.
[[nodiscard]] std::string fence_line(const JobResult& result, std::string_view release = {});

}  // namespace pgfanout
