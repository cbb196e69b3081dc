// A converted RANGE table is handed over to pg_partman, which then makes and drops partitions.
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
                         "--ahead", "1", "--leaf-name", "{table}_p{from:YYYY_MM}"});
  ASSERT_EQ(run.exit_code, 0) << run;
  const std::string made = leaves();
  EXPECT_EQ(made, value("SELECT string_agg('events_p' || to_char("
                        "date_trunc('month', now()) + m * interval '1 month', "
                        "'YYYY_MM'), ' ' ORDER BY m) FROM generate_series(-4, "
                        "1) m"));
  // Version 4.7 comes with Debian's server; others have none.
  if (value("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'") == "0")
    return;

  execute(
      "CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman;"
      "SELECT partman.create_parent('public.events', 'at', 'native', 'monthly', p_premake := 1)");
  // It adds a default partition, and found all others under their names.
  EXPECT_EQ(leaves(), "events_default " + made);
  const std::string rows = value("SELECT count(*) FROM events");
  execute(
      "UPDATE partman.part_config SET premake = 3, retention = '3 months', retention_keep_table ="
      " false, infinite_time_partitions = true; SELECT partman.run_maintenance('public.events')");
  EXPECT_EQ(leaves(),
            "events_default " + value("SELECT string_agg('events_p' || to_char(date_trunc('month', "
                                      "now()) + m * interval '1 month', 'YYYY_MM'), ' ' ORDER BY "
                                      "m) FROM generate_series(-3, 3) m"));
  EXPECT_LT(std::stoi(value("SELECT count(*) FROM events")), std::stoi(rows));
}

}  // namespace
}  // namespace pgfanout
