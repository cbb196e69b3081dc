// The commands that go on from one that was given: the same job, said in the same words.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "copier/report/next_commands.h"

namespace pgfanout {

/// `words` parsed without an error. `waiting_at` is the stage at whose gate the job waits, or
/// empty.
[[nodiscard]] NextCommands next_commands_of(std::span<const std::string> words,
                                            std::string_view waiting_at);

/// As a word of a POSIX shell: unchanged if it needs no quotes.
[[nodiscard]] std::string shell_word(std::string_view word);

}  // namespace pgfanout
