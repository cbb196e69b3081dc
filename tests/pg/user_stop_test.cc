// The user stops the program while a connection waits: for a server that works, behind a link that
// is dead, or for one that never takes the request to cancel.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "copier/pg/connection.h"
#include "tests/pg/stalling_link.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

class UserStopTest : public ::testing::Test {
 protected:
  void SetUp() override { set_user_stop(soon); }
  void TearDown() override {
    static const Cancellation never;
    set_user_stop(never);
  }
  [[nodiscard]] Connection open() const {
    auto connection = Connection::open({link.dsn(), "test"});
    if (!connection) throw std::runtime_error(connection.error().message);
    return *std::move(connection);
  }
  /// How long it takes after the stop.
  template <class Work>
  static Clock::duration time_of(Cancellation& stop, Work work) {
    stop.set();
    const auto began = Clock::now();
    work();
    return Clock::now() - began;
  }

  testing::StallingLink link;
  Cancellation now;
  Cancellation soon{&now};
};

TEST_F(UserStopTest, AStatementOfAServerThatWorksIsFinished) {
  Connection connection = open();
  soon.set();
  const auto rows = connection.query("SELECT 7, pg_sleep(1.5)");
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->integer(0, 0), 7);
}

TEST_F(UserStopTest, ADeadLinkIsNoticedAtOnce) {
  Connection connection = open();
  link.stall_for_good();
  std::string code;
  const auto time = time_of(soon, [&] { code = connection.run("ROLLBACK").error().code; });
  EXPECT_EQ(code, "stalled");
  EXPECT_LT(time, seconds(6));
  EXPECT_FALSE(connection.is_open());
}

TEST_F(UserStopTest, StopAtOnceCancelsAStatement) {
  Connection connection = open();
  std::string code;
  const auto time =
      time_of(now, [&] { code = connection.run("SELECT pg_sleep(60)").error().code; });
  EXPECT_EQ(code, "cancelled");
  EXPECT_LT(time, seconds(4));
  EXPECT_TRUE(connection.run("ROLLBACK")) << "what takes a moment only is still done";
}

TEST_F(UserStopTest, StopAtOnceDoesNotWaitForADeadLink) {
  Connection connection = open();
  link.stall_for_good();
  std::string code;
  const auto time = time_of(now, [&] { code = connection.run("SELECT 1").error().code; });
  EXPECT_EQ(code, "cancelled");
  EXPECT_LT(time, seconds(4));
  EXPECT_LT(time_of(now, [&] { EXPECT_FALSE(connection.run("ROLLBACK")); }), milliseconds(100));
}

TEST_F(UserStopTest, NobodyWaitsForAConnectionThatIsNotMade) {
  link.stall_for_good();
  ConnectOptions options{link.dsn(), "test"};
  options.connect_timeout = seconds(60);
  std::string code;
  const auto time = time_of(soon, [&] { code = Connection::open(options).error().code; });
  EXPECT_EQ(code, "cancelled");
  EXPECT_LT(time, seconds(4));
}

TEST_F(UserStopTest, AnalysingAQueryIsCancelledToo) {
  Connection connection = open();
  link.stall_for_good();
  std::string code;
  const auto time = time_of(now, [&] { code = connection.describe("SELECT 1").error().code; });
  EXPECT_EQ(code, "cancelled");
  EXPECT_LT(time, seconds(4));
}

}  // namespace
}  // namespace pgfanout
