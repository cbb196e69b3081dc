// Text for people: text of servers and users made safe for a terminal, and figures made readable.
// Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "copier/base/counted.h"
#include "copier/base/utf8.h"

namespace pgfanout {

/// printable() for text of several lines: later lines are indented by `indent` blanks, so that none
/// can pass for the program's own. Quoted SQL names in it are shown as U&"..." where needed.
[[nodiscard]] std::string printable_lines(std::string_view text, std::size_t indent);
/// Columns on a terminal: code points; wide and combining characters are not told apart.
[[nodiscard]] std::size_t columns_of(std::string_view text);

/// Rounded; 0 for negative numbers and NaN.
[[nodiscard]] std::uint64_t whole_number(double number);
/// amount_of_bytes() of a rate or a mean: "512 B", "586.1 MB".
[[nodiscard]] std::string bytes_text(double bytes);
/// "12,345 rows/s, 1.2 MB/s".
[[nodiscard]] std::string rates_text(double rows_per_second, double bytes_per_second);
/// "0.42 s", "42.1 s", "3:07", "2:03:04".
[[nodiscard]] std::string seconds_text(double seconds);
/// "0:42", "12:07", "2:03:04"; for time that is still running.
[[nodiscard]] std::string clock_text(double seconds);

}  // namespace pgfanout
