#include "copier/base/counted.h"

namespace pgfanout {

std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string counted(std::uint64_t number, std::string_view one, std::string_view many) {
  return with_commas(number) + " " + std::string(number == 1 ? one : many);
}

std::string rows_text(std::uint64_t rows) {
  return counted(rows, "row", "rows");
}

}  // namespace pgfanout
