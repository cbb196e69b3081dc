// Statements that are called off while they wait for the server.
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>

#include "copier/pg/connection.h"
#include "tests/pg/stalling_link.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

class CancelledStatementTest : public ::testing::Test {
 protected:
  /// Once this backend runs a statement that sleeps.
  void cancel_when_asleep(int backend) {
    user = std::thread([this, backend] {
      const std::string asleep =
          "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = " +
          std::to_string(backend);
      const auto until = Clock::now() + seconds(30);
      while (harness::TestServer::shared().value("postgres", asleep) == "0" &&
             Clock::now() < until) {
        std::this_thread::sleep_for(milliseconds(5));
      }
      cancellation->set();
    });
  }
  void TearDown() override {
    if (user.joinable()) user.join();
  }
  Connection open() {
    ConnectOptions options{link.dsn(), "test"};
    options.cancellation = &*cancellation;
    auto connection = Connection::open(options);
    if (!connection) throw std::runtime_error(connection.error().message);
    return *std::move(connection);
  }

  testing::StallingLink link;
  std::optional<Cancellation> cancellation{std::in_place};
  std::thread user;
};

TEST_F(CancelledStatementTest, IsCancelledOnTheServerToo) {
  Connection connection = open();
  cancel_when_asleep(connection.backend_pid());
  const auto rows = connection.query("SELECT pg_sleep(600)");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "cancelled");
  EXPECT_EQ(rows.error().consequence, Consequence::interrupt);
  cancellation.emplace();  // At the same address.
  EXPECT_TRUE(connection.query("SELECT 1")) << "the connection can be used again";
}

TEST_F(CancelledStatementTest, ResultsThatCameAllTheSameAreKept) {
  Connection connection = open();
  cancel_when_asleep(connection.backend_pid());
  const auto done = connection.run(
      "CREATE TEMPORARY TABLE seen (n int);"
      "DO $$ BEGIN PERFORM pg_catalog.pg_sleep(600); EXCEPTION WHEN query_canceled THEN"
      " INSERT INTO seen VALUES (1); END $$");
  EXPECT_TRUE(done) << done.error().message;
  cancellation.emplace();  // At the same address.
  const auto rows = connection.query("SELECT n FROM pg_temp.seen");
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->size(), 1);
}

TEST_F(CancelledStatementTest, StalledLinkDoesNotDelayIt) {
  Connection connection = open();
  link.stall_for_good();
  cancellation->set();
  const auto rows = connection.query("SELECT 1");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "cancelled");
  EXPECT_FALSE(connection.is_open());
}

}  // namespace
}  // namespace pgfanout
