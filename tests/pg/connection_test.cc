// The state of a session after it was opened, and the text of refusals.
#include "copier/pg/connection.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <chrono>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "copier/catalog/relation_name.h"
#include "copier/pg/copy_out.h"
#include "tests/harness/test_server.h"

namespace pgfanout {
namespace {

using harness::ServerOptions;
using harness::TestServer;

class ConnectionTest : public ::testing::Test {
 protected:
  static Connection open(const std::string& database = "postgres") {
    auto connection = Connection::open({TestServer::shared().dsn(database), "pgfanout/test/x"});
    if (!connection) throw std::runtime_error(connection.error().message);
    return *std::move(connection);
  }
  static std::string show(Connection& connection, const std::string& setting) {
    auto rows = connection.query("SELECT current_setting($1)", {setting});
    return rows ? rows->str(0, 0) : rows.error().message;
  }
};

TEST_F(ConnectionTest, SessionIsSetUpForSafety) {
  TestServer& server = TestServer::shared();
  const std::string database = server.create_database("session");
  server.execute("postgres",
                 "ALTER DATABASE " + database + " SET statement_timeout = '1ms'; ALTER DATABASE " +
                     database +
                     " SET idle_in_transaction_session_timeout = '1ms'; ALTER DATABASE " +
                     database + " SET search_path = public");
  Connection connection = open(database);
  EXPECT_EQ(show(connection, "search_path"), "\"\"");
  EXPECT_EQ(show(connection, "row_security"), "off");
  EXPECT_EQ(show(connection, "statement_timeout"), "0");
  EXPECT_EQ(show(connection, "idle_in_transaction_session_timeout"), "0");
  EXPECT_EQ(show(connection, "client_encoding"), "UTF8");
  EXPECT_EQ(show(connection, "application_name"), "pgfanout/test/x");
}

TEST_F(ConnectionTest, StatementOfADeadClientEnds) {
  Connection watcher = open();
  if (watcher.server_version() < 140000) return;  // Such a server cannot notice.
  EXPECT_EQ(show(watcher, "client_connection_check_interval"), "2s");
  auto client = std::make_unique<Connection>(open());
  const std::string pid = std::to_string(client->backend_pid());
  Cancellation cancellation;
  cancellation.set();
  EXPECT_FALSE(CopyOut::start(*client, "COPY (SELECT pg_sleep(60)) TO STDOUT", cancellation));
  client.reset();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  int left = 1;
  while (left > 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const auto rows = watcher.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1", {pid});
    ASSERT_TRUE(rows);
    left = rows->size();
  }
  EXPECT_EQ(left, 0);
}

TEST_F(ConnectionTest, FirstErrorOfSeveralStatementsEndsThem) {
  Connection connection = open();
  const auto ran = connection.run("CREATE TEMPORARY TABLE t (n int); SELECT 1 / 0; SELECT nothing");
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().sqlstate, "22012");
  EXPECT_TRUE(connection.run(""));
  EXPECT_TRUE(connection.run("SELECT 1; SELECT 2")) << "the connection can be used again";
}

TEST_F(ConnectionTest, TerminatedBackendIsALostConnection) {
  Connection connection = open();
  TestServer::shared().execute(
      "postgres", "SELECT pg_terminate_backend(" + std::to_string(connection.backend_pid()) + ")");
  const auto rows = connection.query("SELECT 1");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "connection-lost");
  EXPECT_EQ(rows.error().consequence, Consequence::interrupt);
  EXPECT_FALSE(connection.is_open());
  EXPECT_FALSE(connection.run("SELECT 1"));
}

TEST_F(ConnectionTest, ClientEncodingFollowsTheServersDatabase) {
  const std::string database = TestServer::shared().create_database("latin", "LATIN1");
  Connection connection = open(database);
  EXPECT_EQ(connection.encoding(), "LATIN1");
  EXPECT_EQ(show(connection, "client_encoding"), "LATIN1");
}

TEST_F(ConnectionTest, FunctionOfTheSameNameElsewhereIsNotCalled) {
  TestServer& server = TestServer::shared();
  const std::string database = server.create_database("capture");
  server.execute(database,
                 "CREATE FUNCTION public.hashtext(text) RETURNS int LANGUAGE sql AS 'SELECT 42'");
  server.execute("postgres",
                 "ALTER DATABASE " + database + " SET search_path = public, pg_catalog");
  Connection connection = open(database);
  const auto rows = connection.query("SELECT hashtext('a') = pg_catalog.hashtext('a')");
  ASSERT_TRUE(rows);
  EXPECT_TRUE(rows->boolean(0, 0));
}

