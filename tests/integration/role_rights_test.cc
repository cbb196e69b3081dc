// A right that a role lacks is told as the statement that gives it: each hint is followed as it
// stands.
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

class RoleRightsTest : public testing::WindowFixture {
 protected:
  void SetUp() override {
    WindowFixture::SetUp();
    owner = "owner_" + database;
    mover = "it's \"" + database + "\"";
    quoted = "\"it's \"\"" + database + "\"\"\"";
    execute("CREATE ROLE " + owner + "; CREATE ROLE " + quoted + " LOGIN; CREATE SCHEMA app;" +
            "GRANT USAGE, CREATE ON SCHEMA app TO " + owner + ", " + quoted +
            "; GRANT CREATE ON DATABASE " + database + " TO " + owner + ", " + quoted +
            "; CREATE TABLE app.t (id bigint PRIMARY KEY, v text);"
            "INSERT INTO app.t SELECT i, 'v' FROM generate_series(1, 50) i;"
            "ALTER TABLE app.t OWNER TO " +
            owner);
  }
  void TearDown() override {
    execute("DROP OWNED BY " + owner + ", " + quoted + " CASCADE");
    server().execute("postgres", "DROP OWNED BY " + owner + ", " + quoted + "; DROP ROLE " + owner +
                                     ", " + quoted);
  }
  CommandResult as_mover(const std::string& command) {
    std::string user;
    for (const char c : mover)
      user += (c == '\'' || c == '\\') ? "\\" + std::string(1, c) : std::string(1, c);
    return window(command, {"--source", dsn() + " user='" + user + "'", "--table", "app.t", "--key",
                            "id % 4", "--partitions", "4"});
  }
  /// The hint of the issue of that code; the test fails if there is none.
  std::string hint_of(const std::string& command, const std::string& code) {
    const CommandResult result = as_mover(command);
    EXPECT_NE(result.exit_code, 0) << result;
    for (const Json& issue : json["issues"]) {
      if (issue["code"] == code) return issue["hint"];
    }
    ADD_FAILURE() << "no issue " << code << result;
    return "";
  }
  /// Runs the statement that stands in a hint.
  void follow(const std::string& hint) {
    std::size_t begin = std::min(hint.find("GRANT "), hint.find("ALTER ROLE "));
    ASSERT_NE(begin, std::string::npos) << hint;
    execute(hint.substr(begin, std::min(hint.find("; or "), hint.find(", or ")) - begin));
  }
  void expect_copied() {
    const CommandResult result = as_mover("copy");
    EXPECT_EQ(result.exit_code, 0) << result;
  }
  std::string owner;
  std::string mover;
  std::string quoted;
};

TEST_F(RoleRightsTest, AMemberThatDoesNotInheritIsToldHowToInherit) {
  execute("ALTER ROLE " + quoted + " NOINHERIT; GRANT " + owner + " TO " + quoted);
  const std::string hint = hint_of("copy", "no-privilege");
  EXPECT_EQ(hint.find("GRANT SELECT"), std::string::npos) << hint;
  EXPECT_NE(hint.find("options='-c role=" + owner + "'"), std::string::npos) << hint;
  follow(hint);
  expect_copied();
}

TEST_F(RoleRightsTest, AMembershipGrantedWithoutInheritanceIsToldToo) {
  if (server().major() < 16) return;  // INHERIT was a property of the role alone.
  execute("GRANT " + owner + " TO " + quoted + " WITH INHERIT FALSE, SET FALSE");
  const std::string hint = hint_of("copy", "no-privilege");
  EXPECT_EQ(hint.find("options="), std::string::npos) << "it cannot become the role: " << hint;
  follow(hint);
  expect_copied();
}

TEST_F(RoleRightsTest, TheFenceAndAWindowNeedTheOwner) {
  execute("ALTER ROLE " + quoted + " NOINHERIT; GRANT " + owner + " TO " + quoted +
          "; GRANT SELECT, UPDATE ON app.t TO " + quoted);
  const std::string of_plan = hint_of("plan", "not-owner");
  const std::string hint = hint_of("copy", "cannot-fence");
  EXPECT_NE(hint.find(owner), std::string::npos) << hint;
  follow(of_plan);
  expect_copied();
}

TEST_F(RoleRightsTest, AWindowNeedsToBecomeTheOwner) {
  if (server().major() < 16) return;  // Every member could.
  execute("GRANT " + owner + " TO " + quoted + " WITH INHERIT TRUE, SET FALSE");
  follow(hint_of("plan", "no-privilege"));
  const CommandResult planned = as_mover("plan");
  EXPECT_FALSE(has_issue("no-privilege")) << planned;
}

TEST_F(RoleRightsTest, WhoeverIsNoMemberIsToldTheGrant) {
  follow(hint_of("copy", "no-privilege"));
  EXPECT_EQ(value("SELECT has_table_privilege('" + std::string("it''s \"") + database +
                  "\"', 'app.t', 'SELECT')"),
            "t");
  follow(hint_of("plan", "not-owner"));
  expect_copied();
}

TEST_F(RoleRightsTest, ForcedRowLevelSecurityIsNoMatterOfTheOwner) {
  execute("GRANT " + owner + " TO " + quoted +
          "; ALTER TABLE app.t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");
  const std::string hint = hint_of("copy", "row-security");
  EXPECT_EQ(hint.find("run as"), std::string::npos) << hint;
  follow(hint);
  expect_copied();
}

TEST_F(RoleRightsTest, RowLevelSecurityDoesNotBindTheOwner) {
  execute("ALTER ROLE " + quoted + " NOINHERIT; GRANT " + owner + " TO " + quoted +
          "; GRANT SELECT ON app.t TO " + quoted + "; ALTER TABLE app.t ENABLE ROW LEVEL SECURITY");
  follow(hint_of("copy", "row-security"));
  expect_copied();
}

}  // namespace
}  // namespace pgfanout
