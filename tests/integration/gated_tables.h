// Two equal tables that take seconds to compare, so that a test can do something meanwhile.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/command.h"
#include "tests/harness/test_server.h"

namespace pgfanout::testing {

class SlowTables {
 public:
  /// Tables t and t_new, and a mapping of t.note that takes a while for each row.
  static void make(const harness::TestServer& server, const std::string& database) {
    server.execute(database,
                   "CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN"
                   " PERFORM pg_sleep(0.001); RETURN $1; END $$;"
                   "CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t SELECT n, 'x'"
                   " FROM generate_series(1, 1000) n; CREATE TABLE t_new AS SELECT * FROM t");
  }
  static void wait_until_gone(const harness::TestServer& server) {
    for (int attempt = 0; attempt < 200; ++attempt) {
      if (server.value("postgres",
                       "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE "
                       "'pgfanout/%'") == "0") {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    FAIL() << "sessions are left";
  }
  static std::vector<std::string> command(const std::string& dsn,
                                          const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"verify",   "--data", "--json",
                                          "--source", dsn,      "--table",
                                          "t",        "--map",  "note=public.slow(note)"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return harness::pgfanout_argv(arguments);
  }
  static void wait_until_reading(const harness::TestServer& server, const std::string& database) {
    for (int attempt = 0; attempt < 200; ++attempt) {
      if (server.value("postgres",
                       "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'COPY (SELECT%'"
                       " AND application_name LIKE 'pgfanout/%/reader' AND state = 'active'"
                       " AND query LIKE '%slow%' AND datname = '" +
                           database + "'") == "t") {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    FAIL() << "the verification did not begin";
  }
};

}  // namespace pgfanout::testing
