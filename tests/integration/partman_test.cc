// A converted RANGE table is handed over to pg_partman, which then makes and drops partitions.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/copy_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::CopyFixture;

class PartmanTest : public CopyFixture {
 protected:
  [[nodiscard]] std::string leaves() const {
    return value(
        "SELECT string_agg(c.relname, ' ' ORDER BY c.relname COLLATE \"C\") FROM pg_inherits i "
        "JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'events'::regclass");
  }
  /// Names of the partitions of months, counted from this one.
  [[nodiscard]] std::string months(int first, int last) const {
    return value(fmt::format(
        "SELECT string_agg('events_p' || to_char(date_trunc('month', now()) + m * interval '1 "
        "month', 'YYYY_MM'), ' ' ORDER BY m) FROM generate_series({}, {}) m",
        first, last));
  }
};

TEST_F(PartmanTest, TakesOverAConvertedTable) {
  execute(
      "CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at));"
      "INSERT INTO events SELECT i, date_trunc('month', now()) - interval '4 months' + i * interval"
      " '11 hours' FROM generate_series(0, 290) i");
  const CommandResult run =
      harness::pgfanout({"run", "--yes", "--swap", "--source", dsn(), "--table", "events",
                         "--partition-by", "RANGE (at)", "--interval", "1 month", "--from",
                         value("SELECT date_trunc('month', now()) - interval '4 months'"),
                         "--leaf-name", "{table}_p{from:YYYY_MM}"});
  ASSERT_EQ(run.exit_code, 0) << run;
  EXPECT_EQ(leaves(), months(-4, 0));
  // Version 4.7 comes with Debian's server; others have none.
  const std::string available =
      "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'";
  if (value(available) == "0") return;

  // It finds all partitions under their names, and adds the next one and a default partition.
  execute(
      "CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman;"
      "SELECT partman.create_parent('public.events', 'at', 'native', 'monthly', p_premake := 1)");
  EXPECT_EQ(leaves(), "events_default " + months(-4, 1));
  const std::string rows = value("SELECT count(*) FROM events");
  execute(
      "UPDATE partman.part_config SET premake = 3, retention = '3 months', retention_keep_table ="
      " false, infinite_time_partitions = true; SELECT partman.run_maintenance('public.events')");
  EXPECT_EQ(leaves(), "events_default " + months(-3, 3)) << "the oldest is dropped";
  EXPECT_LT(std::stoi(value("SELECT count(*) FROM events")), std::stoi(rows));
}

}  // namespace
}  // namespace pgfanout
