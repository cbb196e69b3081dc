// Thresholds, speed, deadline and waits in words. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "pgfanout/watch.h"

namespace pgfanout {

/// "83 %", "1.2 s", "5.0 GB", "0.5/min".
[[nodiscard]] std::string measure_text(Measure measure, double value);
/// "full speed", "slowed down", "paused".
[[nodiscard]] std::string speed_text(Speed speed);
/// "threshold: cpu is at 91 %, beyond its limit of 80 %: slow", and how it ended.
[[nodiscard]] std::string threshold_line(const ThresholdState& threshold);
/// "deadline 04:00: makes it; 0:31 to 0:45 are left to do".
[[nodiscard]] std::string deadline_line(const DeadlineState& deadline);
/// "IO/DataFileRead 2, cpu 1": the most frequent `most` of a side.
[[nodiscard]] std::string waits_text(const std::vector<WaitCount>& waits, const std::string& side,
                                     std::size_t most);

}  // namespace pgfanout
