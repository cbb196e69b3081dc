// A table that pgfanout has laid out is moved again: the same layout is recognised, and other
// leaves or another key mode are made without the key being told, each with its swap and its way
// back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::StartsWith;

class SecondConversionTest : public testing::WindowFixture {
 protected:
  /// As a person: nobody states a key, and leaves or mode only where the test does.
  CommandResult ask(const std::string& command, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {harness::pgfanout_binary(), command, "--json",
                                         "--progress", "none", "--source", dsn()});
    CommandResult result = harness::run_command(arguments);
    json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    return result;
  }

  void make() const {
    execute(
        "CREATE TABLE \"T x\" (id bigint, c varchar(20), v text, n int DEFAULT 5, PRIMARY KEY (id,"
        " c)) PARTITION BY HASH (c);"
        "CREATE TABLE t_h0 PARTITION OF \"T x\" FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE t_h1 PARTITION OF \"T x\" FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO \"T x\" SELECT i, 'c' || (i % 90), 'v' || i, i % 7 FROM generate_series(1,"
        " 400) i; CREATE UNIQUE INDEX \"U x\" ON \"T x\" (c, id) INCLUDE (v);"
        "CREATE INDEX ON \"T x\" (n); CREATE VIEW seen AS SELECT id, c, v FROM \"T x\" WHERE n = 1;"
        "ANALYZE \"T x\"");
  }

  /// The layout as a person sees it: strategy and key, leaves, unique keys of the table and of a
  /// leaf, checks.
  [[nodiscard]] std::string layout() const {
    return value(
        "SELECT concat_ws('; ', pg_get_partkeydef(c.oid), (SELECT count(*) FROM pg_inherits WHERE"
        " inhparent = c.oid), (SELECT string_agg(pg_get_constraintdef(k.oid), ', ' ORDER BY"
        " pg_get_constraintdef(k.oid)) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype "
        "<> 'n'), (SELECT "
        "string_agg(DISTINCT"
        " pg_get_constraintdef(k.oid), ', ') FROM pg_constraint k JOIN pg_inherits i ON i.inhrelid"
        " = k.conrelid WHERE i.inhparent = c.oid AND k.contype = 'p')) FROM pg_class c WHERE c.oid"
        " = '\"T x\"'::regclass");
  }
  [[nodiscard]] std::string rows() const {
    return value(
        "SELECT md5(string_agg(concat_ws(',', id, c, v, n), ';' ORDER BY id)) FROM \"T x\"");
  }
  [[nodiscard]] std::string message_of(const std::string& code) const {
    for (const Json& issue : json["issues"]) {
      if (issue["code"] == code) return issue["message"];
    }
    return "";
  }
  [[nodiscard]] std::string backup() const {
    return value(
        "SELECT format('%I', backup_name) FROM pgfanout.job ORDER BY started_at DESC LIMIT 1");
  }
};

TEST_F(SecondConversionTest, LeavesAndModesOneAfterTheOtherAndAllTheWayBack) {
  make();
  const std::string first = catalog();
  const std::string same_rows = rows();
  const std::string key = "(abs(hashtext((c)::text)) % ";
  struct Step {
    std::vector<std::string> options;
    const char* changes;
    std::string layout;
  };
  const std::string on_key = "PRIMARY KEY (id, c, partition_key)";
  const std::vector<Step> steps = {
      {{"--partitions", "4"},
       "",
       "LIST (partition_key); 4; CHECK ((partition_key = " + key + "4))), " + on_key + "; " +
           on_key},
      {{"--partitions", "8"},
       "leaves from 4 to 8",
       "LIST (partition_key); 8; CHECK ((partition_key = " + key + "8))), " + on_key + "; " +
           on_key},
      {{"--key-mode", "generated"},
       "key mode from check to generated",
       "LIST ((" + key + "8))); 8; PRIMARY KEY (id, c)"},
      {{"--key-mode", "expression"},
       "key mode from generated to expression",
       "LIST ((" + key + "8))); 8; PRIMARY KEY (id, c)"},
      {{"--key-mode", "none", "--partitions", "4"},
       "leaves from 8 to 4, key mode from expression to none",
       "LIST (partition_key); 4; " + on_key + "; " + on_key},
      {{"--key-mode", "check"},
       "key mode from none to check",
       "LIST (partition_key); 4; CHECK ((partition_key = " + key + "4))), " + on_key + "; " +
           on_key},
  };
  std::vector<std::string> catalogs;
  for (const Step& step : steps) {
    SCOPED_TRACE(step.changes);
    catalogs.push_back(catalog());
    std::vector<std::string> arguments = {"--table", "\"T x\""};
    arguments.insert(arguments.end(), step.options.begin(), step.options.end());
    arguments.emplace_back("--swap");
    const CommandResult run = ask("run", arguments);
    ASSERT_EQ(run.exit_code, 0) << run;
    EXPECT_THAT(message_of("present-layout"), HasSubstr(step.changes));
    EXPECT_EQ(layout(), step.layout);
    EXPECT_EQ(rows(), same_rows);
    EXPECT_EQ(value("SELECT count(*) FROM seen"),
              value("SELECT count(*) FROM \"T x\" WHERE n = 1"));
    // A unique key of the table again, under a name that the backups leave free.
    EXPECT_EQ(value("SELECT count(*) FROM pg_index WHERE indrelid = '\"T x\"'::regclass AND"
                    " indisunique AND NOT indisprimary AND indnatts > indnkeyatts"),
              step.layout.starts_with("LIST (partition_key)") ? "1" : "0");
    // The same once more is nothing, by the journal and by the table itself.
    EXPECT_EQ(ask("run", arguments).exit_code, 0);
    EXPECT_TRUE(has_issue("already-swapped") || has_issue("nothing-to-do")) << json.dump(1);
    EXPECT_EQ(ask("verify", {"--table", backup(), "--into", "\"T x\"", "--data"}).exit_code, 0)
        << json.dump(1);
  }
  for (auto step = catalogs.rbegin(); step != catalogs.rend(); ++step) {
    std::vector<std::string> arguments = {"--table", "\"T x\""};
    if (step == catalogs.rbegin() + 1) {
      // The same command twice does no harm.
      EXPECT_EQ(ask("rollback", arguments).exit_code, 0);
      EXPECT_EQ(catalog(), *std::prev(step));
      EXPECT_THAT(json.dump(), HasSubstr("--earlier"));
    }
    if (step != catalogs.rbegin()) arguments.emplace_back("--earlier");
    const CommandResult back = ask("rollback", arguments);
    ASSERT_EQ(back.exit_code, 0) << back;
    EXPECT_EQ(catalog(), *step);
    EXPECT_EQ(rows(), same_rows);
  }
  EXPECT_EQ(catalog(), first);
}

