// Each thread throws once, and descriptors run out: the command ends with an error that says so,
// never by a signal; what is there is whole, and the same command then comes to its end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "tests/faults/window_rig.h"

namespace pgfanout::testing {
namespace {

constexpr int kSmallTable = 400;

class ThreadFaultsTest : public WindowRig {
 protected:
  void SetUp() override { begin(kSmallTable); }
  void TearDown() override { end(); }

  CommandResult throw_in(const std::string& command, const std::string& who) {
    return call(command, {{"PGFANOUT_THROW_AT", who}});
  }
};

TEST_F(ThreadFaultsTest, ThreadsThatMoveRows) {
  for (const std::string who :
       {"the reader", "the writer", "the commit", "the copy", "the start of the readers",
        "the opening of a writer", "the opening of the writers"}) {
    const CommandResult result = throw_in("run", who);
    EXPECT_EQ(result.exit_code, 3) << who << result;
    EXPECT_THAT(result.err, ::testing::HasSubstr(who + " ran out of memory")) << result;
    EXPECT_THAT(result.err, ::testing::HasSubstr("[internal]")) << result;
    check_always(who);
  }
  const CommandResult result = call("run");
  EXPECT_EQ(result.exit_code, 0) << result;
  check_swapped("run after all that");
}

TEST_F(ThreadFaultsTest, ThreadsOfLaterStages) {
  for (const std::string who : {"the worker", "the start of the workers"}) {
    const CommandResult result = throw_in("run", who);
    EXPECT_EQ(result.exit_code, 3) << who << result;
    EXPECT_THAT(result.err, ::testing::HasSubstr(who + " ran out of memory")) << result;
    check_always(who);
  }
  EXPECT_EQ(call("run").exit_code, 0);
  check_swapped("run after all that");
}

/// The job does not need these: it goes on, and says what was missing.
TEST_F(ThreadFaultsTest, ThreadsBesideTheJob) {
  CommandResult result = throw_in("copy", "the start of the watch");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(result.err + result.out, ::testing::HasSubstr("no longer watched")) << result;
  result = throw_in("verify", "the live view");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(result.err + result.out, ::testing::HasSubstr("the live view ran out of memory"))
      << result;
}

TEST_F(ThreadFaultsTest, DescriptorsRunOut) {
  int refusals = 0;  // Most at one of the connections.
  bool is_done = false;
  for (int limit = 6; limit < 80 && !is_done; ++limit) {
    std::vector<std::string> argv = {"copy", "--source", dsn(), "--json", "--progress", "none"};
    const std::vector<std::string> more = arguments_of("copy");
    argv.insert(argv.end(), more.begin(), more.end());
    argv = harness::pgfanout_argv(argv);
    argv.insert(argv.begin(), {"prlimit", fmt::format("--nofile={0}:{0}", limit)});
    harness::CommandOptions options;
    options.timeout = std::chrono::seconds(20);
    const CommandResult result = harness::run_command(argv, options);
    is_done = result.exit_code == 0;
    if (result.exit_code == 127) continue;  // Not enough to load the program.
    // UBSan asks through a pipe whether an object is there, and takes it for none without one.
    const bool is_ended_by_ubsan =
        result.err.find("which does not point to an object of type") != std::string::npos;
    if (!is_ended_by_ubsan) {
      ASSERT_THAT(result.exit_code, ::testing::AnyOf(0, 2, 3, 4)) << limit << result;
    }
    if (is_done) break;
    ++refusals;
    EXPECT_FALSE(result.err.empty()) << limit << result;
    check_always(fmt::format("{} descriptors", limit));
  }
  EXPECT_TRUE(is_done) << "never enough";
  EXPECT_GT(refusals, 5);
  EXPECT_EQ(difference("public.chunks", "public.chunks_new", kChunkColumns), "0");
}

}  // namespace
}  // namespace pgfanout::testing
