// A server that is silent because it works, and one that is silent because nothing gets through.
#include "copier/pg/stall_watch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
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
  /// A link is given up after a moment of silence. A look at the server may take its time: it ends
  /// as soon as the server has answered.
  Connection open(const ConnectOptions& more = {}) {
    ConnectOptions options = more;
    options.dsn = link.dsn();
    options.application_name = "pgfanout/stall/x";
    options.stall_timeout = std::min(more.stall_timeout, milliseconds(50));
    auto connection = Connection::open(options);
    if (!connection) throw std::runtime_error(connection.error().message);
    return *std::move(connection);
  }
  /// Nothing is on its way behind a link that was stalled.
  Connection open_for_a_stall() {
    ConnectOptions options;
    options.arrival_timeout = milliseconds(10);
    return open(options);
  }
  static bool ends(int backend) {
    const std::string alive =
        "SELECT count(*) FROM pg_stat_activity WHERE pid = " + std::to_string(backend);
    const auto until = Clock::now() + seconds(30);
    while (Clock::now() < until) {
      if (TestServer::shared().value("postgres", alive) == "0") return true;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }
  static void terminate(int backend) {
    TestServer::shared().execute("postgres",
                                 "SELECT pg_terminate_backend(" + std::to_string(backend) + ")");
  }
  /// As a lane's driver does: steps on events, and looks once in a while.
  static Result<void> drive(WriteChannel& channel) {
    const auto end = Clock::now() + seconds(60);
    while ((channel.state() == ChannelState::waiting || channel.must_flush()) &&
           Clock::now() < end) {
      const auto events = static_cast<short>(POLLIN | (channel.must_flush() ? POLLOUT : 0));
      pollfd descriptor{channel.socket(), events, 0};
      if (poll(&descriptor, 1, 20) > 0) {
        PGFANOUT_TRY(channel.step((descriptor.revents & (POLLIN | POLLHUP)) != 0));
      } else {
        PGFANOUT_TRY(channel.check_stalled());
      }
    }
    return {};
  }

  testing::StallingLink link;
  Cancellation cancellation;
};

TEST_F(StallWatchTest, StatementBehindAStalledLinkEnds) {
  Connection connection = open_for_a_stall();
  const int backend = connection.backend_pid();
  link.stall();
  const auto rows = connection.query("SELECT 1");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "stalled");
  EXPECT_EQ(rows.error().consequence, Consequence::interrupt);
  EXPECT_NE(rows.error().where.find("/postgres"), std::string::npos) << rows.error().where;
  EXPECT_NE(rows.error().hint.find("network"), std::string::npos);
  EXPECT_FALSE(connection.is_open());
  EXPECT_EQ(connection.run("ROLLBACK").error().code, "connection-lost");
  EXPECT_TRUE(ends(backend)) << "its locks would stand in the way of the next call";
}

TEST_F(StallWatchTest, SaysForHowLongNothingCame) {
  Connection connection = open_for_a_stall();
  link.stall();
  auto since = Clock::now() - seconds(61);
  auto checked = connection.check_stalled(since);
  EXPECT_TRUE(checked) << "no call waits for the server's answer";
  while (checked) {
    std::this_thread::sleep_for(milliseconds(1));
    checked = connection.check_stalled(since);
  }
  EXPECT_NE(checked.error().message.find("for 61 seconds"), std::string::npos)
      << checked.error().message;
}

TEST_F(StallWatchTest, LongStatementThatCannotBeSentEnds) {
  Connection connection = open_for_a_stall();
  link.stall();
  const auto sent = connection.run("SELECT '" + std::string(32 << 20, 'x') + "'");
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, "stalled");
}

TEST_F(StallWatchTest, ServerThatCannotBeReachedIsStalled) {
  ConnectOptions options;
  options.query_timeout = milliseconds(200);
  options.arrival_timeout = milliseconds(10);
  Connection connection = open(options);
  link.stall_for_good();
  const auto began = Clock::now();
  const auto rows = connection.query("SELECT 1");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "stalled");
  EXPECT_GE(Clock::now() - began, milliseconds(250));
}

TEST_F(StallWatchTest, ServerThatWorksIsNotStalled) {
  Connection connection = open();
  const std::size_t before = link.connections();
  const auto rows = connection.query("SELECT 7, pg_sleep(0.3)");
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->integer(0, 0), 7);
  EXPECT_GT(link.connections(), before) << "it was probed";
}

