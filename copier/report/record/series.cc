#include "copier/report/record/series.h"

#include <algorithm>
#include <cmath>

namespace pgfanout {
namespace {

double growth(const RecordedPoint& from, const RecordedPoint& to, Counter counter) {
  const std::uint64_t before = from.figures.*counter;
  const std::uint64_t after = to.figures.*counter;
  return static_cast<double>(after >= before ? after - before : after);
}

}  // namespace

std::size_t piece_count(double seconds) {
  return static_cast<std::size_t>(std::clamp(std::ceil(seconds), 8.0, 120.0));
}

std::vector<double> rates_of(const RecordedJob& job, Counter counter, std::size_t pieces) {
  std::vector<double> rates(pieces, 0.0);
  if (pieces == 0 || !(job.seconds > 0)) return rates;
  const double each = job.seconds / static_cast<double>(pieces);
  for (std::size_t at = 1; at < job.points.size(); ++at) {
    const RecordedPoint& from = job.points[at - 1];
    const RecordedPoint& to = job.points[at];
    const double grown = growth(from, to, counter);
    if (!(grown > 0)) continue;
    const double length = std::max(to.at - from.at, 1e-9);
    const auto piece_at = [&](double moment) {
      return std::min(static_cast<std::size_t>(std::max(moment, 0.0) / each), pieces - 1);
    };
    for (std::size_t piece = piece_at(from.at); piece <= piece_at(to.at); ++piece) {
      const double begins = static_cast<double>(piece) * each;
      // Behind the last piece there is none to take what is left.
      const double ends = piece + 1 == pieces ? std::max(to.at, job.seconds) : begins + each;
      const double common = std::min(to.at, ends) - std::max(from.at, begins);
      const double share = length <= 1e-9 ? 1.0 : std::clamp(common / length, 0.0, 1.0);
      rates[piece] += grown * share / each;
    }
  }
  return rates;
}

double total_of(const RecordedJob& job, Counter counter) {
  double total = 0;
  for (std::size_t at = 1; at < job.points.size(); ++at) {
    total += growth(job.points[at - 1], job.points[at], counter);
  }
  return total;
}

}  // namespace pgfanout
