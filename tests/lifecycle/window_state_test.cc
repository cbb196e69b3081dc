// The names that leaves have after a swap.
#include "copier/lifecycle/window_state.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(WindowState, LeavesTakeTheFinalTablesNameAndOthersKeepTheirs) {
  const auto renames = leaf_renames({"t_new_p0", "stranger", "t_new_p2"}, "t_new", "t");
  ASSERT_EQ(renames.size(), 3U);
  EXPECT_EQ(renames[0].second, "t_p0");
  EXPECT_EQ(renames[1].second, "stranger");
  EXPECT_EQ(renames[2].second, "t_p2");
}

}  // namespace
}  // namespace pgfanout
