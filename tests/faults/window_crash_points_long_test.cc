// As window_crash_points_test: the window's commands end at each of their places
// (PGFANOUT_CRASH_AT), each in a window of its own, the first or a later time, and go on or back at
// random.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <sstream>

#include "tests/faults/window_rig.h"
#include "tests/harness/temporary_file.h"

namespace pgfanout::testing {
namespace {

constexpr int kLongRows = 1500;

struct Case {
  std::string command;  ///< run, rollback, keep or cleanup.
  std::string place;
};

class WindowCrashPointsLongTest : public WindowRig {
 protected:
  /// The command, killed at a place; then it goes on to its end, or back if that is possible.
  void crash_and_go_on(const Case& each, int time, bool goes_back, Tally& tally) {
    begin(kLongRows);
    const bool needs_swap = each.command != "run";
    ASSERT_TRUE(!needs_swap || call("run").exit_code == 0);
    if (each.command == "keep") write_rows();
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
    } else if (next == "rollback" || next == "keep") {
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
    begin(kLongRows);
    for (const std::string command : {"run", "rollback", "run", "keep", "run", "cleanup"}) {
      if (command == "keep") write_rows();
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
};

TEST_F(WindowCrashPointsLongTest, EveryPlaceOfTheWindow) {
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
