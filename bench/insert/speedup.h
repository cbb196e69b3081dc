// Decides whether one way is faster than another by more than a tenth, from times taken in pairs.
// Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pgfanout::bench {

/// The speed-up that is asked for: "more than 10 % faster".
inline constexpr double kWantedSpeedup = 1.10;

/// Times of both ways, in seconds, taken one right after the other.
struct TimePair {
  double slow_seconds = 0;  ///< Of the way that is to be replaced.
  double fast_seconds = 0;
};

enum class Decision : std::uint8_t {
  yes,          ///< The whole spread is above kWantedSpeedup.
  no,           ///< The whole spread is below.
  not_decided,  ///< The spread covers it, or there are too few pairs for a spread.
};

struct Speedup {
  double ratio = 0;  ///< Median of slow_seconds over median of fast_seconds.
  /// The spread: between these lies the median of the pairs' ratios with at least 95 % confidence,
  /// whatever their distribution (the sign test's interval), and `ratio` itself. With fewer than 6
  /// pairs it is their range, and decides nothing.
  double low = 0;
  double high = 0;
  std::size_t pairs = 0;
  bool has_confidence = false;
  double slow_seconds = 0;  ///< Median.
  double fast_seconds = 0;
};

/// Of at least one pair; all times are above 0.
[[nodiscard]] Speedup speedup_of(std::span<const TimePair> pairs);

[[nodiscard]] Decision decide(const Speedup& speedup);
[[nodiscard]] std::string_view to_string(Decision decision);

/// "no: 1.04 times as fast, 0.99 to 1.08 in 9 pairs".
[[nodiscard]] std::string sentence_of(const Speedup& speedup);

/// The middle value, or the mean of the two in the middle. Of at least one value.
[[nodiscard]] double median_of(std::span<const double> values);

}  // namespace pgfanout::bench
