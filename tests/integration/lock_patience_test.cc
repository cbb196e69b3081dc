// A lock of others in each stage of a window: who holds it is named, a threshold tells of the wait,
// and the same command continues once it is gone.
#include <gmock/gmock.h>

#include "tests/harness/temporary_file.h"
#include "tests/integration/rollback_fixture.h"

namespace pgfanout {
namespace {

using harness::CommandResult;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Json;

class LockPatienceTest : public testing::RollbackFixture {
 protected:
  [[nodiscard]] std::string told(const std::string& code) const {
    for (const Json& issue : json["issues"]) {
      if (issue["code"] == code) {
        return issue["message"].get<std::string>() + " | " + issue.value("hint", "");
      }
    }
    return "";
  }
};

TEST_F(LockPatienceTest, EveryStageNamesWhoHoldsTheLockAndGoesOnOnceItIsGone) {
  struct Case {
    std::string stage;
    std::string gate;  ///< The stage before.
    std::string table;
    std::string mode;
  };
  const std::vector<Case> cases = {
      {"prepare", "preflight", "chunks", "ROW EXCLUSIVE"},
      {"index", "copy", "chunks_new_p1", "ROW EXCLUSIVE"},
      {"constraints", "index", "collections", "ROW EXCLUSIVE"},
      {"constraints", "index", "chunks_new_p2", "ACCESS SHARE"},
      {"analyze", "constraints", "chunks_new_p2", "SHARE UPDATE EXCLUSIVE"},
      {"analyze", "constraints", "chunks_new", "SHARE UPDATE EXCLUSIVE"},
  };
  const auto job = [](const std::string& gate) {
    return "[source]\ntable = \"chunks\"\n[target]\npartitions = 8\n[limits]\nlock_timeout = "
           "\"2500ms\"\n[thresholds]\nlock_wait = \"0.5s:warn\"\n[gates]\n" +
           gate + " = \"confirm\"\n";
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.stage + " " + each.table);
    const harness::TemporaryFile file(job(each.gate));
    begin_at("at " + each.gate, [&] {
      database = server().create_database("locks");
      make_table(300);
      ASSERT_EQ(window("run", {file.path()}).exit_code, 3);
      ASSERT_EQ(json["waiting_at"], each.gate);
    });
    harness::Session writer = server().connect(database);
    writer.execute("SET application_name = 'night writer'; BEGIN; LOCK TABLE ONLY " + each.table +
                   " IN " + each.mode + " MODE");
    const CommandResult blocked = window("run", {file.path(), "--confirm", each.gate});
    EXPECT_EQ(blocked.exit_code, 3) << blocked;
    EXPECT_EQ(json["status"], "interrupted");
    EXPECT_NE(stage_status(each.stage), "ok");
    EXPECT_THAT(told("lock-timeout"),
                AllOf(HasSubstr("within 2.5 s"),
                      HasSubstr("user postgres, application 'night "
                                "writer', idle in transaction"),
                      HasSubstr("--lock-timeout"), ::testing::Not(HasSubstr("pgfanout/"))));
    EXPECT_THAT(told("threshold-crossed"), HasSubstr("night writer"));
    writer.execute("ROLLBACK");
    const CommandResult again = window("run", {file.path()});
    EXPECT_EQ(again.exit_code, 0) << again;
  }
}

}  // namespace
}  // namespace pgfanout
