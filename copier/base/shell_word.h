// Words of commands that are printed, so that they can be pasted.
#pragma once

#include <string>
#include <string_view>

namespace pgfanout {

/// As a word of a shell: unchanged if it needs no quotes. With bytes that output cannot show as
/// they are (newlines, other controls, what is no UTF-8) as $'...', which bash, ksh and zsh know.
[[nodiscard]] std::string shell_word(std::string_view word);

}  // namespace pgfanout
