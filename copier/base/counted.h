// Counts as people write them. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgfanout {

/// "1,234,567".
[[nodiscard]] inline std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}
/// "1 row differs", "1,234 rows differ": the number, and the words that go with it.
[[nodiscard]] inline std::string counted(std::uint64_t number, std::string_view one,
                                         std::string_view many) {
  return with_commas(number) + " " + std::string(number == 1 ? one : many);
}
/// "1 row", "1,234 rows".
[[nodiscard]] inline std::string rows_text(std::uint64_t rows) {
  return counted(rows, "row", "rows");
}

}  // namespace pgfanout
