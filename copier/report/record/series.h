// Rates from a recorded series: a counter's growth over equal pieces of the job's time. Pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "copier/report/record/recorder.h"

namespace pgfanout {

using Counter = std::uint64_t Figures::*;

/// About one a second, from 8 to 120.
[[nodiscard]] std::size_t piece_count(double seconds);
/// Growth a second in each of `pieces`. Growth between two points is spread evenly over the time
/// between them; a counter that went back was reset.
[[nodiscard]] std::vector<double> rates_of(const RecordedJob& job, Counter counter,
                                           std::size_t pieces);
/// All that it has grown.
[[nodiscard]] double total_of(const RecordedJob& job, Counter counter);

}  // namespace pgfanout
