// The commands that go on from one that was given: the same job, said in the same words.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "copier/report/text/next_commands.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// `words` parsed without an error; `table` is what they, or the job file, call the source.
/// `result` says at which gate the job waits, and which command status would type next.
[[nodiscard]] NextCommands next_commands_of(std::span<const std::string> words,
                                            std::string_view table, const JobResult& result);

/// As a word of a POSIX shell: unchanged if it needs no quotes.
[[nodiscard]] std::string shell_word(std::string_view word);

}  // namespace pgfanout
