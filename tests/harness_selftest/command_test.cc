// Commands under test have the right outputs, exit codes, signals and time limits.
#include "tests/harness/command.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <string>

namespace pgfanout::harness {
namespace {

using std::chrono::milliseconds;

TEST(CommandTest, TellsExitCodeAndBothOutputs) {
  const CommandResult result = run_command({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_GT(result.peak_rss_bytes, 0);
}

TEST(CommandTest, TakesMoreOutputThanAPipeHolds) {
  const CommandResult result = run_command({"head", "-c", "3000000", "/dev/zero"});
  EXPECT_EQ(result.out.size(), 3000000U);
}

TEST(CommandTest, FeedsStandardInput) {
  CommandOptions options;
  options.input = std::string(200000, 'x');
  EXPECT_EQ(run_command({"cat"}, options).out, options.input);
  EXPECT_EQ(run_command({"cat"}).out, "");
}

TEST(CommandTest, ChangesTheEnvironmentAndDropsLibpqsVariables) {
  setenv("PGHOST", "elsewhere", 1);
  setenv("HARNESS_ONE", "1", 1);
  CommandOptions options;
  options.environment = {{"HARNESS_ONE", std::nullopt}, {"HARNESS_TWO", "2"}, {"PGUSER", "u"}};
  const CommandResult result =
      run_command({"sh", "-c", "echo $HARNESS_ONE,$HARNESS_TWO,$PGHOST,$PGUSER"}, options);
  unsetenv("PGHOST");
  unsetenv("HARNESS_ONE");
  EXPECT_EQ(result.out, ",2,,u\n");
}

TEST(CommandTest, ProgramThatIsNotThereEndsWith127) {
  EXPECT_EQ(run_command({"no-such-program-here"}).exit_code, 127);
}

TEST(CommandTest, KillsWhatTakesTooLong) {
  CommandOptions options;
  options.timeout = milliseconds(100);
  const CommandResult result = run_command({"sh", "-c", "sleep 60; echo late"}, options);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_LT(result.seconds, 30);
}

TEST(CommandTest, BackgroundCommandTakesSignalsAndShowsWhatItHasPrinted) {
  BackgroundCommand command(
      {"sh", "-c", "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.01; done"});
  ASSERT_TRUE(command.wait_for_output("ready"));
  EXPECT_TRUE(command.running());
  EXPECT_EQ(command.out(), "ready\n");
  command.send_signal(SIGINT);
  const CommandResult result = command.wait();
  EXPECT_EQ(result.exit_code, 5);
  EXPECT_EQ(result.out, "ready\ncaught\n");
  EXPECT_FALSE(command.running());
}

TEST(CommandTest, BackgroundCommandIsStoppedAndContinued) {
  BackgroundCommand command({"sh", "-c", "kill -STOP $$; kill -STOP $$; exit 4"});
  for (int time = 0; time < 2; ++time) {
    ASSERT_TRUE(command.wait_until_stopped());
    EXPECT_TRUE(command.running());
    command.send_signal(SIGCONT);
  }
  EXPECT_FALSE(command.wait_until_stopped());
  EXPECT_EQ(command.wait().exit_code, 4);
}

TEST(CommandTest, BackgroundCommandThatEndsEarlyIsNotWaitedForInVain) {
  BackgroundCommand command({"true"});
  EXPECT_FALSE(command.wait_for_output("never"));
}

TEST(CommandTest, BackgroundCommandIsKilledWithItsObject) {
  pid_t pid = 0;
  {
    const BackgroundCommand command({"sleep", "60"});
    pid = command.pid();
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_NE(kill(pid, 0), 0);
}

}  // namespace
}  // namespace pgfanout::harness