TEST_F(SecondConversionTest, SameLayoutIsRecognisedWithoutTheJobThatMadeIt) {
  make();
  ASSERT_EQ(ask("run", {"--table", "\"T x\"", "--partitions", "4", "--swap"}).exit_code, 0)
      << json.dump(1);
  const std::string oid = value("SELECT '\"T x\"'::regclass::oid");
  const auto is_nothing = [&](const std::string& command, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"--table", "\"T x\""};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult result = ask(command, arguments);
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(value("SELECT '\"T x\"'::regclass::oid"), oid);
    EXPECT_EQ(value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgfanout%' AND tgrelid ="
                    " '\"T x\"'::regclass"),
              "0");
    return has_issue("nothing-to-do") || has_issue("already-swapped");
  };
  ASSERT_EQ(ask("cleanup", {"--table", "\"T x\"", "--force"}).exit_code, 0) << json.dump(1);
  EXPECT_TRUE(is_nothing("run", {"--swap"})) << "after cleanup";
  EXPECT_TRUE(is_nothing("run", {"--into", "other"})) << "by another target's name";
  EXPECT_TRUE(is_nothing("run", {"--key", "abs(hashtext(c::text)) % 4", "--partitions", "4"}));
  execute("DROP SCHEMA pgfanout CASCADE");
  EXPECT_TRUE(is_nothing("run", {"--partitions", "4", "--key-mode", "check", "--swap"}));
  EXPECT_TRUE(is_nothing("plan", {}));
  const CommandResult text =
      harness::run_command({harness::pgfanout_binary(), "plan", "--source", dsn(), "--table",
                            "\"T x\"", "--progress", "none"});
  EXPECT_THAT(text.out, StartsWith("nothing to do: public.\"T x\" is in this layout already\n"));
  const CommandResult other =
      harness::run_command({harness::pgfanout_binary(), "plan", "--source", dsn(), "--table",
                            "\"T x\"", "--progress", "none", "--key-mode", "none"});
  EXPECT_THAT(other.out, HasSubstr("go: public.\"T x\" can move into public.\"T x_new\"\n"
                                   "  public.\"T x\" is laid out by a key already"));
  EXPECT_THAT(other.out, HasSubstr("the job changes: key mode from check to none\n"));
  // Other columns are a reason, and so is the wish.
  EXPECT_FALSE(is_nothing("plan", {"--map", "v=upper(v)"}));
  // A job that was begun is gone on with, though it is not told again.
  const harness::TemporaryFile gated("[gates]\nprepare = \"confirm\"\n");
  const std::vector<std::string> arguments = {gated.path(), "--table", "\"T x\"", "--swap"};
  EXPECT_EQ(ask("run", {gated.path(), "--table", "\"T x\"", "--swap", "--restart"}).exit_code, 3);
  EXPECT_EQ(ask("run", arguments).exit_code, 3) << json.dump(1);
  EXPECT_FALSE(has_issue("nothing-to-do"));
  EXPECT_EQ(
      ask("run", {gated.path(), "--table", "\"T x\"", "--swap", "--confirm", "prepare"}).exit_code,
      0)
      << json.dump(1);
  EXPECT_NE(value("SELECT '\"T x\"'::regclass::oid"), oid);
}

TEST_F(SecondConversionTest, KeyWithoutAModulusHasToBeTold) {
  execute(
      "CREATE TABLE \"T x\" (id int PRIMARY KEY, v text); INSERT INTO \"T x\" SELECT i, 'v' FROM"
      " generate_series(0, 99) i");
  ASSERT_EQ(ask("run", {"--table", "\"T x\"", "--key", "id / 25", "--partitions", "4", "--swap"})
                .exit_code,
            0)
      << json.dump(1);
  EXPECT_EQ(ask("run", {"--table", "\"T x\"", "--partitions", "8", "--swap"}).exit_code, 2);
  EXPECT_THAT(json["issues"][0]["code"].get<std::string>(), "no-key");
  EXPECT_EQ(ask("run", {"--table", "\"T x\"", "--key-mode", "generated", "--swap"}).exit_code, 0)
      << json.dump(1);
  EXPECT_EQ(value("SELECT pg_get_partkeydef('\"T x\"'::regclass)"), "LIST (((id / 25)))");
  EXPECT_EQ(ask("run", {"--table", "\"T x\"", "--key", "id % 8", "--partitions", "8", "--swap"})
                .exit_code,
            0)
      << json.dump(1);
  // The mode is kept.
  EXPECT_EQ(value("SELECT pg_get_partkeydef('\"T x\"'::regclass)"), "LIST (((id % 8)))");
}

}  // namespace
}  // namespace pgfanout
