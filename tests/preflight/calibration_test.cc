#include "copier/preflight/calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace pgfanout {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

Workload workload() {
  Workload work;
  work.row_bytes = 1'000'000'000;
  work.indexes = {{"btree", 100'000'000}, {"btree", 50'000'000}};
  work.foreign_keys = 1;
  work.leaves = 100;
  work.objects = 700;
  work.readers = 2;
  work.index_jobs = 2;
  work.bytes_per_second = 100'000'000;
  return work;
}

std::map<std::string, StageEstimate> by_stage(const Workload& work) {
  std::map<std::string, StageEstimate> estimates;
  for (const StageEstimate& estimate : estimate_stages(work)) {
    EXPECT_TRUE(estimates.emplace(estimate.stage, estimate).second) << estimate.stage;
    EXPECT_FALSE(estimate.basis.empty()) << estimate.stage;
    EXPECT_GT(estimate.seconds, 0) << estimate.stage;
  }
  return estimates;
}

TEST(CalibrationTest, EveryStageHasAnEstimateAndSaysWhatItRestsOn) {
  auto estimates = by_stage(workload());
  for (const char* stage :
       {"prepare", "copy", "index", "constraints", "analyze", "verify", "swap"}) {
    EXPECT_EQ(estimates.count(stage), 1U) << stage;
  }
  EXPECT_EQ(estimates.size(), 7U);
  EXPECT_THAT(estimates["copy"].basis, HasSubstr("1.0 GB at 100.0 MB/s"));
  EXPECT_THAT(estimates["verify"].basis, HasSubstr("measured"));
}

TEST(CalibrationTest, TimeGrowsWithBytesAndShrinksWithTheRate) {
  Workload work = workload();
  const double copy = by_stage(work)["copy"].seconds;
  const double index = by_stage(work)["index"].seconds;
  work.row_bytes *= 10;
  EXPECT_GT(by_stage(work)["copy"].seconds, 9 * copy);
  work = workload();
  work.bytes_per_second *= 2;
  EXPECT_LT(by_stage(work)["copy"].seconds, copy);
  EXPECT_LT(by_stage(work)["index"].seconds, index);
  work = workload();
  work.indexes.push_back({"gin", 100'000'000});
  EXPECT_GT(by_stage(work)["index"].seconds, 2 * index);
  EXPECT_DOUBLE_EQ(by_stage(work)["copy"].seconds, copy);
  work = workload();
  work.index_jobs = 4;
  EXPECT_LT(by_stage(work)["index"].seconds, index);
}

TEST(CalibrationTest, LargeLeavesAreSampled) {
  Workload work = workload();
  work.rows = 1'000'000;
  const double whole = by_stage(work)["analyze"].seconds;
  EXPECT_THAT(by_stage(work)["analyze"].basis, HasSubstr("100 % of all rows"));
  work.rows = 303'000'000;
  EXPECT_THAT(by_stage(work)["analyze"].basis, HasSubstr("1 % of all rows"));
  EXPECT_LT(by_stage(work)["analyze"].seconds, whole / 10);
}

TEST(CalibrationTest, WhatWasNotMeasuredIsNotGuessed) {
  Workload work = workload();
  work.bytes_per_second = 0;
  EXPECT_THAT(estimate_stages(work), IsEmpty());
  work.row_bytes = 0;
  const auto empty = estimate_stages(work);
  ASSERT_EQ(empty.size(), 1U);
  EXPECT_EQ(empty[0].basis, "the source is empty");
}

}  // namespace
}  // namespace pgfanout
