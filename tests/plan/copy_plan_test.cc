// Commit plans: when rows are committed, and how the source is cut for it.
#include "copier/plan/copy_plan.h"

#include <gtest/gtest.h>

#include <map>

namespace pgfanout {
namespace {

using Unit = CommitEvery::Unit;

JobDescription job_with(CommitEvery wish, std::uint64_t rejects = 0) {
  JobDescription job;
  job.commit_every = wish;
  job.reject_limit.rows = rejects;
  return job;
}

TEST(CommitPlan, SmallTablesAreCommittedByLeafLargeOnesInEpochs) {
  EXPECT_TRUE(plan_commits(job_with({}), 16ULL << 30U, 0)->by_leaf);
  const CommitPlan large = *plan_commits(job_with({}), (16ULL << 30U) + 1, 0);
  EXPECT_FALSE(large.by_leaf);
  EXPECT_EQ(large.epoch_bytes, 2ULL << 30U);
  EXPECT_NE(large.reason.find("larger"), std::string::npos);
}

TEST(CommitPlan, TheUsersWishWins) {
  EXPECT_TRUE(plan_commits(job_with({Unit::leaf, 0}), 1ULL << 50U, 0)->by_leaf);
  EXPECT_EQ(plan_commits(job_with({Unit::bytes, 4096}), 1000, 0)->epoch_bytes, 4096U);
  EXPECT_EQ(plan_commits(job_with({Unit::rows, 10}), 5000, 50)->epoch_bytes, 1000U);
  EXPECT_GT(plan_commits(job_with({Unit::rows, 10}), 5000, 0)->epoch_bytes, 0U);
}

TEST(CommitPlan, RowsThatMayBeSetAsideNeedEpochs) {
  EXPECT_FALSE(plan_commits(job_with({}, 5), 1000, 10)->by_leaf);
  const auto refused_plan = plan_commits(job_with({Unit::leaf, 0}, 5), 1000, 10);
  ASSERT_FALSE(refused_plan);
  EXPECT_EQ(refused_plan.error().code, "usage");
}

TEST(CommitPlan, EpochsAreNumberedWithoutGapsAndHoldAboutWhatWasAskedFor) {
  const std::vector<LeafSize> leaves = {{100, 100 * 8192}, {0, 0}, {1000, 3000 * 8192}, {1, 8192}};
  for (const std::uint64_t bytes : {1ULL, 8192ULL, 64ULL << 10U, 1ULL << 20U, 1ULL << 40U}) {
    const auto ranges = cut_epochs(leaves, 2, {false, bytes, false, ""});
    std::map<std::uint32_t, std::uint64_t> bytes_of;
    std::uint64_t total = 0;
    std::uint32_t last = 1;
    std::uint64_t largest = 0;
    for (const SourceRange& range : ranges) {
      EXPECT_TRUE(range.epoch == last || range.epoch == last + 1);
      last = range.epoch;
      bytes_of[range.epoch] += range.estimated_bytes;
      total += range.estimated_bytes;
      largest = std::max(largest, range.estimated_bytes);
    }
    EXPECT_EQ(total, 3101U * 8192U);
    EXPECT_EQ(bytes_of.begin()->first, 1U);
    EXPECT_EQ(bytes_of.size(), last);
    for (const auto& [epoch, has] : bytes_of) {
      EXPECT_LT(has, bytes + largest) << epoch;
      EXPECT_TRUE(epoch == last || has >= bytes) << epoch;
    }
  }
}

TEST(CommitPlan, ByLeafThereIsOneEpoch) {
  for (const SourceRange& range :
       cut_epochs({{100, 1U << 30U}, {5, 100}}, 4, {true, 0, false, ""})) {
    EXPECT_EQ(range.epoch, 1U);
  }
}

}  // namespace
}  // namespace pgfanout
