// The window's commands end at each of their named places (PGFANOUT_CRASH_AT). The live name always
// stands for a complete table (I2), and from every place the job can be resumed to its end and
// rolled back.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/faults/window_rig.h"

namespace pgfanout::testing {
namespace {

constexpr int kRows = 600;

class WindowCrashPointsTest : public WindowRig {
 protected:
  void SetUp() override { begin(kRows); }

  static const std::vector<std::string>& places_of_run() {
    static const std::vector<std::string> places = {
        "stage-recorded", "step-committed", "swap-renamed", "swap-committed", "swap-settled"};
    return places;
  }
  static const std::vector<std::string>& places_of_rollback() {
    static const std::vector<std::string> places = {"live-fenced", "names-taken-back",
                                                    "tables-dropping", "tables-dropped"};
    return places;
  }
  static const std::vector<std::string>& places_of_cleanup() {
    static const std::vector<std::string> places = {"backup-dropping", "backup-dropped"};
    return places;
  }

  /// False if the command came to its end before.
  bool is_killed(const std::string& command, const std::string& place) {
    const CommandResult result = call(command, {{"PGFANOUT_CRASH_AT", place}});
    EXPECT_TRUE(result.signal == SIGKILL || result.exit_code == 0) << place << result;
    check_always(command + " killed at " + place);
    return result.signal == SIGKILL;
  }
  void finish(const std::string& command) {
    const CommandResult result = call(command);
    ASSERT_EQ(result.exit_code, 0) << result;
  }
};

TEST_F(WindowCrashPointsTest, EveryPlaceIsKnownHere) {
  std::vector<std::string> known = places_of_run();
  for (const auto& more : {places_of_rollback(), places_of_cleanup()}) {
    known.insert(known.end(), more.begin(), more.end());
  }
  known.emplace_back("new-rows-applied");  // RollbackMappedTest is killed there.
  EXPECT_EQ(known, places_of_the_window());
}

/// One window: each call goes on from where the one before was killed.
TEST_F(WindowCrashPointsTest, OnFromEveryPlace) {
  // Each call is killed once it has recorded one stage more.
  constexpr int kStages = 7;
  for (int stage = 1; stage <= kStages; ++stage) {
    EXPECT_TRUE(is_killed("run", "stage-recorded")) << stage;
    ASSERT_FALSE(HasFailure());
  }
  finish("run");
  check_swapped("killed after every stage");
  for (const std::string& place : places_of_rollback()) {
    EXPECT_TRUE(is_killed("rollback", place)) << place;
  }
  finish("rollback");
  check_as_before("rollback killed everywhere");

  // Places of the copy within the window, and then its own.
  std::vector<std::string> places = {"tables-created", "lane-committed:3", "attach-committed",
                                     "step-committed:10"};
  places.insert(places.end(), places_of_run().begin() + 1, places_of_run().end());
  for (const std::string& place : places) EXPECT_TRUE(is_killed("run", place)) << place;
  finish("run");
  check_swapped("run killed everywhere");
  EXPECT_EQ(value("SELECT count(*) FROM pgfanout.stage s JOIN pgfanout.job j USING (job)"
                  " WHERE j.state = 'swapped' AND s.status <> 'ok'"),
            "0");
  for (const std::string& place : places_of_cleanup()) {
    EXPECT_TRUE(is_killed("cleanup", place)) << place;
  }
  finish("cleanup");
  check_swapped("cleanup killed everywhere");
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_backup%'"), "0");
}

/// One window after another on the same table.
TEST_F(WindowCrashPointsTest, BackFromEveryPlace) {
  std::vector<std::string> places = places_of_run();
  places.insert(places.begin(), {"lane-committed:3", "stage-recorded:4"});
  for (const std::string& place : places) {
    EXPECT_TRUE(is_killed("run", place)) << place;
    // A rollback that was killed goes on as well. Only after a swap are there names to take back.
    is_killed("rollback", is_swapped() ? "names-taken-back" : "tables-dropped");
    finish("rollback");
    check_as_before("run killed at " + place + ", then rollback");
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace pgfanout::testing
