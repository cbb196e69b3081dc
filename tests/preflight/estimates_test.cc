#include "copier/preflight/estimates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace pgfanout {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kGB = 1'000'000'000;

ServerDisk one_volume(std::uint64_t free_bytes) {
  ServerDisk disk;
  disk.data = DiskRoom{"/data", 1, free_bytes};
  disk.wal = DiskRoom{"/data/pg_wal", 1, free_bytes};
  disk.data_path = "/data";
  return disk;
}

TEST(FittingListsTest, ByTheRowsOfALeaf) {
  EXPECT_EQ(fitting_lists(0), 1U);
  EXPECT_EQ(fitting_lists(10'000), 10U);
  EXPECT_EQ(fitting_lists(1'000'000), 1000U);
  EXPECT_EQ(fitting_lists(4'000'000), 2000U);
}

TEST(SpaceNeedTest, WalIsAsMuchAsWhatIsWritten) {
  const SpaceNeed need = space_need(10 * kGB, 5 * kGB, true, 2 * kGB);
  EXPECT_EQ(need.wal, 15 * kGB);
  EXPECT_EQ(need.wal_kept, 2 * kGB);
  EXPECT_EQ(space_need(kGB, 0, true, 2 * kGB).wal_kept, kGB);
  EXPECT_EQ(space_need(10 * kGB, 5 * kGB, false, 2 * kGB).wal, 0U);
}

TEST(SpaceNeedTest, OneVolumeForAll) {
  const SpaceNeed need = space_need(10 * kGB, 5 * kGB, true, 2 * kGB);
  const auto judged = [&](std::uint64_t free_bytes) {
    const auto issues = judge_space(need, one_volume(free_bytes), "here");
    EXPECT_EQ(issues.size(), 1U);
    return issues.front();
  };
  EXPECT_EQ(judged(17 * kGB - 1).code, "disk-full");
  EXPECT_EQ(judged(17 * kGB - 1).severity, Severity::error);
  EXPECT_EQ(judged(17 * kGB).code, "disk-tight");
  EXPECT_EQ(judged(17 * kGB).severity, Severity::warning);
  EXPECT_EQ(judged(30 * kGB - 1).code, "disk-tight");
  EXPECT_EQ(judged(30 * kGB).code, "disk");
  EXPECT_EQ(judged(30 * kGB).severity, Severity::info);
  EXPECT_EQ(judged(30 * kGB).message,
            "17.0 GB to 30.0 GB needed for the target (10.0 GB of rows, 5.0 GB of indexes) and "
            "15.0 GB of WAL; 30.0 GB are free at /data");
  EXPECT_TRUE(judged(30 * kGB).hint.empty());
}

TEST(SpaceNeedTest, WalOnItsOwnVolume) {
  ServerDisk disk = one_volume(20 * kGB);
  disk.wal = DiskRoom{"/wal", 2, kGB};
  const auto issues = judge_space(space_need(10 * kGB, 5 * kGB, true, 2 * kGB), disk, "here");
  ASSERT_EQ(issues.size(), 2U);
  EXPECT_EQ(issues[0].code, "disk");
  EXPECT_EQ(issues[1].code, "disk-full");
  EXPECT_THAT(issues[1].message, HasSubstr("/wal"));
}

TEST(SpaceNeedTest, WalThatCannotBeSeenIsTakenToBeThere) {
  ServerDisk disk = one_volume(20 * kGB);
  disk.wal.reset();
  const auto issues = judge_space(space_need(10 * kGB, 5 * kGB, true, 2 * kGB), disk, "here");
  ASSERT_EQ(issues.size(), 1U);
  EXPECT_EQ(issues[0].code, "disk-tight");
  EXPECT_THAT(issues[0].hint, HasSubstr("could not be read"));
}

TEST(SpaceNeedTest, NothingSeenIsSaid) {
  ServerDisk disk;
  disk.unseen = "the server is on another host";
  const auto issues = judge_space(space_need(kGB, kGB, true, 2 * kGB), disk, "here");
  ASSERT_EQ(issues.size(), 1U);
  EXPECT_EQ(issues[0].code, "disk-unseen");
  EXPECT_EQ(issues[0].severity, Severity::warning);
  EXPECT_THAT(issues[0].message, HasSubstr("2.0 GB needed"));
  EXPECT_THAT(issues[0].message, HasSubstr("another host"));
}

TEST(SpaceNeedTest, FoldersOfThisHost) {
  const auto room = read_disk_room("/");
  ASSERT_TRUE(room);
  EXPECT_GT(room->free_bytes, 0U);
  EXPECT_FALSE(read_disk_room("/no/such/folder"));
  EXPECT_FALSE(read_disk_room(""));
}

using Leaves = std::vector<std::uint32_t>;
constexpr std::uint32_t kNone = UINT32_MAX;

TEST(SkewTest, LargestOverMean) {
  const SkewEstimate skew = estimate_skew(4, Leaves{0, 1, 1, 1, 2, 3, 3, 1}, {});
  EXPECT_EQ(skew.rows, 8U);
  EXPECT_DOUBLE_EQ(skew.by_rows, 2.0);
  EXPECT_DOUBLE_EQ(skew.by_bytes, 0);
  EXPECT_EQ(skew.largest, 1U);
  EXPECT_DOUBLE_EQ(skew.largest_share, 0.5);
}

TEST(SkewTest, BytesCountByThemselves) {
  const SkewEstimate skew = estimate_skew(2, Leaves{0, 1}, std::vector<std::uint64_t>{300, 100});
  EXPECT_DOUBLE_EQ(skew.by_rows, 1.0);
  EXPECT_DOUBLE_EQ(skew.by_bytes, 1.5);
}

TEST(SkewTest, RowsWithoutLeafAreCountedApart) {
  const SkewEstimate skew = estimate_skew(2, Leaves{0, 1, kNone, kNone, kNone, kNone}, {});
  EXPECT_EQ(skew.rows, 2U);
  EXPECT_EQ(skew.without_leaf, 4U);
  EXPECT_DOUBLE_EQ(skew.by_rows, 1.0);
}

TEST(SkewTest, SmallSamplesExcuseMuch) {
  const SkewEstimate none = estimate_skew(100, {}, {});
  EXPECT_EQ(none.rows, 0U);
  EXPECT_DOUBLE_EQ(none.by_rows, 0);
  Leaves even;
  for (std::uint32_t at = 0; at < 100'000; ++at) even.push_back(at % 100);
  EXPECT_LT(estimate_skew(100, even, {}).by_chance, 1.1);
  even.resize(500);
  EXPECT_GT(estimate_skew(100, even, {}).by_chance, 2.0);
}

using ::testing::HasSubstr;
using ::testing::IsEmpty;

Workload workload() {
  Workload work;
  work.row_bytes = 1'000'000'000;
  work.indexes = {{"btree", 100'000'000}, {"btree", 50'000'000}};
  work.foreign_keys = 1;
  work.leaves = 100;
  work.source_leaves = 16;
  work.readers = 2;
  work.index_jobs = 2;
  work.bytes_per_second = 100'000'000;
  work.gates = {"index", "constraints"};  // Each stage works on its own.
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

TEST(CalibrationTest, LeavesAreFinishedUpToTheNextGate) {
  Workload work = workload();
  work.buffer_bytes = 128'000'000;
  auto apart = by_stage(work);
  EXPECT_THAT(apart["constraints"].basis, HasSubstr("each of 1 foreign keys"));
  const double cost = seconds_of_gates(work);
  EXPECT_GT(cost, 0);
  work.gates = {"copy", "analyze", "verify"};  // None of them is between two of the three.
  EXPECT_DOUBLE_EQ(seconds_of_gates(work), 0);
  auto joined = by_stage(work);
  EXPECT_GT(joined["index"].seconds, 2 * apart["index"].seconds);
  EXPECT_LT(joined["constraints"].seconds, apart["constraints"].seconds);
  EXPECT_LT(joined["analyze"].seconds, apart["analyze"].seconds / 5);
  const auto sum = [](std::map<std::string, StageEstimate>& of) {
    return of["index"].seconds + of["constraints"].seconds + of["analyze"].seconds;
  };
  EXPECT_NEAR(sum(apart), sum(joined) + cost, 1e-6);
  EXPECT_THAT(joined["index"].basis, HasSubstr("with each leaf's constraints and ANALYZE"));
  EXPECT_THAT(joined["analyze"].basis, HasSubstr("is done in stage index"));
  // Behind a gate the two that are left go together.
  work.gates = {"index"};
  auto two = by_stage(work);
  EXPECT_DOUBLE_EQ(two["index"].seconds, apart["index"].seconds);
  EXPECT_THAT(two["analyze"].basis, HasSubstr("is done in stage constraints"));
  EXPECT_DOUBLE_EQ(seconds_of_gates(work), cost / 2);
  work.foreign_keys = 0;
  EXPECT_DOUBLE_EQ(seconds_of_gates(work), cost / 2) << "ANALYZE reads the rows";
}

TEST(CalibrationTest, GatesCostNothingWhereTheBuffersHoldTheTable) {
  Workload work = workload();
  work.buffer_bytes = 2 * work.row_bytes;
  EXPECT_DOUBLE_EQ(seconds_of_gates(work), 0);
  work.buffer_bytes = work.row_bytes / 2;
  const double half = seconds_of_gates(work);
  work.buffer_bytes = 0;
  EXPECT_DOUBLE_EQ(seconds_of_gates(work), 2 * half);
  // Without foreign keys nothing in the stage constraints needs the rows again.
  work.foreign_keys = 0;
  EXPECT_DOUBLE_EQ(seconds_of_gates(work), half);
}

TEST(CalibrationTest, WhatWasNotMeasuredIsNotGuessed) {
  Workload work = workload();
  work.bytes_per_second = 0;
  EXPECT_THAT(estimate_stages(work), IsEmpty());
  work.row_bytes = 0;
  const auto empty = estimate_stages(work);
  ASSERT_EQ(empty.size(), 1U);
  EXPECT_EQ(empty[0].basis, "the source is empty; 100 leaves at 7.5 ms, assumed");
}

TEST(CalibrationTest, ManyLeavesTakeTimeHoweverFewRowsTheyHave) {
  Workload work = workload();
  work.row_bytes = 1'000'000;
  work.indexes = {{"btree", 100'000}, {"btree", 100'000}};
  work.seconds_per_object = 0.002;
  auto few = by_stage(work);
  work.leaves = 1000;
  work.source_leaves = 160;
  auto many = by_stage(work);
  for (const auto& [stage, estimate] : many) {
    EXPECT_GT(estimate.seconds, (stage == "swap" ? 5 : 6) * few[stage].seconds) << stage;
  }
  EXPECT_THAT(many["index"].basis, HasSubstr("1000 leaves at 3.6 ms"));
  EXPECT_THAT(many["index"].basis, ::testing::Not(HasSubstr("assumed")));
  work.seconds_per_object = 0;
  EXPECT_LT(by_stage(work)["copy"].seconds, many["copy"].seconds);
  EXPECT_THAT(by_stage(work)["copy"].basis, HasSubstr("1000 leaves at 7.5 ms, assumed"));
}

}  // namespace
}  // namespace pgfanout
