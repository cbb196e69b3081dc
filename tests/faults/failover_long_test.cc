// A DSN with two hosts: the primary is lost in the middle of a copy, and its standby is promoted.
// The command stops; the same one finds the new primary, and resumes from the journal there.
#include <algorithm>

#include "tests/integration/standby_fixture.h"

namespace pgfanout::testing {
namespace {

using ::testing::HasSubstr;

class FailoverLongTest : public StandbyFixture {
 protected:
  [[nodiscard]] std::vector<std::string> over_both(const std::string& command) const {
    std::vector<std::string> all = words(command, {"--commit-every", "50"});
    const auto at = std::find(all.begin(), all.end(), "--source") + 1;
    const std::string database = value("SELECT current_database()");
    *at = "host=" + primary().socket_directory() + "," + standby().socket_directory() +
          " user=postgres target_session_attrs=read-write dbname=" + database;
    return all;
  }
};

TEST_F(FailoverLongTest, InMidCopyTheSameCommandResumesOnTheNewPrimary) {
  const std::vector<std::string> argv = over_both("run");
  const std::string database = value("SELECT current_database()");
  harness::CommandOptions options;
  options.environment = {{"PGFANOUT_CRASH_AT", "epoch-committed:3"},
                         {"PGFANOUT_CRASH_BY", "SIGSTOP"}};
  harness::BackgroundCommand command(argv, options);
  ASSERT_TRUE(command.wait_until_stopped()) << command.err();
  ASSERT_TRUE(eventually([] {
    return primary().value("postgres",
                           "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn ="
                           " pg_current_wal_lsn()") == "1";
  }));
  primary().stop_immediately();
  standby().execute("postgres", "SELECT pg_promote()");
  command.send_signal(SIGCONT);
  const harness::CommandResult lost = command.wait();
  EXPECT_EQ(lost.exit_code, 3) << lost;
  const harness::CommandResult again = harness::run_command(argv);
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_THAT(again.err, HasSubstr("with the stage copy: 3 of "));
  EXPECT_EQ(standby().value(database,
                            "SELECT count(*) FROM ((SELECT id, content FROM chunks EXCEPT ALL"
                            " SELECT id, content FROM chunks_new) UNION ALL (SELECT id, content"
                            " FROM chunks_new EXCEPT ALL SELECT id, content FROM chunks)) d"),
            "0");
}

}  // namespace
}  // namespace pgfanout::testing
