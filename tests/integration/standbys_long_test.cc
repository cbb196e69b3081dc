// A synchronous standby that is lost at the later stages and in a rollback; one that lags.
#include "tests/integration/standby_fixture.h"

namespace pgfanout {
namespace {

using ::testing::HasSubstr;

class StandbysLongTest : public testing::StandbyFixture {};

TEST_F(StandbysLongTest, ALossAtAnyStageIsToldAndTheJobGoesOn) {
  commits_wait_for("s1");
  for (const char* place : {"lane-commit-sent", "step-committed", "step-committed:6",
                            "swap-renamed", "swap-committed"}) {
    SCOPED_TRACE(place);
    auto command = stopped_at(place, "run", {"--swap"});
    if (HasFailure()) return;
    expect_wait_is_told(command);
    expect_goes_on(command);
    EXPECT_EQ(value("SELECT count(*) FROM chunks WHERE partition_key = id % 4"), "600");
    auto rollback = stopped_at("names-taken-back", "rollback", {"--progress", "plain"});
    expect_wait_is_told(rollback);
    expect_goes_on(rollback);
    EXPECT_EQ(value("SELECT count(*) FROM pg_attribute WHERE attname = 'partition_key'"), "0");
  }
}

TEST_F(StandbysLongTest, AnAsynchronousStandbyThatLagsPausesTheJobUntilItHasCaughtUp) {
  execute(
      "CREATE FUNCTION slowly(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN"
      " IF current_setting('application_name') LIKE '%/reader' THEN PERFORM pg_sleep(0.02); END IF;"
      " RETURN $1; END $$");
  standby().execute("postgres", "SELECT pg_wal_replay_pause()");
  harness::BackgroundCommand command(
      words("run", {"--map", "content=public.slowly(content)", "--readers", "1", "--commit-every",
                    "50", "--threshold", "replica_lag=1s:pause"}));
  EXPECT_TRUE(command.wait_for_output("speed: paused")) << command.err();
  EXPECT_THAT(command.err(), HasSubstr("threshold: replica_lag is at"));
  EXPECT_THAT(command.err(), HasSubstr("s1, "));
  standby().execute("postgres", "SELECT pg_wal_replay_resume()");
  const harness::CommandResult ended = command.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.err, HasSubstr("within its limit of 1.0 s again"));
}

}  // namespace
}  // namespace pgfanout
