// Which steps of a stage share a transaction.
#include "copier/window/build_indexes.h"

#include <gtest/gtest.h>

#include <set>

namespace pgfanout {
namespace {

constexpr std::uint64_t kSmall = 8192;
constexpr std::uint64_t kLarge = 1ULL << 30U;

std::vector<CarryStep> steps_of(std::size_t leaves, int each, std::uint64_t bytes) {
  std::vector<CarryStep> steps;
  for (int index = 0; index < each; ++index) {
    for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
      const std::string name = "t_p" + std::to_string(leaf);
      steps.push_back({"index " + std::to_string(index) + " " + name, "", name, bytes});
    }
  }
  return steps;
}

/// Every step is in one group, those of a leaf in one, in their order.
void expect_all(const std::vector<CarryStep>& steps, const std::vector<StepGroup>& groups) {
  std::set<std::string> leaves;
  std::size_t count = 0;
  for (const StepGroup& group : groups) {
    std::set<std::string> own;
    std::string last;
    for (const CarryStep& step : group.steps) {
      own.insert(step.leaf);
      if (!last.empty() && last.ends_with(" " + step.leaf)) {
        EXPECT_LT(last, step.id);
      }
      last = step.id;
    }
    count += group.steps.size();
    for (const std::string& leaf : own) EXPECT_TRUE(leaves.insert(leaf).second) << leaf;
  }
  EXPECT_EQ(count, steps.size());
}

TEST(StepGroups, SmallLeavesShareATransaction) {
  const auto steps = steps_of(1000, 5, kSmall);
  const auto groups = group_steps(steps, 50, 2);
  expect_all(steps, groups);
  EXPECT_EQ(groups.size(), 100U);
  for (const StepGroup& group : groups) EXPECT_TRUE(group.is_joined);
  // Fewer where the lock table has less room.
  EXPECT_EQ(group_steps(steps, 10, 2).size(), 500U);
}

TEST(StepGroups, LargeLeavesAreOneStepAtATime) {
  auto steps = steps_of(100, 2, kLarge);
  const auto small = steps_of(50, 2, kSmall);
  for (CarryStep step : small) {
    step.leaf += "_small";
    steps.push_back(step);
  }
  const auto groups = group_steps(steps, 50, 1);
  EXPECT_EQ(groups.size(), 100U + 2U);
  for (std::size_t at = 0; at < groups.size(); ++at) {
    EXPECT_EQ(groups[at].is_joined, at >= 100) << "the largest first";
  }
}

TEST(StepGroups, TogetherTheyReadLittle) {
  const auto groups = group_steps(steps_of(100, 1, 1ULL << 20U), 50, 1);
  EXPECT_EQ(groups.size(), 25U) << "4 MiB each";
}

TEST(StepGroups, EveryWorkerHasEnough) {
  EXPECT_EQ(group_steps(steps_of(8, 1, kSmall), 50, 2).size(), 8U);
  EXPECT_GE(group_steps(steps_of(100, 1, kSmall), 50, 8).size(), 32U);
  // More steps for a leaf than a transaction may have.
  const auto groups = group_steps(steps_of(4, 9, kSmall), 2, 1);
  EXPECT_EQ(groups.size(), 4U);
  EXPECT_FALSE(groups.front().is_joined);
  EXPECT_TRUE(group_steps({}, 50, 2).empty());
}

/// Steps of these stages for each leaf: two index builds, a constraint without a scan, a foreign
/// key's, its validation, and ANALYZE.
std::vector<CarryStep> finishing(std::size_t leaves, std::uint64_t bytes) {
  std::vector<CarryStep> steps;
  const auto add = [&](const std::string& what, LeafStage stage, bool reads_rows) {
    for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
      const std::string name = "t_p" + std::to_string(leaf);
      steps.push_back({what + " " + name, "", name, bytes + leaf, "", false, reads_rows, stage});
    }
  };
  add("index a", LeafStage::index, true);
  add("index b", LeafStage::index, true);
  add("constraints", LeafStage::constraints, false);
  add("foreign key", LeafStage::constraints, false);
  add("validate", LeafStage::constraints, true);
  add("analyze", LeafStage::analyze, true);
  return steps;
}

std::vector<std::string> transactions(const StepGroup& group, std::size_t at_once) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < group.steps.size();) {
    const std::size_t end = transaction_end(group, at, at_once);
    EXPECT_GT(end, at);
    all.emplace_back();
    for (; at < end; ++at) all.back() += (all.back().empty() ? "" : ", ") + group.steps[at].id;
  }
  return all;
}

TEST(StepGroups, ALeafIsFinishedInOneGo) {
  const auto groups = group_steps(finishing(3, kLarge), 50, 2);
  ASSERT_EQ(groups.size(), 3U);
  using Texts = std::vector<std::string>;
  EXPECT_EQ(transactions(groups[0], 50),
            (Texts{"index a t_p2", "index b t_p2", "constraints t_p2, foreign key t_p2",
                   "validate t_p2", "analyze t_p2"}))
      << "the largest leaf first; only steps that read no rows share a transaction";
  EXPECT_EQ(transactions(groups[2], 1).size(), 6U) << "no room in the lock table";
}

TEST(StepGroups, SmallLeavesShareTransactionsByStage) {
  const auto groups = group_steps(finishing(100, kSmall), 50, 2);
  ASSERT_TRUE(groups.front().is_joined);
  const auto all = transactions(groups.front(), 50);
  // A foreign key's lock on another table does not last while other leaves are built or analyzed.
  ASSERT_EQ(all.size(), 3U);
  EXPECT_TRUE(all[0].starts_with("index a t_p")) << all[0];
  EXPECT_EQ(all[0].find("constraints"), std::string::npos) << all[0];
  EXPECT_TRUE(all[1].starts_with("constraints t_p")) << all[1];
  EXPECT_EQ(all[2].find("validate"), std::string::npos) << all[2];
}

TEST(StepGroups, StepsThatReadNoRowsShareATransactionWhateverTheSize) {
  std::vector<CarryStep> steps = steps_of(100, 2, kLarge);
  for (CarryStep& step : steps) step.reads_rows = false;
  const auto groups = group_steps(steps, 50, 2);
  expect_all(steps, groups);
  EXPECT_EQ(groups.size(), 9U) << "of 24 steps each, and the rest";
  for (const StepGroup& group : groups) EXPECT_TRUE(group.is_joined);
  EXPECT_EQ(transactions(groups.front(), 50).size(), 1U);
}

}  // namespace
}  // namespace pgfanout
