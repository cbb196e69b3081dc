// Rates from counters that were looked at now and then.
#include "copier/report/record/series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace pgfanout {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

RecordedJob job_of(double seconds, const std::vector<std::pair<double, std::uint64_t>>& rows) {
  RecordedJob job;
  job.seconds = seconds;
  for (const auto& [at, count] : rows) {
    RecordedPoint point;
    point.at = at;
    point.figures.rows_read = count;
    job.points.push_back(point);
  }
  return job;
}

TEST(Series, GrowthIsSpreadOverItsTime) {
  const RecordedJob job = job_of(4, {{0, 0}, {2, 200}, {4, 200}});
  EXPECT_THAT(rates_of(job, &Figures::rows_read, 4), ElementsAre(100, 100, 0, 0));
  EXPECT_EQ(total_of(job, &Figures::rows_read), 200);
}

TEST(Series, NothingIsLostBetweenPieces) {
  const RecordedJob job = job_of(10, {{0.1, 0}, {1.7, 90}, {3.33, 1000}, {9.9, 1234}, {10, 2000}});
  for (const std::size_t pieces : {1U, 3U, 7U, 120U}) {
    const auto rates = rates_of(job, &Figures::rows_read, pieces);
    const double all =
        std::accumulate(rates.begin(), rates.end(), 0.0) * 10 / static_cast<double>(pieces);
    EXPECT_THAT(all, DoubleNear(2000, 1e-6)) << pieces;
  }
}

TEST(Series, ACounterThatWentBackBeganAnew) {
  const RecordedJob job = job_of(3, {{0, 0}, {1, 100}, {2, 30}, {3, 30}});
  EXPECT_EQ(total_of(job, &Figures::rows_read), 130);
  EXPECT_THAT(rates_of(job, &Figures::rows_read, 3), ElementsAre(100, 30, 0));
}

TEST(Series, AJumpAtOneMomentCounts) {
  const RecordedJob job = job_of(2, {{0, 0}, {1, 0}, {1, 50}, {2, 50}});
  const auto rates = rates_of(job, &Figures::rows_read, 2);
  EXPECT_THAT(rates[0] + rates[1], DoubleNear(50, 1e-6));
}

TEST(Series, NoTimeAndNoPointsAreNoRates) {
  EXPECT_THAT(rates_of(job_of(0, {{0, 0}, {0, 5}}), &Figures::rows_read, 2), ElementsAre(0, 0));
  EXPECT_THAT(rates_of(job_of(5, {}), &Figures::rows_read, 2), ElementsAre(0, 0));
  EXPECT_THAT(rates_of(job_of(5, {}), &Figures::rows_read, 0), ElementsAre());
}

TEST(Series, AboutAPieceASecond) {
  EXPECT_EQ(piece_count(0.4), 8U);
  EXPECT_EQ(piece_count(59.5), 60U);
  EXPECT_EQ(piece_count(100'000), 120U);
}

}  // namespace
}  // namespace pgfanout
