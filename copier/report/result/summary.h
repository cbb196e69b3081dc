// The text at the end of a command, for a person: the verdict first, then figures and the next
// commands. Pure functions; every line ends in a line feed, and text from servers is made safe for
// a terminal.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "copier/report/record/figures.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// Commands that a person may run next: complete, quoted for a shell, in the words of the command
/// line that was given.
struct NextCommands {
  std::string again;    ///< The same command.
  std::string confirm;  ///< The same, past the gate at which the job waits; empty: none.
  std::string run;
  std::string swap;
  std::string rollback;
  std::string cleanup;
  std::string release;    ///< Lifts the fence.
  std::string by_status;  ///< The next command by status; empty: none.
  std::string table;      ///< The source, in the words of its user.
  std::string copy = {};
};

/// Of any command but key, by result.command. Issues were printed when they were found, and are
/// only counted, but for plan, which names all of them.
[[nodiscard]] std::string summary_of(const JobResult& result, const Resources& used,
                                     const NextCommands& next = {});
/// The answers of key: one line each.
[[nodiscard]] std::string key_summary(const std::vector<std::string>& values, std::uint64_t seed,
                                      const KeyResult& key);

/// "match: ...", "differs: ...", "rows equal: ...", "swapped: ..." and so on: the first line, of a
/// command that ran to its end. It says "differs" of rows only.
[[nodiscard]] std::string outcome_line(const JobResult& result, const NextCommands& next);
/// Whether the rows of both sides were read and are equal, whatever else was found.
[[nodiscard]] bool has_equal_rows(const JobResult& result);
/// How rows spread over leaves; there must be some.
[[nodiscard]] std::string leaves_text(const ReadResult& read);
/// Whether the plan ran to its end: go, or no-go for reasons that it found.
[[nodiscard]] bool plan_has_answer(const JobResult& result);
/// Commands that a person may run next: the purpose of each, and the command.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> next_steps(const JobResult& result,
                                                                          const NextCommands& next);

/// The part of a result, or an empty one.
template <class Part>
const Part& or_empty(const Part* part) {
  static const Part empty;
  return part == nullptr ? empty : *part;
}

}  // namespace pgfanout
