// How far a leaf is finished in one go.
#include "copier/carry/leaf_stages.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(LeafStagesTest, UpToTheNextGate) {
  using Gates = std::vector<std::string>;
  const auto last = last_leaf_stage;
  EXPECT_EQ(last(LeafStage::index, {}), LeafStage::analyze);
  EXPECT_EQ(last(LeafStage::index, Gates{"preflight", "copy", "analyze", "verify", "swap"}),
            LeafStage::analyze);
  EXPECT_EQ(last(LeafStage::index, Gates{"constraints"}), LeafStage::constraints);
  EXPECT_EQ(last(LeafStage::index, Gates{"constraints", "index"}), LeafStage::index);
  EXPECT_EQ(last(LeafStage::constraints, Gates{"index"}), LeafStage::analyze);
  EXPECT_EQ(last(LeafStage::constraints, Gates{"constraints"}), LeafStage::constraints);
  EXPECT_EQ(last(LeafStage::analyze, Gates{"index", "constraints", "analyze"}), LeafStage::analyze);
  EXPECT_EQ(stage_of_leaves(LeafStage::analyze, {}), LeafStage::index);
  EXPECT_EQ(stage_of_leaves(LeafStage::analyze, Gates{"index"}), LeafStage::constraints);
  EXPECT_EQ(stage_of_leaves(LeafStage::constraints, Gates{"constraints"}), LeafStage::index);
  EXPECT_EQ(stage_of_leaves(LeafStage::analyze, Gates{"constraints"}), LeafStage::analyze);
  EXPECT_EQ(name_of(LeafStage::constraints), "constraints");
}

}  // namespace
}  // namespace pgfanout
