// How work in a transaction ends, for each way in which work, COMMIT and ROLLBACK can fail.
#include "copier/pg/transaction.h"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "tests/harness/test_server.h"

namespace pgfanout {
namespace {

class TransactionTest : public ::testing::Test {
 protected:
  TransactionTest() {
    server.execute(database,
                   "CREATE TABLE public.t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);"
                   "INSERT INTO public.t VALUES (1)");
  }
  static Connection open(const std::string& dsn) {
    auto connection = Connection::open({dsn, "test"});
    if (!connection) throw std::runtime_error(connection.error().message);
    return *std::move(connection);
  }
  Result<void> insert(int number) {
    return connection.run("INSERT INTO public.t VALUES (" + std::to_string(number) + ")");
  }
  [[nodiscard]] std::string rows_of_others() const {
    return server.value(database, "SELECT count(*) FROM public.t");
  }
  /// The connection has no transaction open, and can be used.
  void expect_idle() {
    const auto ran = connection.run("SAVEPOINT one");
    ASSERT_FALSE(ran);
    EXPECT_EQ(ran.error().sqlstate, "25P01") << "no_active_sql_transaction";
  }
  void end_backend() const {
    const std::string pid = std::to_string(connection.backend_pid());
    server.execute("postgres", "SELECT pg_terminate_backend(" + pid + ")");
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (server.value("postgres", "SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid) !=
               "0" &&
           std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  harness::TestServer& server = harness::TestServer::shared();
  const std::string database = server.create_database("transaction");
  Connection connection = open(server.dsn(database));
};

TEST_F(TransactionTest, WorkIsCommitted) {
  ASSERT_TRUE(in_transaction(connection, {}, [&] { return insert(2); }));
  EXPECT_EQ(rows_of_others(), "2");
  expect_idle();
}

TEST_F(TransactionTest, WorkIsRolledBackOnDemand) {
  ASSERT_TRUE(
      in_transaction(connection, {"BEGIN", TransactionEnd::roll_back}, [&] { return insert(2); }));
  EXPECT_EQ(rows_of_others(), "1");
  expect_idle();
}

TEST_F(TransactionTest, TransactionStaysOpenOnDemand) {
  ASSERT_TRUE(in_transaction(connection,
                             {"BEGIN; SET LOCAL lock_timeout = '7s'", TransactionEnd::stay_open},
                             [&] { return insert(2); }));
  EXPECT_EQ(rows_of_others(), "1");
  const auto timeout = connection.query("SHOW lock_timeout");
  ASSERT_TRUE(timeout);
  EXPECT_EQ(timeout->text(0, 0), "7s");
  ASSERT_TRUE(connection.run("COMMIT"));
  EXPECT_EQ(rows_of_others(), "2");
}

TEST_F(TransactionTest, FailedWorkIsRolledBack) {
  for (const auto end :
       {TransactionEnd::commit, TransactionEnd::roll_back, TransactionEnd::stay_open}) {
    const auto done = in_transaction(connection, {"BEGIN", end}, [&]() -> Result<void> {
      PGFANOUT_TRY(insert(2));
      return connection.run("SELECT 1 / 0");
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().sqlstate, "22012");
    EXPECT_EQ(rows_of_others(), "1");
    expect_idle();
  }
}

TEST_F(TransactionTest, ErrorThatIsNotTheServersIsRolledBackToo) {
  const auto done = in_transaction(connection, {}, [&]() -> Result<void> {
    PGFANOUT_TRY(insert(2));
    return refused("unwanted", "nobody wants it");
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "unwanted");
  EXPECT_EQ(rows_of_others(), "1");
  expect_idle();
}

TEST_F(TransactionTest, FailedBeginKeepsTheWorkFromBeingDone) {
  bool was_called = false;
  const auto done = in_transaction(connection, {"BEGIN; SELECT 1 / 0"}, [&]() -> Result<void> {
    was_called = true;
    return {};
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().sqlstate, "22012");
  EXPECT_FALSE(was_called);
}

TEST_F(TransactionTest, ErrorOfTheCommitIsReturned) {
  const auto done = in_transaction(connection, {}, [&] { return insert(1); });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().sqlstate, "23505");
  EXPECT_EQ(rows_of_others(), "1");
  expect_idle();
}

TEST_F(TransactionTest, CommitThatLosesTheConnectionIsAnError) {
  const auto done = in_transaction(connection, {}, [&]() -> Result<void> {
    PGFANOUT_TRY(insert(2));
    end_backend();
    return {};
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "connection-lost");
  EXPECT_FALSE(connection.is_open());
}

TEST_F(TransactionTest, ConnectionLostInTheWorkIsTheErrorThatCounts) {
  const auto done = in_transaction(connection, {}, [&]() -> Result<void> {
    PGFANOUT_TRY(insert(2));
    return connection.run("SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())");
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "connection-lost");
  EXPECT_EQ(done.error().sqlstate, "57P01") << "the server's words are kept";
  EXPECT_EQ(rows_of_others(), "1");
}

TEST_F(TransactionTest, ErrorOfTheRollbackTakesTheWorksPlace) {
  const auto done = in_transaction(connection, {}, [&]() -> Result<void> {
    PGFANOUT_TRY(insert(2));
    end_backend();
    return refused("unwanted", "nobody wants it");
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, "connection-lost");
  EXPECT_EQ(rows_of_others(), "1");
}

}  // namespace
}  // namespace pgfanout
