// Statements that are called off while they wait for the server.
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

class CancelledStatementTest : public ::testing::Test {
 protected:
  void cancel_soon() {
    user = std::thread([this] {
      std::this_thread::sleep_for(milliseconds(300));
      cancellation.set();
    });
  }
  void TearDown() override { user.join(); }
  Connection open() {
    auto connection = Connection::open({link.dsn(), "test"});
    if (!connection) throw std::runtime_error(connection.error().message);
    connection->set_cancellation(&cancellation);
    return *std::move(connection);
  }
  [[nodiscard]] milliseconds elapsed() const {
    return std::chrono::floor<milliseconds>(Clock::now() - began);
  }

  testing::StallingLink link;
  Cancellation cancellation;
  Clock::time_point began = Clock::now();
  std::thread user;
};

TEST_F(CancelledStatementTest, IsCancelledOnTheServerToo) {
  Connection connection = open();
  cancel_soon();
  const auto rows = connection.query("SELECT pg_sleep(30)");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "cancelled");
  EXPECT_EQ(rows.error().consequence, Consequence::interrupt);
  EXPECT_LT(elapsed(), seconds(3));
  connection.set_cancellation(nullptr);
  EXPECT_TRUE(connection.query("SELECT 1")) << "the connection can be used again";
}

TEST_F(CancelledStatementTest, ResultsThatCameAllTheSameAreKept) {
  Connection connection = open();
  cancel_soon();
  const auto done = connection.run(
      "CREATE TEMPORARY TABLE seen (n int);"
      "DO $$ BEGIN PERFORM pg_catalog.pg_sleep(0.6); EXCEPTION WHEN query_canceled THEN"
      " INSERT INTO seen VALUES (1); END $$");
  EXPECT_TRUE(done) << done.error().message;
  connection.set_cancellation(nullptr);
  const auto rows = connection.query("SELECT n FROM pg_temp.seen");
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->size(), 1);
}

TEST_F(CancelledStatementTest, StalledLinkDoesNotDelayIt) {
  Connection connection = open();
  link.stall_for_good();
  cancel_soon();
  const auto rows = connection.query("SELECT 1");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "cancelled");
  EXPECT_LT(elapsed(), seconds(4));
  EXPECT_FALSE(connection.is_open());
}

}  // namespace
}  // namespace pgfanout
