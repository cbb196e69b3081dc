#include "copier/cli/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace pgfanout {
namespace {

/// Letters to insert, drop, replace, or swap with their neighbour (optimal string alignment).
std::size_t slips_between(std::string_view left, std::string_view right) {
  std::vector<std::size_t> before;
  std::vector<std::size_t> above(right.size() + 1);
  for (std::size_t i = 0; i <= right.size(); ++i) above[i] = i;
  for (std::size_t row = 1; row <= left.size(); ++row) {
    std::vector<std::size_t> line(right.size() + 1, row);
    for (std::size_t at = 1; at <= right.size(); ++at) {
      const std::size_t differs = left[row - 1] == right[at - 1] ? 0 : 1;
      line[at] = std::min({above[at] + 1, line[at - 1] + 1, above[at - 1] + differs});
      if (row > 1 && at > 1 && left[row - 1] == right[at - 2] && left[row - 2] == right[at - 1]) {
        line[at] = std::min(line[at], before[at - 2] + 1);
      }
    }
    before = std::exchange(above, std::move(line));
  }
  return above.back();
}

}  // namespace

std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> names) {
  constexpr std::size_t longest = 64;  // No name is longer; keeps the cost small.
  if (typed.size() > longest) return {};
  std::string_view best;
  std::size_t fewest = std::max<std::size_t>(2, typed.size() / 3) + 1;
  for (const std::string_view name : names) {
    const bool abbreviates = typed.size() >= 3 && typed != "---" && name.starts_with(typed);
    const std::size_t slips = abbreviates ? 1 : slips_between(typed, name);
    if (slips < fewest && slips < typed.size()) {
      fewest = slips;
      best = name;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view typed, std::span<const std::string_view> names,
                         std::string otherwise) {
  const std::string_view nearest = nearest_name(typed, names);
  return nearest.empty() ? std::move(otherwise) : fmt::format("did you mean {}?", nearest);
}

}  // namespace pgfanout
