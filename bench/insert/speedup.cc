#include "bench/insert/speedup.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace pgfanout::bench {
namespace {

/// How many of `count` sorted values may be left out at each end, so that the rest spans the median
/// with 95 %: the largest k with P(fewer than k + 1 heads in `count` tosses) <= 2.5 %. Absent: even
/// all values do not span it.
std::optional<std::size_t> values_to_leave_out(std::size_t count) {
  constexpr double kTail = 0.025;
  double term = 1;
  for (std::size_t toss = 0; toss < count; ++toss) term /= 2;
  double tail = 0;
  std::optional<std::size_t> left_out;
  for (std::size_t heads = 0; heads <= count / 2; ++heads) {
    tail += term;
    if (tail > kTail) break;
    left_out = heads;
    term = term * static_cast<double>(count - heads) / static_cast<double>(heads + 1);
  }
  return left_out;
}

}  // namespace

double median_of(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

Speedup speedup_of(std::span<const TimePair> pairs) {
  std::vector<double> slow;
  std::vector<double> fast;
  std::vector<double> ratios;
  for (const TimePair& pair : pairs) {
    slow.push_back(pair.slow_seconds);
    fast.push_back(pair.fast_seconds);
    ratios.push_back(pair.slow_seconds / pair.fast_seconds);
  }
  std::ranges::sort(ratios);
  const auto left_out = values_to_leave_out(ratios.size());
  const std::size_t end = left_out.value_or(0);
  Speedup speedup;
  speedup.slow_seconds = median_of(slow);
  speedup.fast_seconds = median_of(fast);
  speedup.ratio = speedup.slow_seconds / speedup.fast_seconds;
  speedup.low = std::min(speedup.ratio, ratios[end]);
  speedup.high = std::max(speedup.ratio, ratios[ratios.size() - 1 - end]);
  speedup.pairs = ratios.size();
  speedup.has_confidence = left_out.has_value();
  return speedup;
}

Decision decide(const Speedup& speedup) {
  if (!speedup.has_confidence) return Decision::not_decided;
  if (speedup.low > kWantedSpeedup) return Decision::yes;
  if (speedup.high < kWantedSpeedup) return Decision::no;
  return Decision::not_decided;
}

std::string_view to_string(Decision decision) {
  if (decision == Decision::not_decided) return "not decided";
  return decision == Decision::yes ? "yes" : "no";
}

std::string sentence_of(const Speedup& speedup) {
  std::string text = fmt::format("{}: {:.2f} times as fast, {:.2f} to {:.2f} in {} pair{}",
                                 to_string(decide(speedup)), speedup.ratio, speedup.low,
                                 speedup.high, speedup.pairs, speedup.pairs == 1 ? "" : "s");
  if (!speedup.has_confidence) text += " (fewer than 6 decide nothing)";
  return text;
}

}  // namespace pgfanout::bench
