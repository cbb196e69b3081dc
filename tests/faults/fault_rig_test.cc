// The rig itself: what it must find is planted, and it has to find it.
#include "tests/faults/fault_rig.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

namespace pgfanout::testing {
namespace {

class FaultRigTest : public ::testing::Test {
 protected:
  static FaultBench& bench() {
    static FaultBench bench(500);
    return bench;
  }
  static const std::string& source() { return rig().source_database(); }
  static FaultRig& rig() {
    static Tally tally;
    static FaultRig rig(bench(), {}, tally);
    return rig;
  }
  static const CommandResult& copied() {
    static const CommandResult result = rig().start().wait();
    return result;
  }
  static void execute(const std::string& sql) { bench().server().execute(source(), sql); }
  /// The failures that the rig reports about the copy as it stands.
  static std::string findings() {
    ::testing::TestPartResultArray results;
    {
      const ::testing::ScopedFakeTestPartResultReporter reporter(
          ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
      rig().run_ended(copied(), "a plant");
    }
    std::string text;
    for (int at = 0; at < results.size(); ++at) {
      text += results.GetTestPartResult(at).message() + std::string("\n");
    }
    return text;
  }
};

TEST_F(FaultRigTest, FindsWhatIsPlanted) {
  ASSERT_EQ(copied().exit_code, 0) << copied();
  ASSERT_EQ(findings(), "");
  struct Plant {
    std::string sql;
    std::string undo;
    std::string found;
  };
  const std::vector<Plant> plants = {
      {"CREATE TABLE kept AS SELECT * FROM chunks_new_p3;"
       "DELETE FROM chunks_new_p3 WHERE id = (SELECT min(id) FROM chunks_new_p3)",
       "TRUNCATE chunks_new_p3; INSERT INTO chunks_new_p3 SELECT * FROM kept; DROP TABLE kept",
       "I3"},
      {"CREATE TABLE kept AS SELECT * FROM chunks_new_p3;"
       "INSERT INTO chunks_new_p3 SELECT * FROM chunks_new_p3 LIMIT 1",
       "TRUNCATE chunks_new_p3; INSERT INTO chunks_new_p3 SELECT * FROM kept; DROP TABLE kept",
       "I3"},
      {"ALTER TABLE chunks_new DETACH PARTITION chunks_new_p2",
       "ALTER TABLE chunks_new ATTACH PARTITION chunks_new_p2 FOR VALUES IN (2)", "I3"},
      {"UPDATE chunks SET content = content || 'x' WHERE id = 20",
       "UPDATE chunks SET content = left(content, -1) WHERE id = 20", "I1"},
      {"CREATE TABLE stray (id int)", "DROP TABLE stray", "journal does not name, a plant"},
      {"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE "
       "object_not_in_prerequisite_state; END';"
       "CREATE TRIGGER t BEFORE INSERT ON chunks_h1 EXECUTE FUNCTION f()",
       "DROP TRIGGER t ON chunks_h1; DROP FUNCTION f()", "I5"},
  };
  for (const Plant& plant : plants) {
    execute(plant.sql);
    EXPECT_NE(findings().find(plant.found), std::string::npos) << plant.sql << '\n' << findings();
    execute(plant.undo);
    ASSERT_EQ(findings(), "") << plant.undo;
  }
}

TEST_F(FaultRigTest, FindsSessionsAndLocksThatAreLeft) {
  ASSERT_EQ(copied().exit_code, 0) << copied();
  rig().set_patience(std::chrono::milliseconds(50));
  {
    const harness::Session left(bench().server().dsn(source()) +
                                " application_name='pgfanout/x/y'");
    EXPECT_NE(findings().find("sessions are left"), std::string::npos);
  }
  rig().set_patience(kPatience);
  harness::Session holder = bench().server().connect(source());
  holder.execute("SELECT pg_advisory_lock(1)");
  EXPECT_NE(findings().find("I5"), std::string::npos);
}

}  // namespace
}  // namespace pgfanout::testing
