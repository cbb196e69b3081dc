// Counts as people write them. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgfanout {

/// "1,234,567".
[[nodiscard]] std::string with_commas(std::uint64_t number);
/// "1 row differs", "1,234 rows differ": the number, and the words that go with it.
[[nodiscard]] std::string counted(std::uint64_t number, std::string_view one,
                                  std::string_view many);
/// "1 row", "1,234 rows".
[[nodiscard]] std::string rows_text(std::uint64_t rows);

}  // namespace pgfanout