TEST_F(StallWatchTest, ABackendThatWaitsForOthersIsNamedAndWaitedFor) {
  std::mutex mutex;
  std::string told;
  set_wait_listener([&](const Issue& issue) {
    const std::lock_guard lock(mutex);
    told = issue.message;
  });
  Connection connection = open();
  auto holder = std::make_unique<harness::Session>(harness::TestServer::shared().dsn());
  holder->execute("SELECT pg_advisory_lock(4711)");
  auto waits = std::async(std::launch::async,
                          [&] { return connection.run("SELECT pg_advisory_lock(4711)"); });
  while (waits.wait_for(milliseconds(5)) != std::future_status::ready) {
    const std::lock_guard lock(mutex);
    if (!told.empty()) holder.reset();
  }
  set_wait_listener({});
  EXPECT_TRUE(waits.get());
  EXPECT_EQ(told, "backend " + std::to_string(connection.backend_pid()) +
                      " waits for a lock (Lock/advisory)");
}

TEST_F(StallWatchTest, NobodyLooksWhenToldNotTo) {
  ConnectOptions options;
  options.stall_timeout = milliseconds(0);
  Connection connection = open(options);
  link.stall();
  auto since = Clock::now() - seconds(3600);
  EXPECT_TRUE(connection.check_stalled(since));
}

TEST_F(StallWatchTest, BackendThatEndedUnheardIsALostConnection) {
  Connection connection = open_for_a_stall();
  link.stall();
  terminate(connection.backend_pid());
  ASSERT_TRUE(ends(connection.backend_pid()));
  const auto rows = connection.query("SELECT 1");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "connection-lost");
  EXPECT_NE(rows.error().message.find("has no backend"), std::string::npos) << rows.error().message;
}

TEST_F(StallWatchTest, ReadingBehindAStalledLinkEnds) {
  Connection connection = open_for_a_stall();
  auto stream = CopyOut::start(
      connection, "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT",
      cancellation);
  ASSERT_TRUE(stream);
  ASSERT_TRUE((*stream)->next());
  link.stall();
  auto event = (*stream)->next();
  while (event && *event) event = (*stream)->next();
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().code, "stalled");
}

TEST_F(StallWatchTest, ReadingOfWhatTakesLongIsNotStalled) {
  Connection connection = open();
  const std::size_t before = link.connections();
  auto stream = CopyOut::start(connection,
                               "COPY (SELECT pg_sleep(0.25) FROM generate_series(1, 2)) TO STDOUT",
                               cancellation);
  ASSERT_TRUE(stream);
  EXPECT_TRUE((*stream)->next());
  EXPECT_TRUE((*stream)->next());
  EXPECT_GT(link.connections(), before) << "it was probed";
}

TEST_F(StallWatchTest, WritingBehindAStalledLinkEnds) {
  TestServer::shared().execute("postgres", "CREATE TABLE IF NOT EXISTS stalled (t text)");
  auto channel = make_write_channel(open_for_a_stall());
  ASSERT_TRUE(channel->send("COPY public.stalled FROM STDIN"));
  ASSERT_TRUE(drive(*channel));
  ASSERT_EQ(channel->state(), ChannelState::copying);
  link.stall();
  const std::string piece = std::string(30000, 'x') + "\n";
  Result<void> written;
  for (int pieces = 0; written && pieces < 10'000; ++pieces) {  // More than any socket takes.
    written = channel->put(as_bytes(piece));
    if (written) written = drive(*channel);
  }
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, "stalled");
}

TEST_F(StallWatchTest, AnswerBehindAStalledLinkIsMissed) {
  auto channel = make_write_channel(open_for_a_stall());
  link.stall();
  ASSERT_TRUE(channel->send("COMMIT"));
  const auto answered = drive(*channel);
  ASSERT_FALSE(answered);
  EXPECT_EQ(answered.error().code, "stalled");
}

TEST_F(StallWatchTest, StatementThatTakesLongIsNotStalled) {
  auto channel = make_write_channel(open());
  const std::size_t before = link.connections();
  ASSERT_TRUE(channel->send("SELECT pg_sleep(0.3)"));
  ASSERT_TRUE(drive(*channel));
  EXPECT_EQ(channel->state(), ChannelState::ready);
  EXPECT_GT(link.connections(), before) << "it was probed";
}

TEST_F(StallWatchTest, ChannelWithNothingToDoIsNotStalled) {
  auto channel = make_write_channel(open_for_a_stall());
  ASSERT_TRUE(channel->send("SELECT 1"));
  ASSERT_TRUE(drive(*channel));
  link.stall();
  std::this_thread::sleep_for(milliseconds(60));  // Longer than it may be silent.
  EXPECT_TRUE(channel->check_stalled());
}

}  // namespace
}  // namespace pgfanout
