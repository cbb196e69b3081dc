// A throw-away PostgreSQL server for tests. It listens on a Unix socket in its own folder, accepts
// every user, and is not durable, for speed. The destructor stops it and removes its files; the
// same happens when the test process is killed.
//
//   TestServer& server = TestServer::shared();
//   const std::string database = server.create_database("copy");
//   server.execute(database, "CREATE TABLE t (id int)");
//   EXPECT_EQ(server.value(database, "SELECT count(*) FROM t"), "0");
//
// Only the SQL calls are thread-safe. The server stops when the thread that started it ends: start
// it in a thread that lives as long as the test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/harness/child_process.h"
#include "tests/harness/server_files.h"
#include "tests/harness/session.h"

namespace pgfanout::harness {

struct ServerOptions {
  int major = 0;                      ///< 0: PGFANOUT_TEST_MAJOR of the environment, or 15.
  std::vector<std::string> settings;  ///< Lines for postgresql.conf: "wal_level = logical".
  std::string encoding = "UTF8";
  std::string locale = "C.UTF-8";
  bool tcp = false;              ///< Also listen on 127.0.0.1, on a free port.
  std::vector<std::string> hba;  ///< Lines for pg_hba.conf in place of "trust everybody".
  std::string binaries;          ///< Folder of initdb and postgres; empty: that of the major.
  Place place = Place::cache;    ///< Of its files.
  /// Makes a standby of that server, which streams as `name`; that is stopped while it is copied,
  /// and must have the same major version and settings.
  class TestServer* primary = nullptr;
  std::string name = "standby";  ///< application_name of a standby.
  bool durable = false;          ///< Keep fsync, synchronous_commit and full_page_writes on.
};

class TestServer {
 public:
  /// Starts it. Throws with the server's log if it does not start, and with a hint at
  /// scripts/fetch-server if that major is not installed.
  explicit TestServer(ServerOptions options = {});
  /// Stops it at once and removes its folder.
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  /// One server for the whole test process, started at the first call, of the default major and
  /// with room for 250 connections.
  static TestServer& shared();
  [[nodiscard]] static bool available(int major);

  /// A connection string for the Unix socket.
  [[nodiscard]] std::string dsn(const std::string& database = "postgres",
                                const std::string& user = "postgres") const;
  /// The same for 127.0.0.1; needs ServerOptions::tcp.
  [[nodiscard]] std::string tcp_dsn(const std::string& database = "postgres",
                                    const std::string& user = "postgres") const;
  [[nodiscard]] const std::string& socket_directory() const { return socket_directory_; }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int major() const { return options_.major; }
  /// The folder of `pg_ctl`, `initdb` and `postgres`; it has `psql` and others only with Debian's
  /// server.
  [[nodiscard]] const std::string& binaries() const { return binaries_; }
  [[nodiscard]] std::string data_directory() const { return run_.path() / "data"; }

  /// A fresh, empty database, named after `prefix`. With an encoding other than the server's its
  /// locale is C.
  std::string create_database(const std::string& prefix, const std::string& encoding = "");

  // Each call below is a connection of its own; see Session for more than one statement on one.
  void execute(const std::string& database, const std::string& sql) const;
  [[nodiscard]] std::string value(const std::string& database, const std::string& sql) const;
  [[nodiscard]] TextRows rows(const std::string& database, const std::string& sql) const;
  [[nodiscard]] Session connect(const std::string& database = "postgres",
                                const std::string& user = "postgres") const;

  /// Starts the server after it was stopped or killed.
  void start();
  /// Stops it in fast mode: transactions are aborted, data is kept.
  void stop();
  /// Stops it without a shutdown checkpoint; the next start recovers from WAL.
  void stop_immediately();
  /// Stops it if it runs, and starts it with these additional lines of postgresql.conf.
  void restart(const std::vector<std::string>& settings = {});
  /// Sends SIGKILL to the postmaster. Its backends end when they notice it, as after the OOM
  /// killer.
  void kill_postmaster(int signal);
  [[nodiscard]] pid_t postmaster_pid() const;
  [[nodiscard]] bool running();

  /// The server's whole log.
  [[nodiscard]] std::string log() const;

 private:
  void append_settings(const std::vector<std::string>& settings);
  void launch();
  bool wait_until_ready();
  void stop_with(int signal);

  ServerOptions options_;
  RunDirectory run_;
  std::string binaries_;
  std::string socket_directory_;
  int port_ = 5432;  // Also a part of the socket's name.
  int databases_ = 0;
  pid_t owner_;
  std::unique_ptr<ChildProcess> postmaster_;
};

}  // namespace pgfanout::harness
