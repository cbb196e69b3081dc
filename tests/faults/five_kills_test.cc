// A window is killed five times, in index, constraints and swap, and goes on each time from another
// shell that does not wait; a third one watches it throughout, and sees its end.
#include <gtest/gtest.h>

#include "tests/faults/window_rig.h"

namespace pgfanout::testing {
namespace {

class FiveKillsTest : public WindowRig {};

TEST_F(FiveKillsTest, AnotherShellGoesOnAtOnce) {
  begin(600);
  const CommandResult begun = call("run", {{"PGFANOUT_CRASH_AT", "stage-recorded:2"}});
  EXPECT_EQ(begun.signal, SIGKILL) << begun;
  harness::BackgroundCommand watch(harness::pgfanout_argv(
      {"status", "--source", dsn(), "--table", "chunks", "--watch", "--progress", "plain"}));
  // In index, at its end, in constraints, and twice in the swap.
  for (const std::string place : {"step-committed:3", "stage-recorded", "step-committed:2",
                                  "swap-renamed", "swap-committed"}) {
    const CommandResult killed = call("run", {{"PGFANOUT_CRASH_AT", place}});
    EXPECT_EQ(killed.signal, SIGKILL) << place << killed;
    EXPECT_EQ(value("SELECT to_regclass('public.chunks') IS NOT NULL"), "t") << place;
  }
  const CommandResult done = call("run");
  EXPECT_EQ(done.exit_code, 0) << done;
  check_swapped("after five kills");
  const CommandResult watched = watch.wait();
  EXPECT_EQ(watched.exit_code, 0) << watched;
  EXPECT_NE(watched.out.find("swapped"), std::string::npos) << watched;
  const CommandResult back = call("rollback");
  EXPECT_EQ(back.exit_code, 0) << back;
  check_as_before("after a rollback");
  end();
}

}  // namespace
}  // namespace pgfanout::testing
