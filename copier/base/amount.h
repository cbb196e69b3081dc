// Figures for people, as messages of a plan need them. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pgfanout {

/// "512 B", "586.1 MB": powers of 1000.
[[nodiscard]] std::string amount_of_bytes(std::uint64_t bytes);
/// "42 s", "3 min 7 s", "2 h 3 min".
[[nodiscard]] std::string amount_of_time(std::int64_t seconds);
/// "a, b, c and 4 more": the first `shown` of them.
[[nodiscard]] std::string some_of(const std::vector<std::string>& names, std::size_t shown = 3);

}  // namespace pgfanout
