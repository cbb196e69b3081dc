// Tests each fault as a client on plain libpq sees it, and the effect on the server.
#include "tests/harness/fault_proxy.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <poll.h>

#include <chrono>
#include <memory>
#include <thread>

namespace pgfanout::harness {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class FaultProxyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    database_ = server().create_database("proxy");
    server().execute(database_, "CREATE TABLE t (id int, filler text)");
  }
  static TestServer& server() { return TestServer::shared(); }
  [[nodiscard]] std::string count() const {
    return server().value(database_, "SELECT count(*) FROM t");
  }
  /// True if an answer comes within that time.
  static bool answers(Session& session, milliseconds within) {
    PQsendQuery(session.raw(), "SELECT 1");
    pollfd polled{PQsocket(session.raw()), POLLIN, 0};
    return poll(&polled, 1, static_cast<int>(within.count())) > 0;
  }

  std::string database_;
  FaultProxy proxy_{server()};
};

TEST_F(FaultProxyTest, ForwardsEverythingByTcpAndByUnixSocket) {
  for (const std::string& dsn : {proxy_.dsn(database_), proxy_.unix_dsn(database_)}) {
    Session session(dsn + " application_name='a/b/writer'");
    std::string data;
    for (int id = 0; id < 20000; ++id)
      data += std::to_string(id) + "\t" + std::string(90, 'x') + "\n";
    session.copy_in("COPY t FROM STDIN", data);
    EXPECT_EQ(session.value("SELECT length(string_agg(filler, '')) FROM t"), "1800000");
    EXPECT_EQ(session.rows("SELECT * FROM t").size(), 20000U);
    EXPECT_EQ(session.value("SELECT pg_backend_pid()"), std::to_string(session.backend_pid()));
    session.execute("TRUNCATE t; BEGIN; COMMIT");
  }
  const auto seen = proxy_.connections();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[1].application, "a/b/writer");
  EXPECT_GT(seen[1].bytes_to_server, 1800000);
  EXPECT_GT(seen[1].bytes_to_client, 1800000);
  EXPECT_EQ(seen[1].replies.at("COPY"), 1);
  EXPECT_EQ(seen[1].replies.at("COMMIT"), 1);
}

TEST_F(FaultProxyTest, CommitsWhoseReplyIsLostHaveHappened) {
  ProxyFault fault{FaultKind::drop_message};
  fault.message = "COMMIT";
  fault.occurrence = 2;
  proxy_.add(fault);
  Session session(proxy_.dsn(database_));
  session.execute("BEGIN; INSERT INTO t VALUES (1); COMMIT");
  session.execute("BEGIN; INSERT INTO t VALUES (2)");
  EXPECT_THROW(session.execute("COMMIT"), ServerError);
  EXPECT_EQ(PQstatus(session.raw()), CONNECTION_BAD);
  EXPECT_EQ(count(), "2");
  EXPECT_EQ(proxy_.faults_met(), 1);
}

TEST_F(FaultProxyTest, CommitsThatDoNotArriveHaveNotHappened) {
  ProxyFault fault{FaultKind::drop_message};
  fault.message = "COMMIT";
  fault.direction = Direction::to_server;
  proxy_.add(fault);
  Session session(proxy_.dsn(database_));
  session.execute("BEGIN; INSERT INTO t VALUES (1)");
  EXPECT_THROW(session.execute("COMMIT"), ServerError);
  EXPECT_EQ(count(), "0");
}

TEST_F(FaultProxyTest, ReadyForQueryBehindACopyIsLost) {
  ProxyFault fault{FaultKind::drop_message};
  fault.message = "COPY";
  fault.ready_after = true;
  proxy_.add(fault);
  Session session(proxy_.dsn(database_));
  session.execute("SELECT 1");
  ASSERT_EQ(PQresultStatus(std::unique_ptr<PGresult, void (*)(PGresult*)>(
                               PQexec(session.raw(), "COPY t FROM STDIN"), PQclear)
                               .get()),
            PGRES_COPY_IN);
  PQputCopyData(session.raw(), "1\tx\n", 4);
  PQputCopyEnd(session.raw(), nullptr);
  std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQgetResult(session.raw()), PQclear);
  EXPECT_EQ(PQresultStatus(result.get()), PGRES_COMMAND_OK);
  result.reset(PQgetResult(session.raw()));
  EXPECT_EQ(PQresultStatus(result.get()), PGRES_FATAL_ERROR);
  EXPECT_EQ(count(), "1");
}

