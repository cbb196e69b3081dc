// Runs that are killed at random: from anywhere there is a way back, and a way on.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <random>
#include <thread>

#include "tests/integration/rollback_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;

class RollbackLongTest : public testing::RollbackFixture {};

TEST_F(RollbackLongTest, InTheMiddleOfAnyStage) {
  make_table(4000);
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 8; ++round) {
    harness::BackgroundCommand command(harness::pgfanout_argv(
        {"run", "--source", dsn(), "--table", "chunks", "--swap", "--json", "--writers", "8"}));
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + random() % 1400));
    command.send_signal(SIGKILL);
    command.wait();
    // It may have ended before, or not have begun.
    const CommandResult undone = window("rollback", {"--table", "chunks"});
    if (undone.exit_code != 0) {
      EXPECT_TRUE(has_issue("no-job")) << undone;
    }
    expect_as_before();
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST_F(RollbackLongTest, KilledRunsGoOnAndEndAsOneThatWasNot) {
  make_table(4000);
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 6; ++round) {
    harness::BackgroundCommand command(harness::pgfanout_argv(
        {"run", "--source", dsn(), "--table", "chunks", "--json", "--writers", "8"}));
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + random() % 1000));
    command.send_signal(SIGKILL);
    command.wait();
  }
  const CommandResult ended = window("run", {"--table", "chunks", "--swap", "--writers", "8"});
  ASSERT_EQ(ended.exit_code, 0) << ended;
  EXPECT_EQ(value("SELECT count(*) || ' ' || sum(hashtextextended(ROW(id, collection_id, content,"
                  " metadata, created_at)::text, 0)) FROM chunks c"),
            rows_);
  EXPECT_EQ(value("SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indrelid"
                  " WHERE h.inhparent = 'chunks'::regclass AND i.indisvalid"),
            "24");
  ASSERT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  expect_as_before();
}

}  // namespace
}  // namespace pgfanout
