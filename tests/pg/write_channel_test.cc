// Writing by events, against a real server: rows, refusals in the middle, lost connections.
#include "copier/pg/write_channel.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>

#include "copier/wire/encoder.h"
#include "tests/harness/test_server.h"

namespace pgfanout {
namespace {

using harness::TestServer;

class WriteChannelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TestServer& server = TestServer::shared();
    database = server.create_database("channel");
    server.execute(database, "CREATE TABLE t (id int CHECK (id >= 0), k int)");
    auto connection = Connection::open({server.dsn(database), "test"});
    ASSERT_TRUE(connection);
    backend = connection->backend_pid();
    channel = make_write_channel(*std::move(connection));
  }

  /// Drives the channel until it waits for nothing.
  Result<void> settle() {
    while (channel->state() == ChannelState::waiting || channel->must_flush()) {
      PGFANOUT_TRY(poll_once(5000));
    }
    return {};
  }
  Result<void> poll_once(int wait_ms) {
    const auto events = static_cast<short>(POLLIN | (channel->must_flush() ? POLLOUT : 0));
    pollfd descriptor{channel->socket(), events, 0};
    const int ready = poll(&descriptor, 1, wait_ms);
    return channel->step(ready > 0 && (descriptor.revents & (POLLIN | POLLHUP)) != 0);
  }
  Result<void> send(const std::string& sql) {
    PGFANOUT_TRY(channel->send(sql));
    return settle();
  }
  /// (id, k)
  static std::string row(std::int32_t id, std::int64_t key) {
    const std::uint8_t field[] = {0,
                                  0,
                                  0,
                                  4,
                                  static_cast<std::uint8_t>(id >> 24),
                                  static_cast<std::uint8_t>(id >> 16),
                                  static_cast<std::uint8_t>(id >> 8),
                                  static_cast<std::uint8_t>(id)};
    std::string bytes(encoded_row_bytes(sizeof field, KeyField::int4), '\0');
    encode_row(reinterpret_cast<std::uint8_t*>(bytes.data()), 1, field, KeyField::int4, key);
    return bytes;
  }
  Result<void> put(const std::string& bytes) {
    PGFANOUT_TRY(channel->put(as_bytes(bytes)));
    while (channel->must_flush()) PGFANOUT_TRY(poll_once(100));
    return {};
  }

  std::string database;
  int backend = 0;
  std::unique_ptr<WriteChannel> channel;
};

TEST_F(WriteChannelTest, CopiesRowsAndCountsThem) {
  ASSERT_TRUE(send("COPY public.t FROM STDIN (FORMAT binary)"));
  ASSERT_EQ(channel->state(), ChannelState::copying);
  ASSERT_TRUE(put(std::string(as_text(copy_header())) + row(1, 7) + row(2, 8)));
  ASSERT_TRUE(put(std::string(as_text(copy_trailer()))));
  ASSERT_TRUE(channel->end_copy());
  ASSERT_TRUE(settle());
  EXPECT_EQ(channel->state(), ChannelState::ready);
  EXPECT_EQ(channel->rows_copied(), 2U);
  EXPECT_EQ(TestServer::shared().value(database, "SELECT string_agg(id || ':' || k, ' ') FROM t"),
            "1:7 2:8");
}

TEST_F(WriteChannelTest, RefusalIsHeardWhileSending) {
  ASSERT_TRUE(send("COPY public.t FROM STDIN (FORMAT binary)"));
  ASSERT_TRUE(put(std::string(as_text(copy_header())) + row(-1, 7)));
  // Enough behind it that the server parses the first row at once.
  std::string more;
  for (int id = 0; id < 1000; ++id) more += row(id, 0);
  const auto began = std::chrono::steady_clock::now();
  Result<void> step;
  while (step && std::chrono::steady_clock::now() - began < std::chrono::seconds(10)) {
    if (channel->state() == ChannelState::copying) step = put(more);
    if (step) step = poll_once(10);
  }
  ASSERT_FALSE(step) << "a rejected COPY must not swallow rows for ever";
  EXPECT_EQ(step.error().sqlstate, "23514");
  EXPECT_EQ(step.error().consequence, Consequence::refuse);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

TEST_F(WriteChannelTest, LostBackendIsAnInterruption) {
  ASSERT_TRUE(send("COPY public.t FROM STDIN (FORMAT binary)"));
  ASSERT_TRUE(put(std::string(as_text(copy_header())) + row(1, 7)));
  TestServer::shared().execute("postgres",
                               "SELECT pg_terminate_backend(" + std::to_string(backend) + ")");
  const auto began = std::chrono::steady_clock::now();
  Result<void> step;
  while (step && std::chrono::steady_clock::now() - began < std::chrono::seconds(10)) {
    step = poll_once(100);
  }
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().consequence, Consequence::interrupt);
}

TEST_F(WriteChannelTest, CommitThatBecomesRollbackIsVisible) {
  ASSERT_TRUE(send("BEGIN"));
  EXPECT_FALSE(send("SELECT 1/0"));
  ASSERT_TRUE(send("COMMIT"));
  EXPECT_EQ(channel->command_tag(), "ROLLBACK");
}

TEST_F(WriteChannelTest, ChannelThatGoesAwayInACopyLeavesNothing) {
  ASSERT_TRUE(send("COPY public.t FROM STDIN (FORMAT binary)"));
  ASSERT_TRUE(put(std::string(as_text(copy_header())) + row(1, 7)));
  channel.reset();
  EXPECT_EQ(TestServer::shared().value(database, "SELECT count(*) FROM t"), "0");
}

}  // namespace
}  // namespace pgfanout
