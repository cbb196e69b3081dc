// Two equal tables whose comparison stops in the middle of the source until a test lets it go on.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/harness/command.h"
#include "tests/harness/test_server.h"

namespace pgfanout::testing {

class GatedTables {
 public:
  /// Makes t and t_new, and closes the gate: the reader of t waits at one of its rows.
  GatedTables(const harness::TestServer& server, std::string database)
      : server_(server), database_(std::move(database)), gate_(make(server_, database_)) {}

  /// The comparison goes on.
  void open_gate() { gate_.execute("SELECT pg_advisory_unlock(1)"); }
  /// The next comparison waits again.
  void close_gate() { gate_.execute("SELECT pg_advisory_lock(1)"); }

  static std::vector<std::string> command(const std::string& dsn,
                                          const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"verify",   "--data", "--json",
                                          "--source", dsn,      "--table",
                                          "t",        "--map",  "note=public.gated(note)"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return harness::pgfanout_argv(arguments);
  }

  void wait_until_reading() const {
    wait_until(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'advisory'"
        " AND application_name LIKE 'pgfanout/%/reader' AND datname = '" +
        database_ + "'");
  }
  void wait_until_gone() const {
    wait_until(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE"
        " 'pgfanout/%'");
  }

 private:
  static harness::Session make(const harness::TestServer& server, const std::string& database) {
    auto session = server.connect(database);
    session.execute(
        "CREATE FUNCTION gated(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN"
        " IF $1 = 'gate' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF; RETURN $1; END $$;"
        "CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t SELECT n,"
        " CASE n WHEN 900 THEN 'gate' ELSE 'x' END FROM generate_series(1, 1000) n;"
        "CREATE TABLE t_new AS SELECT * FROM t; SELECT pg_advisory_lock(1)");
    return session;
  }
  void wait_until(const std::string& condition) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    auto session = server_.connect();
    while (session.value(condition) != "t") {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << condition;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  const harness::TestServer& server_;
  const std::string database_;
  harness::Session gate_;
};

}  // namespace pgfanout::testing
