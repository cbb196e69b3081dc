// Ctrl-C while nothing gets through to the server any more: every command ends within seconds, says
// that it was interrupted, and can be resumed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/copy_fixture.h"
#include "tests/pg/stalling_link.h"

namespace pgfanout::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

class StopFaultsTest : public CopyFixture {
 protected:
  void SetUp() override {
    CopyFixture::SetUp();
    make_chunks(1500);
  }

  /// Stops the command at the place, then the link, and lets it find that out for a moment. Then
  /// presses Ctrl-C so often.
  CommandResult interrupt(const std::string& place, std::vector<std::string> words, int times) {
    StallingLink link;
    words.insert(words.begin() + 1, {"--source", link.dsn() + " dbname=" + database, "--table",
                                     "public.chunks", "--json"});
    harness::CommandOptions options;
    options.environment = {{"PGFANOUT_CRASH_AT", place}, {"PGFANOUT_CRASH_BY", "SIGSTOP"}};
    harness::BackgroundCommand command(harness::pgfanout_argv(words), options);
    EXPECT_TRUE(command.wait_until_stopped()) << place << command.err();
    link.stall_for_good();
    command.send_signal(SIGCONT);
    std::this_thread::sleep_for(milliseconds(300));
    EXPECT_TRUE(command.running()) << command.err();
    const auto began = Clock::now();
    for (int time = 0; time < times; ++time) {
      command.send_signal(SIGINT);
      std::this_thread::sleep_for(milliseconds(200));
    }
    CommandResult result = command.wait();
    took = std::chrono::duration<double>(Clock::now() - began).count();
    return result;
  }
  void expect_resumes(std::vector<std::string> words) {
    const CommandResult again = copy([&] {
      words.erase(words.begin());
      words.insert(words.begin(), {"--table", "public.chunks"});
      return words;
    }());
    EXPECT_EQ(again.exit_code, 0) << again;
    expect_copied();
  }

  double took = 0;
};

TEST_F(StopFaultsTest, ACopyOfWholeLeaves) {
  const std::vector<std::string> words = {"copy"};
  for (const int times : {1, 2}) {
    const CommandResult result = interrupt("lane-sent", words, times);
    EXPECT_EQ(result.exit_code, 3) << result;
    EXPECT_LT(took, 10) << times << result;
    RecordProperty("took", std::to_string(took));
    expect_sessions_end();
  }
  expect_resumes(words);
}

TEST_F(StopFaultsTest, ACopyByEpochs) {
  const std::vector<std::string> words = {"copy", "--commit-every", "400"};
  for (const int times : {1, 2}) {
    const CommandResult result = interrupt("reader-batch", words, times);
    EXPECT_EQ(result.exit_code, 3) << result;
    EXPECT_LT(took, 12) << times << result;
    expect_sessions_end();
  }
  expect_resumes(words);
}

TEST_F(StopFaultsTest, TheReadBackAndACommit) {
  const std::vector<std::string> words = {"copy", "--commit-every", "400"};
  for (const std::string place : {"epoch-drained", "lane-commit-sent", "leaves-locked"}) {
    const CommandResult result = interrupt(place, words, 2);
    EXPECT_THAT(result.exit_code, ::testing::AnyOf(3, 4)) << place << result;
    EXPECT_LT(took, 12) << place << result;
    expect_sessions_end();
  }
  expect_resumes(words);
}

}  // namespace
}  // namespace pgfanout::testing
