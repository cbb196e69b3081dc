// Servers start, run at the same time, recover from a crash, and leave no process and no file when
// their test ends in any way. Other tests rely on this.
#include "tests/harness/test_server.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

namespace pgfanout::harness {
namespace {

namespace fs = std::filesystem;

bool eventually(const std::function<bool()>& condition) {
  for (int attempt = 0; attempt < 4000; ++attempt) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

/// Does not count a process that has ended and was not waited for.
bool process_exists(pid_t pid) {
  const std::string status = read_file("/proc/" + std::to_string(pid) + "/status");
  return !status.empty() && status.find("\nState:\tZ") == std::string::npos;
}

TEST(TestServerTest, StartsAndAnswers) {
  const TestServer server;
  EXPECT_EQ(server.value("postgres", "SELECT 6 * 7"), "42");
  EXPECT_EQ(server.value("postgres", "SHOW server_version_num").substr(0, 2),
            std::to_string(server.major()));
  EXPECT_EQ(server.value("postgres", "SHOW server_encoding"), "UTF8");
}

TEST(TestServerTest, TwoStandBesideEachOther) {
  TestServer one;
  TestServer two;
  one.execute("postgres", "CREATE TABLE only_here ()");
  EXPECT_EQ(one.value("postgres", "SELECT to_regclass('only_here')::text"), "only_here");
  EXPECT_EQ(two.rows("postgres", "SELECT to_regclass('only_here')"), TextRows{{std::nullopt}});
}

TEST(TestServerTest, IsGoneAfterItsEnd) {
  pid_t pid = 0;
  std::string folder;
  {
    const TestServer server;
    pid = server.postmaster_pid();
    folder = server.socket_directory();
    EXPECT_TRUE(fs::exists(folder));
    EXPECT_TRUE(process_exists(pid));
  }
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_FALSE(process_exists(pid));
}

TEST(TestServerTest, DoesNotRunAsRoot) {
  const TestServer server;
  EXPECT_NE(unprivileged_user().uid, 0U);
  const std::string status =
      read_file("/proc/" + std::to_string(server.postmaster_pid()) + "/status");
  EXPECT_NE(status.find("\nUid:\t" + std::to_string(unprivileged_user().uid) + "\t"),
            std::string::npos);
  const auto mode = fs::status(server.socket_directory()).permissions();
  EXPECT_EQ(mode & (fs::perms::group_all | fs::perms::others_all), fs::perms::none);
}

TEST(TestServerTest, KilledTestProcessLeavesNothingBehind) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t test = fork();
  if (test == 0) {
    const TestServer server;
    const std::string line =
        std::to_string(server.postmaster_pid()) + " " + server.socket_directory() + "\n";
    if (write(ends[1], line.data(), line.size()) < 0) _exit(1);
    pause();
    _exit(1);
  }
  close(ends[1]);
  std::string line;
  for (char c = 0; read(ends[0], &c, 1) == 1 && c != '\n';) line += c;
  close(ends[0]);
  const auto space = line.find(' ');
  ASSERT_NE(space, std::string::npos) << line;
  const pid_t postmaster = std::stoi(line.substr(0, space));
  const std::string folder = line.substr(space + 1);
  ASSERT_TRUE(process_exists(postmaster));

  kill(test, SIGKILL);
  waitpid(test, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return !process_exists(postmaster); }));
  // The next server removes the folder of the dead one; that of another test program may do so,
  // too.
  const TestServer next;
  EXPECT_FALSE(fs::exists(folder));
}

TEST(TestServerTest, DatabasesAreFreshAndEncodingsAsAsked) {
  TestServer& server = TestServer::shared();
  const std::string one = server.create_database("fresh");
  const std::string two = server.create_database("fresh");
  const std::string latin = server.create_database("latin", "LATIN1");
  EXPECT_NE(one, two);
  EXPECT_EQ(server.value(latin, "SHOW server_encoding"), "LATIN1");
  EXPECT_EQ(server.value(two, "SELECT current_database()"), two);
}

TEST(TestServerTest, ErrorsCarryTheServersMessageAndState) {
  TestServer& server = TestServer::shared();
  try {
    server.execute("postgres", "SELECT * FROM nowhere");
    FAIL() << "no error";
  } catch (const ServerError& error) {
    EXPECT_NE(std::string(error.what()).find("relation \"nowhere\" does not exist"),
              std::string::npos);
    EXPECT_EQ(error.sqlstate(), "42P01");
  }
}

TEST(TestServerTest, SessionHoldsATransactionAndCopiesIn) {
  TestServer& server = TestServer::shared();
  const std::string database = server.create_database("session");
  Session session = server.connect(database);
  session.execute("BEGIN; CREATE TABLE t (id int, note text)");
  session.copy_in("COPY t FROM STDIN", "1\tone\n2\t\\N\n");
  EXPECT_EQ(session.rows("SELECT * FROM t ORDER BY id"),
            (TextRows{{"1", "one"}, {"2", std::nullopt}}));
  session.execute("ROLLBACK");
  EXPECT_EQ(server.rows(database, "SELECT to_regclass('t')"), TextRows{{std::nullopt}});
}

TEST(TestServerTest, KeepsCommittedDataOverRestartsAndCrashes) {
  ServerOptions options;
  options.durable = true;
  TestServer server(options);
  server.execute("postgres", "CREATE TABLE t (id int); INSERT INTO t VALUES (1)");
  server.restart({"work_mem = '7MB'"});
  EXPECT_EQ(server.value("postgres", "SHOW work_mem"), "7MB");
  server.execute("postgres", "INSERT INTO t VALUES (2)");
  server.stop_immediately();
  EXPECT_FALSE(server.running());
  EXPECT_THROW(server.execute("postgres", "SELECT 1"), ServerError);
  server.start();
  server.execute("postgres", "INSERT INTO t VALUES (3)");
  const Session idle = server.connect();
  server.kill_postmaster(SIGKILL);
  server.start();
  EXPECT_EQ(server.value("postgres", "SELECT count(*) FROM t"), "3");
  EXPECT_NE(server.log().find("automatic recovery in progress"), std::string::npos);
}

TEST(TestServerTest, AsksForPasswordsOverTcpIfTold) {
  ServerOptions options;
  options.tcp = true;
  options.hba = {"local all all trust", "host all all 127.0.0.1/32 scram-sha-256"};
  const TestServer server(options);
  server.execute("postgres", "CREATE ROLE reader LOGIN PASSWORD 'right'");
  EXPECT_THROW(Session(server.tcp_dsn("postgres", "reader") + " password=wrong"), ServerError);
  Session session(server.tcp_dsn("postgres", "reader") + " password=right");
  EXPECT_EQ(session.value("SELECT current_user"), "reader");
}

TEST(TestServerTest, NamesTheScriptForAServerThatIsMissing) {
  ServerOptions options;
  options.major = 9;
  EXPECT_FALSE(TestServer::available(9));
  try {
    const TestServer server(options);
    FAIL() << "it started";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("scripts/fetch-server 9"), std::string::npos);
  }
}

TEST(TestServerTest, ShowsTheLogOfAServerThatDoesNotStart) {
  ServerOptions options;
  options.settings = {"shared_buffers = 'much'"};
  try {
    const TestServer server(options);
    FAIL() << "it started";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("shared_buffers"), std::string::npos);
  }
}

}  // namespace
}  // namespace pgfanout::harness
