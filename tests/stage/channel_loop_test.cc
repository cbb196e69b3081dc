// The event loop: every task goes on while it can, errors reach their task, and what the system
// refuses is an error.
#include "copier/stage/channel_loop.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "tests/pipeline/fakes.h"

namespace pgfanout {
namespace {

using testing::FakeChannel;
using testing::FakeTarget;

/// Sends so many statements, one after the other.
class CountingTask final : public ChannelTask {
 public:
  CountingTask(WriteChannel& channel, int statements) : ChannelTask(channel), left_(statements) {}

  Result<bool> next_statement() override {
    if (left_ == 0) return false;
    if (--left_ == fails_at) return refused("test", "the task fails");
    PGFANOUT_TRY(channel().send("SELECT 1"));
    return true;
  }
  Result<bool> put_piece() override { return false; }
  Result<void> take_error(Error error) override {
    ++errors;
    if (takes_errors) return {};
    return error;
  }
  [[nodiscard]] bool is_done() const override {
    return left_ == 0 && channel().state() == ChannelState::ready;
  }

  int fails_at = -1;
  bool takes_errors = false;
  int errors = 0;

 private:
  int left_;
};

/// Its socket cannot be watched.
class ClosedChannel final : public WriteChannel {
 public:
  [[nodiscard]] int socket() const override { return -1; }
  [[nodiscard]] ChannelState state() const override { return ChannelState::ready; }
  [[nodiscard]] bool must_flush() const override { return false; }
  Result<void> send(std::string_view /*sql*/) override { return {}; }
  Result<void> put(ByteView /*piece*/) override { return {}; }
  Result<void> end_copy() override { return {}; }
  Result<void> step(bool /*readable*/) override { return {}; }
  Result<void> check_stalled() override { return {}; }
  [[nodiscard]] std::uint64_t rows_copied() const override { return 0; }
  [[nodiscard]] std::string command_tag() const override { return {}; }
};

class ChannelLoopTest : public ::testing::Test {
 protected:
  FakeTarget target;
  FakeChannel first{target};
  FakeChannel second{target};
  ChannelLoop loop;
};

TEST_F(ChannelLoopTest, TasksOfDifferentLengthsComeToTheirEnd) {
  CountingTask shorter(first, 2);
  CountingTask longer(second, 50);
  ASSERT_TRUE(loop.add(shorter));
  ASSERT_TRUE(loop.add(longer));
  ASSERT_TRUE(loop.advance_all());
  for (int rounds = 0; !loop.is_done() && rounds < 1000; ++rounds) {
    ASSERT_TRUE(loop.wait_and_advance());
  }
  EXPECT_TRUE(loop.is_done());
  EXPECT_EQ(target.statements.size(), 52U);
}

TEST_F(ChannelLoopTest, AnErrorThatATaskTakesEndsNothing) {
  CountingTask task(first, 3);
  task.fails_at = 1;
  task.takes_errors = true;
  ASSERT_TRUE(loop.add(task));
  ASSERT_TRUE(loop.advance_all());
  for (int rounds = 0; !loop.is_done() && rounds < 1000; ++rounds) {
    ASSERT_TRUE(loop.wait_and_advance());
  }
  EXPECT_EQ(task.errors, 1);
  EXPECT_EQ(target.statements.size(), 2U);
}

TEST_F(ChannelLoopTest, AnErrorThatATaskReturnsEndsTheRound) {
  CountingTask task(first, 3);
  task.fails_at = 2;
  ASSERT_TRUE(loop.add(task));
  const auto advanced = loop.advance_all();
  ASSERT_FALSE(advanced);
  EXPECT_EQ(advanced.error().code, "test");
}

TEST_F(ChannelLoopTest, AnotherThreadsSignalIsTaken) {
  const Wakeup wakeup;
  ASSERT_TRUE(loop.add(wakeup));
  wakeup.signal();
  pollfd signalled{wakeup.descriptor(), POLLIN, 0};
  ASSERT_EQ(poll(&signalled, 1, 0), 1);
  ASSERT_TRUE(loop.wait_and_advance());
  EXPECT_EQ(poll(&signalled, 1, 0), 0);
}

TEST_F(ChannelLoopTest, ASocketThatCannotBeWatchedIsAnError) {
  ClosedChannel closed;
  CountingTask task(closed, 1);
  const auto added = loop.add(task);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, "internal");
  EXPECT_NE(added.error().message.find("Bad file descriptor"), std::string::npos);
}

}  // namespace
}  // namespace pgfanout
