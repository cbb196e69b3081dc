// Text for people: what comes from servers and users made safe for a terminal, and figures made
// readable. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "copier/base/counted.h"

namespace pgfanout {

/// `text` with control characters (C0, DEL, C1), marks that change the direction of writing, and
/// bytes that are no UTF-8 written as \xHH or \u{HHHH}. A line feed is a control character.
[[nodiscard]] std::string printable(std::string_view text);
/// The same for text of several lines: later lines are indented by `indent` blanks, so that none
/// can pass for the program's own.
[[nodiscard]] std::string printable_lines(std::string_view text, std::size_t indent);
/// Columns on a terminal: code points; wide and combining characters are not told apart.
[[nodiscard]] std::size_t columns_of(std::string_view text);

/// "512 B", "586.1 MB": powers of 1000.
[[nodiscard]] std::string bytes_text(double bytes);
/// "0.42 s", "42.1 s", "3:07", "2:03:04".
[[nodiscard]] std::string seconds_text(double seconds);
/// "0:42", "12:07", "2:03:04"; for time that is still running.
[[nodiscard]] std::string clock_text(double seconds);

}  // namespace pgfanout