TEST_F(FaultProxyTest, StallKeepsTheConnectionAndEnds) {
  Session session(proxy_.dsn(database_));
  ProxyFault fault{FaultKind::stall};
  fault.length = milliseconds(150);
  fault.both_directions = true;
  proxy_.add(fault);
  EXPECT_FALSE(answers(session, milliseconds(50)));
  pollfd polled{PQsocket(session.raw()), POLLIN, 0};
  EXPECT_GT(poll(&polled, 1, 20000), 0) << "it ends";
  PQclear(PQgetResult(session.raw()));
  PQclear(PQgetResult(session.raw()));
  EXPECT_EQ(session.value("SELECT 2"), "2");

  fault.length = milliseconds(0);
  proxy_.add(fault);
  EXPECT_FALSE(answers(session, milliseconds(200)));
  EXPECT_EQ(PQstatus(session.raw()), CONNECTION_OK);
}

TEST_F(FaultProxyTest, ResetBreaksOffAtTheByte) {
  ProxyFault fault{FaultKind::reset};
  fault.direction = Direction::to_server;
  fault.after_bytes = 100000;
  proxy_.add(fault);
  Session session(proxy_.dsn(database_));
  std::string data;
  for (int id = 0; id < 20000; ++id) data += std::to_string(id) + "\txxxxxxxxxxxxx\n";
  EXPECT_THROW(session.copy_in("COPY t FROM STDIN", data), ServerError);
  EXPECT_EQ(proxy_.connections().at(0).bytes_to_server, 100000);
  EXPECT_EQ(count(), "0");
}

TEST_F(FaultProxyTest, HalfClosedDirectionEndsAndTheOtherGoesOn) {
  ProxyFault fault{FaultKind::half_close};
  Session session(proxy_.dsn(database_));
  proxy_.add(fault);
  EXPECT_THROW(session.execute("INSERT INTO t VALUES (1)"), ServerError);
  for (int attempt = 0; attempt < 4000 && count() == "0"; ++attempt) {
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(count(), "1") << "the statement arrived";
}

TEST_F(FaultProxyTest, DribbleAndDelayAreSlowAndLoseNothing) {
  for (const FaultKind kind : {FaultKind::dribble, FaultKind::delay}) {
    Session session(proxy_.dsn(database_));
    ProxyFault fault{kind};
    fault.length = milliseconds(100);
    fault.pause = milliseconds(kind == FaultKind::dribble ? 2 : 25);
    proxy_.add(fault);
    const auto began = Clock::now();
    EXPECT_EQ(session.value("SELECT repeat('abc', 20000)").size(), 60000U);
    EXPECT_GT(Clock::now() - began, milliseconds(75)) << name_of(kind);
  }
  EXPECT_EQ(proxy_.faults_met(), 2);
}

TEST_F(FaultProxyTest, FaultsChooseByApplicationAndByOrderOfArrival) {
  ProxyFault by_name{FaultKind::reset};
  by_name.application = "/writer";
  ProxyFault by_number{FaultKind::reset};
  by_number.connection = 2;
  proxy_.add(by_name);
  proxy_.add(by_number);
  const std::string dsn = proxy_.dsn(database_) + " application_name=";
  Session reader(dsn + "'x/reader'");
  EXPECT_EQ(reader.value("SELECT 1"), "1");
  EXPECT_THROW(Session(dsn + "'x/writer'").execute("SELECT 1"), ServerError);
  EXPECT_THROW(Session(dsn + "'x/other'").execute("SELECT 1"), ServerError);
  EXPECT_EQ(Session(dsn + "'x/writer'").value("SELECT 1"), "1");
  proxy_.clear();
  EXPECT_THROW(reader.execute("SELECT 1"), ServerError);
  EXPECT_TRUE(proxy_.connections().empty());
}

TEST_F(FaultProxyTest, CancelRequestsPass) {
  Session session(proxy_.dsn(database_));
  PQsendQuery(session.raw(), "SELECT pg_sleep(30)");
  const std::unique_ptr<PGcancel, void (*)(PGcancel*)> cancel(PQgetCancel(session.raw()),
                                                              PQfreeCancel);
  const std::string is_at_work =
      "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND"
      " query = 'SELECT pg_sleep(30)'";
  for (int attempt = 0; attempt < 4000 && server().value("postgres", is_at_work) == "0";
       ++attempt) {
    std::this_thread::sleep_for(milliseconds(5));
  }
  std::array<char, 256> message{};
  EXPECT_EQ(PQcancel(cancel.get(), message.data(), message.size()), 1);
  const std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQgetResult(session.raw()), PQclear);
  EXPECT_STREQ(PQresultErrorField(result.get(), PG_DIAG_SQLSTATE), "57014");
  EXPECT_TRUE(proxy_.connections().at(1).is_cancel_request);
}

TEST_F(FaultProxyTest, DeadServerIsAClosedConnection) {
  TestServer doomed;
  FaultProxy proxy(doomed);
  Session session(proxy.dsn("postgres"));
  doomed.stop_immediately();
  EXPECT_THROW(session.execute("SELECT 1"), ServerError);
  EXPECT_THROW(Session(proxy.dsn("postgres")), ServerError);
  doomed.start();
  EXPECT_EQ(Session(proxy.dsn("postgres")).value("SELECT 1"), "1");
}

}  // namespace
}  // namespace pgfanout::harness
