// A server that is silent because it works, and one that is silent because nothing gets through.
#include "copier/pg/stall_watch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <thread>

#include "copier/pg/copy_out.h"
#include "copier/pg/write_channel.h"
#include "pgfanout/bytes.h"
#include "tests/harness/test_server.h"
#include "tests/pg/stalling_link.h"

namespace pgfanout {
namespace {

using harness::TestServer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

class StallWatchTest : public ::testing::Test {
 protected:
  Connection open(seconds stall_timeout = seconds(1)) {
    auto connection =
        Connection::open({link.dsn(), "pgfanout/stall/x", seconds(10), stall_timeout});
    if (!connection) throw std::runtime_error(connection.error().message);
    return *std::move(connection);
  }
  static bool ends(int backend) {
    const std::string alive =
        "SELECT count(*) FROM pg_stat_activity WHERE pid = " + std::to_string(backend);
    for (int look = 0; look < 50; ++look) {
      if (TestServer::shared().value("postgres", alive) == "0") return true;
      std::this_thread::sleep_for(milliseconds(100));
    }
    return false;
  }
  static void terminate(int backend) {
    TestServer::shared().execute("postgres",
                                 "SELECT pg_terminate_backend(" + std::to_string(backend) + ")");
  }
  /// As a lane's driver does: steps on events, and looks once in a while.
  static Result<void> drive(WriteChannel& channel, seconds duration) {
    const auto end = Clock::now() + duration;
    while ((channel.state() == ChannelState::waiting || channel.must_flush()) &&
           Clock::now() < end) {
      const auto events = static_cast<short>(POLLIN | (channel.must_flush() ? POLLOUT : 0));
      pollfd descriptor{channel.socket(), events, 0};
      if (poll(&descriptor, 1, 100) > 0) {
        PGFANOUT_TRY(channel.step((descriptor.revents & (POLLIN | POLLHUP)) != 0));
      } else {
        PGFANOUT_TRY(channel.check_stalled());
      }
    }
    return {};
  }
  [[nodiscard]] seconds elapsed() const {
    return std::chrono::floor<seconds>(Clock::now() - began);
  }

  testing::StallingLink link;
  Cancellation cancellation;
  Clock::time_point began = Clock::now();
};

TEST_F(StallWatchTest, StatementBehindAStalledLinkEnds) {
  Connection connection = open();
  const int backend = connection.backend_pid();
  link.stall();
  const auto rows = connection.query("SELECT 1");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "stalled");
  EXPECT_EQ(rows.error().consequence, Consequence::interrupt);
  EXPECT_NE(rows.error().message.find("for 1 seconds"), std::string::npos) << rows.error().message;
  EXPECT_NE(rows.error().where.find("/postgres"), std::string::npos) << rows.error().where;
  EXPECT_NE(rows.error().hint.find("network"), std::string::npos);
  EXPECT_LT(elapsed(), seconds(6));
  EXPECT_FALSE(connection.is_open());
  EXPECT_EQ(connection.run("ROLLBACK").error().code, "connection-lost");
  EXPECT_TRUE(ends(backend)) << "its locks would stand in the way of the next call";
}

TEST_F(StallWatchTest, LongStatementThatCannotBeSentEnds) {
  Connection connection = open();
  link.stall();
  const auto sent = connection.run("SELECT '" + std::string(32 << 20, 'x') + "'");
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, "stalled");
  EXPECT_LT(elapsed(), seconds(8));
}

TEST_F(StallWatchTest, ServerThatCannotBeReachedIsStalled) {
  Connection connection = open();
  link.stall_for_good();
  const auto rows = connection.query("SELECT 1");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "stalled");
  EXPECT_GE(elapsed(), seconds(11));
  EXPECT_LT(elapsed(), seconds(16));
}

TEST_F(StallWatchTest, ServerThatWorksIsNotStalled) {
  Connection connection = open();
  const auto rows = connection.query("SELECT 7, pg_sleep(4)");
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->integer(0, 0), 7);
}

TEST_F(StallWatchTest, NobodyLooksWhenToldNotTo) {
  Connection connection = open(seconds(0));
  link.stall();
  auto since = Clock::now() - seconds(3600);
  EXPECT_TRUE(connection.check_stalled(since));
}

TEST_F(StallWatchTest, BackendThatEndedUnheardIsALostConnection) {
  Connection connection = open();
  std::thread someone([&] {
    std::this_thread::sleep_for(milliseconds(500));
    link.stall();
    terminate(connection.backend_pid());
  });
  const auto rows = connection.query("SELECT pg_sleep(30)");
  someone.join();
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "connection-lost");
  EXPECT_LT(elapsed(), seconds(7));
}

TEST_F(StallWatchTest, ReadingBehindAStalledLinkEnds) {
  Connection connection = open();
  auto stream = CopyOut::start(
      connection, "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT",
      cancellation);
  ASSERT_TRUE(stream);
  ASSERT_TRUE((*stream)->next());
  link.stall();
  auto event = (*stream)->next();
  while (event && *event == CopyOutEvent::message) event = (*stream)->next();
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().code, "stalled");
  EXPECT_LT(elapsed(), seconds(7));
}

TEST_F(StallWatchTest, ReadingOfWhatTakesLongIsNotStalled) {
  Connection connection = open();
  auto stream = CopyOut::start(
      connection, "COPY (SELECT pg_sleep(1.5) FROM generate_series(1, 2)) TO STDOUT", cancellation);
  ASSERT_TRUE(stream);
  EXPECT_TRUE((*stream)->next());
  EXPECT_TRUE((*stream)->next());
}

TEST_F(StallWatchTest, WritingBehindAStalledLinkEnds) {
  TestServer::shared().execute("postgres", "CREATE TABLE IF NOT EXISTS stalled (t text)");
  auto channel = make_write_channel(open());
  ASSERT_TRUE(channel);
  ASSERT_TRUE((*channel)->send("COPY public.stalled FROM STDIN"));
  ASSERT_TRUE(drive(**channel, seconds(5)));
  ASSERT_EQ((*channel)->state(), ChannelState::copying);
  link.stall();
  const std::string piece = std::string(30000, 'x') + "\n";
  Result<void> written;
  while (written && elapsed() < seconds(20)) {
    written = (*channel)->put(as_bytes(piece));
    if (written) written = drive(**channel, seconds(10));
  }
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, "stalled");
}

TEST_F(StallWatchTest, AnswerBehindAStalledLinkIsMissed) {
  auto channel = make_write_channel(open());
  ASSERT_TRUE(channel);
  link.stall();
  ASSERT_TRUE((*channel)->send("COMMIT"));
  const auto answered = drive(**channel, seconds(10));
  ASSERT_FALSE(answered);
  EXPECT_EQ(answered.error().code, "stalled");
}

TEST_F(StallWatchTest, StatementThatTakesLongIsNotStalled) {
  auto channel = make_write_channel(open());
  ASSERT_TRUE(channel);
  ASSERT_TRUE((*channel)->send("SELECT pg_sleep(3)"));
  ASSERT_TRUE(drive(**channel, seconds(10)));
  EXPECT_EQ((*channel)->state(), ChannelState::ready);
}

TEST_F(StallWatchTest, ChannelWithNothingToDoIsNotStalled) {
  auto channel = make_write_channel(open());
  ASSERT_TRUE(channel);
  link.stall();
  std::this_thread::sleep_for(milliseconds(1500));
  EXPECT_TRUE((*channel)->check_stalled());
}

}  // namespace
}  // namespace pgfanout