TEST_F(ConnectionTest, WrongPasswordIsRefusedWithAWayOut) {
  ServerOptions options;
  options.hba = {"local all postgres trust", "local all all scram-sha-256"};
  TestServer server(options);
  server.execute("postgres", "CREATE ROLE dba LOGIN PASSWORD 'right'");
  setenv("PGPASSWORD", "wrong", 1);
  const auto refused_connection = Connection::open({server.dsn("postgres", "dba"), "test"});
  unsetenv("PGPASSWORD");
  ASSERT_FALSE(refused_connection);
  EXPECT_EQ(refused_connection.error().code, "cannot-connect");
  EXPECT_EQ(refused_connection.error().consequence, Consequence::refuse);
  EXPECT_NE(refused_connection.error().hint.find("PGPASSFILE"), std::string::npos);
  EXPECT_EQ(refused_connection.error().message.find("wrong"), std::string::npos);
}

TEST_F(ConnectionTest, UnreachableServerIsRefused) {
  const auto nobody = Connection::open({"host=/nonexistent port=1", "test"});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, "cannot-connect");
}

TEST_F(ConnectionTest, PasswordsInConnectionStringsAreRefusedAndNotRepeated) {
  for (const std::string dsn : {"host=h password=s3cret", "postgresql://u:s3cret@h/db"}) {
    const auto checked = check_dsn(dsn, "--source");
    ASSERT_FALSE(checked) << dsn;
    EXPECT_EQ(checked.error().code, "password-in-dsn");
    EXPECT_EQ((checked.error().message + checked.error().hint).find("s3cret"), std::string::npos);
  }
  EXPECT_TRUE(check_dsn("host=h dbname=d", "--source"));
  EXPECT_TRUE(check_dsn("", "--source"));
  const auto nonsense = check_dsn("host", "--source");
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().code, "bad-dsn");
}

TEST_F(ConnectionTest, ServerErrorsKeepRowDataOut) {
  Connection connection = open();
  ASSERT_TRUE(connection.run("CREATE TEMP TABLE t (secret text CHECK (secret <> 'hush'))"));
  const auto violated = connection.query("INSERT INTO pg_temp.t VALUES ('hush')");
  ASSERT_FALSE(violated);
  EXPECT_EQ(violated.error().sqlstate, "23514");
  const Error& error = violated.error();
  EXPECT_EQ((error.message + error.hint + error.where).find("hush"), std::string::npos);
  EXPECT_NE(error.where.find("constraint"), std::string::npos);
}

TEST_F(ConnectionTest, QuotingSurvivesHostileText) {
  Connection connection = open();
  const std::string name = "a\"b; DROP TABLE x; --\n'";
  const auto rows = connection.query("SELECT 1 AS " + quoted_name(name) + ", " +
                                     connection.quote_literal("it's\\"));
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->text(0, 1), "it's\\");
}

TEST_F(ConnectionTest, NamesAreQuotedAsByLibpq) {
  std::string every_byte;
  for (int byte = 1; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  TestServer& server = TestServer::shared();
  for (const auto& [encoding, names] : std::map<std::string, std::vector<std::string>>{
           {"UTF8",
            {"", "plain", "Two Words", "a\"b", "\"\"", "back\\slash", "it's", "\xc3\xa9\""}},
           {"LATIN1", {every_byte}},
           {"EUC_JP", {"\xa4\xa2\"", "\x8e\xb1\"\\", "\x8f\xb0\xa1\""}}}) {
    const Connection connection = open(server.create_database("quoting", encoding));
    for (const std::string& name : names) {
      char* quoted = PQescapeIdentifier(connection.raw(), name.data(), name.size());
      ASSERT_NE(quoted, nullptr) << encoding << ": " << name;
      EXPECT_EQ(quoted_name(name), quoted) << encoding;
      PQfreemem(quoted);
    }
  }
}

TEST_F(ConnectionTest, LostConnectionInterruptsAndIsSeen) {
  Connection connection = open();
  TestServer::shared().execute(
      "postgres", "SELECT pg_terminate_backend(" + std::to_string(connection.backend_pid()) + ")");
  const auto rows = connection.query("SELECT 1");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().consequence, Consequence::interrupt);
  EXPECT_FALSE(connection.is_open());
}

}  // namespace
}  // namespace pgfanout
