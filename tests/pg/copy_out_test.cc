// COPY TO: the end is the trailer and the server's OK; anything else is an error.
#include "copier/pg/copy_out.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "copier/wire/decoder.h"
#include "tests/harness/test_server.h"

namespace pgfanout {
namespace {

using harness::TestServer;

class CopyOutTest : public ::testing::Test {
 protected:
  CopyOutTest() {
    auto opened = Connection::open({TestServer::shared().dsn(), "test"});
    if (!opened) throw std::runtime_error(opened.error().message);
    connection.emplace(*std::move(opened));
  }

  /// All messages, or the error that ended them.
  Result<std::vector<std::string>> read(const std::string& sql) {
    PGFANOUT_TRY_ASSIGN(auto stream, CopyOut::start(*connection, sql, cancellation));
    std::vector<std::string> messages;
    while (true) {
      PGFANOUT_TRY_ASSIGN(const std::optional<ByteView> message, stream->next());
      if (!message) return messages;
      messages.emplace_back(as_text(*message));
    }
  }

  std::optional<Connection> connection;
  Cancellation cancellation;
};

TEST_F(CopyOutTest, OneMessageARowTheHeaderWithTheFirstAndTheTrailerAlone) {
  const auto messages =
      read("COPY (SELECT n, n::text FROM generate_series(1, 1000) n) TO STDOUT (FORMAT binary)");
  ASSERT_TRUE(messages);
  ASSERT_EQ(messages->size(), 1001U);
  EXPECT_EQ(messages->back(), std::string("\xff\xff", 2));
  std::string stream;
  for (const auto& message : *messages) stream += message;
  Decoder decoder(2, {});
  RowIndex index;
  EXPECT_EQ(decoder.decode(as_bytes(stream), 0, index).status, DecodeStatus::done);
  EXPECT_EQ(index.rows.size(), 1000U);
}

TEST_F(CopyOutTest, EmptyResultIsOneMessageWithHeaderAndTrailer) {
  const auto messages = read("COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)");
  ASSERT_TRUE(messages);
  ASSERT_EQ(messages->size(), 1U);
  EXPECT_EQ(messages->front().size(), 21U);
}

TEST_F(CopyOutTest, ErrorBehindRowsIsNotTheEnd) {
  const auto messages =
      read("COPY (SELECT 1 / (500 - n) FROM generate_series(1, 1000) n) TO STDOUT (FORMAT binary)");
  ASSERT_FALSE(messages);
  EXPECT_EQ(messages.error().sqlstate, "22012");
  EXPECT_EQ(messages.error().consequence, Consequence::refuse);
  EXPECT_TRUE(connection->query("SELECT 1")) << "the connection can be used again";
}

TEST_F(CopyOutTest, RowsBeforeTheFailingOneAreAllDelivered) {
  auto stream = CopyOut::start(
      *connection,
      "COPY (SELECT 1 / (500 - n) FROM generate_series(1, 1000) n) TO STDOUT (FORMAT binary)",
      cancellation);
  ASSERT_TRUE(stream);
  int messages = 0;
  while ((*stream)->next()) ++messages;
  EXPECT_EQ(messages, 499);
}

TEST_F(CopyOutTest, DeathOfTheServersProcessIsNotTheEnd) {
  auto stream = CopyOut::start(
      *connection,
      "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT (FORMAT binary)",
      cancellation);
  ASSERT_TRUE(stream);
  ASSERT_TRUE((*stream)->next());
  TestServer::shared().execute(
      "postgres", "SELECT pg_terminate_backend(" + std::to_string(connection->backend_pid()) + ")");
  auto event = (*stream)->next();
  while (event && *event) event = (*stream)->next();
  ASSERT_FALSE(event) << "a broken stream must never look finished";
  EXPECT_EQ(event.error().consequence, Consequence::interrupt);
}

TEST_F(CopyOutTest, CancellationIsSeenWhileTheServerIsSilent) {
  std::thread user([this] {
    const std::string asleep =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = " +
        std::to_string(connection->backend_pid());
    for (int look = 0; look < 1000; ++look) {
      if (TestServer::shared().value("postgres", asleep) == "1") break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    cancellation.set();
  });
  const auto messages = read("COPY (SELECT pg_sleep(600)) TO STDOUT (FORMAT binary)");
  user.join();
  ASSERT_FALSE(messages);
  EXPECT_EQ(messages.error().code, "cancelled");
}

TEST_F(CopyOutTest, StatementThatCannotStartIsAnError) {
  const auto messages = read("COPY public.no_such_table TO STDOUT (FORMAT binary)");
  ASSERT_FALSE(messages);
  EXPECT_EQ(messages.error().sqlstate, "42P01");
  EXPECT_TRUE(connection->query("SELECT 1"));
}

}  // namespace
}  // namespace pgfanout
