// The window's commands end at each of their named places. The live name always stands for a
// complete table (I2), and from everywhere it goes on to the end or back to the beginning.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <sstream>

#include "copier/base/crash_point.h"
#include "tests/faults/fault_rig.h"
#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout::testing {
namespace {

constexpr int kRows = 1500;

std::vector<std::string> places_of_the_window() {
  return {std::find(kCrashPoints.begin(), kCrashPoints.end(), "stage-recorded"),
          kCrashPoints.end()};
}

struct Case {
  std::string command;  ///< run, rollback or cleanup.
  std::string place;
};

class WindowCrashPointsTest : public WindowFixture {
 protected:
  void begin() {
    database = server().create_database("copy");
    make_chunks(kRows);
    before_ = catalog();
    rows_ = live_rows();
  }
  void end() const {
    if (!HasFailure()) server().execute("postgres", "DROP DATABASE " + database + " WITH (FORCE)");
  }

  static std::vector<std::string> arguments_of(const std::string& command) {
    if (command == "run") return {"--table", "chunks", "--partitions", "8", "--swap"};
    if (command == "cleanup") return {"--table", "chunks", "--force"};
    return {"--table", "chunks"};
  }
  CommandResult call(const std::string& command, const harness::Environment& environment = {}) {
    harness::CommandOptions options;
    options.environment = environment;
    std::vector<std::string> arguments = {command,  "--source",   dsn(),
                                          "--json", "--progress", "none"};
    const std::vector<std::string> more = arguments_of(command);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return harness::pgfanout(arguments, options);
  }

  /// The rows behind the live name, without the key that the new layout adds.
  [[nodiscard]] std::string live_rows() const {
    return value("SELECT count(*) || ' ' || sum(hashtextextended(ROW(" +
                 std::string(kChunkColumns) + ")::text, 0)) FROM public.chunks");
  }
  [[nodiscard]] bool is_swapped() const {
    return value(
               "SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.chunks'::regclass AND"
               " attname = 'partition_key'") == "1";
  }

  void check_always(const std::string& what) {
    expect_no_sessions(server(), database, what);
    EXPECT_EQ(value("SELECT to_regclass('public.chunks') IS NOT NULL"), "t") << "I2, " << what;
    EXPECT_EQ(live_rows(), rows_) << "I1 and I2, " << what;
  }
  void check_swapped(const std::string& what) {
    check_always(what);
    EXPECT_TRUE(is_swapped()) << what;
    EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "8")
        << what;
    EXPECT_EQ(value("SELECT count(*) FROM chunks WHERE partition_key <>"
                    " abs(hashtext(collection_id::text)) % 8"),
              "0")
        << what;
    EXPECT_EQ(sqlstate_of("BEGIN; DELETE FROM chunks; ROLLBACK"), "00000") << what;
  }
  void check_as_before(const std::string& what) {
    check_always(what);
    EXPECT_EQ(catalog(), before_) << what;
    EXPECT_EQ(sqlstate_of("BEGIN; DELETE FROM chunks; ROLLBACK"), "00000") << what;
  }

  /// The command, killed at a place; then it goes on to its end, or back if that is possible.
  void crash_and_go_on(const Case& each, int time, bool goes_back, Tally& tally) {
    begin();
    const bool needs_swap = each.command != "run";
    ASSERT_TRUE(!needs_swap || call("run").exit_code == 0);
    const std::string at = each.place + ":" + std::to_string(time);
    const std::string what = each.command + " killed at " + at;
    const CommandResult killed = call(each.command, {{"PGFANOUT_CRASH_AT", at}});
    EXPECT_TRUE(time > 1 || killed.signal == SIGKILL) << what << killed;
    EXPECT_TRUE(killed.signal == SIGKILL || killed.exit_code == 0) << what << killed;
    ++tally.faults;
    ++(killed.signal == SIGKILL ? tally.killed : tally.unharmed);
    check_always(what);
    const std::string next = each.command == "run" && goes_back ? "rollback" : each.command;
    const CommandResult ended = call(next);
    const std::string then = what + ", then " + next;
    EXPECT_EQ(ended.exit_code, 0) << then << ended;
    if (next == "run") {
      check_swapped(then);
    } else if (next == "rollback") {
      check_as_before(then);
    } else {
      check_swapped(then);
      EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_backup%'"), "0")
          << then;
    }
    ++tally.completed;
    if (killed.signal == SIGKILL) ++tally.resumed;
    end();
  }

  std::vector<Case> all_cases() {
    std::vector<std::string> missing = places_of_the_window();
    std::vector<Case> cases;
    begin();
    for (const std::string command : {"run", "rollback", "run", "cleanup"}) {
      const harness::TemporaryFile log("", ".log");
      const CommandResult result = call(command, {{"PGFANOUT_CRASH_LOG", log.path()}});
      EXPECT_EQ(result.exit_code, 0) << result;
      std::istringstream text(harness::read_file(log.path()));
      for (std::string name; std::getline(text, name);) {
        std::erase(missing, name);
        const bool is_known = std::any_of(cases.begin(), cases.end(), [&](const Case& each) {
          return each.command == command && each.place == name;
        });
        if (!is_known) cases.push_back({command, name});
      }
    }
    end();
    std::string names;
    for (const std::string& each : missing) names += each + " ";
    EXPECT_EQ(names, "") << "places that no command of the window comes to";
    return cases;
  }

  std::string before_;
  std::string rows_;
};

TEST_F(WindowCrashPointsTest, EveryPlaceOfTheWindow) {
  std::vector<Case> cases = all_cases();
  const std::vector<std::string> own = places_of_the_window();
  // The copy within the window has a test of its own; here a few of its places will do.
  std::stable_partition(cases.begin(), cases.end(), [&](const Case& each) {
    return std::find(own.begin(), own.end(), each.place) != own.end();
  });
  const auto of_window =
      static_cast<int>(std::count_if(cases.begin(), cases.end(), [&](const Case& each) {
        return std::find(own.begin(), own.end(), each.place) != own.end();
      }));
  ASSERT_FALSE(cases.empty());
  run_rounds(
      of_window + 4,
      [&](Round& round) {
        auto& [number, random, tally] = round;
        const auto all = static_cast<int>(cases.size());
        const int index = number < of_window ? number : below(random, all);
        const int time = number < of_window ? 1 : 1 + below(random, 8);
        crash_and_go_on(cases[static_cast<std::size_t>(index)], time, below(random, 2) == 0, tally);
      },
      of_window);
}

}  // namespace
}  // namespace pgfanout::testing
