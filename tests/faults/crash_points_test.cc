// The client ends at each place of a copy that PGFANOUT_CRASH_AT can name, the same command resumes
// it, and the copy ends as if it had not been interrupted.
#include "copier/base/crash_point.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "tests/faults/fault_rig.h"

namespace pgfanout::testing {
namespace {

class CrashPointsTest : public ::testing::Test {
 protected:
  static FaultBench& bench() {
    static FaultBench bench(kFewRows);
    return bench;
  }

  /// Places of a copy; those after them belong to the window (window_crash_points_test).
  static std::vector<std::string> places_of_a_copy() {
    return {kCrashPoints.begin(),
            std::find(kCrashPoints.begin(), kCrashPoints.end(), "stage-recorded")};
  }

  /// Kills the client at every one of these places. Each call resumes what the kill before it left;
  /// a new copy begins when one ends before it comes to its place.
  static void kill_at_each(const CopyShape& shape, std::vector<std::string> places) {
    Tally tally;
    while (!places.empty()) {
      FaultRig rig(bench(), shape, tally);
      ++tally.rounds;
      std::vector<std::string> left;
      for (const std::string& place : places) {
        if (!rig.is_complete()) {
          const CommandResult result = rig.start({{"PGFANOUT_CRASH_AT", place}}).wait();
          ++tally.faults;
          rig.run_ended(result, "SIGKILL at " + place);
          if (HasFailure()) return;
          if (result.signal == SIGKILL) continue;
        }
        left.push_back(place);
      }
      rig.finish();
      if (HasFailure()) return;
      ASSERT_LT(left.size(), places.size()) << "no copy comes to " << left.front();
      places = left;
    }
    tally.print();
  }
};

TEST_F(CrashPointsTest, EveryPlaceOfACopyByEpochs) {
  CopyShape shape;
  shape.commit_every = "500";
  shape.writers = 3;  // Lanes share connections.
  std::vector<std::string> places = places_of_a_copy();
  std::erase(places, "row-set-aside");  // RowsAreSetAsideOnce comes to it.
  kill_at_each(shape, places);
}

/// A copy by whole leaves commits no row before its last steps.
TEST_F(CrashPointsTest, EveryPlaceOfACopyByLeaves) {
  std::vector<std::string> places = places_of_a_copy();
  std::erase(places, "row-set-aside");  // Only epochs set rows aside.
  kill_at_each({}, places);
}

/// In later epochs some leaves are ahead of others, and in the journal.
TEST_F(CrashPointsTest, LaterTimesAtPlacesOfAnEpoch) {
  CopyShape shape;
  shape.commit_every = "200";
  kill_at_each(shape, {"reader-batch:3", "lane-taken:11", "epoch-drained:2", "lane-finishing:13",
                       "lane-commit-sent:12", "lane-committed:3"});
}

TEST_F(CrashPointsTest, RowsAreSetAsideOnce) {
  TestServer& server = bench().server();
  const std::string database = server.create_database("rejects");
  server.execute(
      database,
      "CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL); INSERT INTO t SELECT n, n % 8 FROM"
      " generate_series(1, 800) n; CREATE TABLE t_new (LIKE t, partition_key int NOT"
      " NULL, CHECK (id % 100 <> 7)) PARTITION BY LIST (partition_key); DO $$ BEGIN"
      " FOR k IN 0..7 LOOP EXECUTE format('CREATE TABLE t_new_p%s PARTITION OF t_new FOR"
      " VALUES IN (%s)', k, k); END LOOP; END $$");
  const std::vector<std::string> words = {
      "copy",           "--source", server.dsn(database), "--table", "t", "--key", "k % 8",
      "--commit-every", "200",      "--reject-limit",     "8"};
  for (const char* place : {"row-set-aside", "row-set-aside:2", "lane-committed:10"}) {
    harness::CommandOptions options;
    options.environment["PGFANOUT_CRASH_AT"] = place;
    const CommandResult result = harness::pgfanout(words, options);
    EXPECT_EQ(result.signal, SIGKILL) << place << result;
  }
  const CommandResult result = harness::pgfanout(words);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(server.value(database,
                         "SELECT count(*) || ' ' || count(DISTINCT id) FROM (SELECT id FROM t_new"
                         " UNION ALL SELECT (identity->>'id')::int FROM t_new_rejects) n"),
            "800 800");
  EXPECT_EQ(server.value(database,
                         "SELECT count(*) FROM t_new_rejects WHERE"
                         " (identity->>'id')::int % 100 = 7"),
            "8");
}

}  // namespace
}  // namespace pgfanout::testing
