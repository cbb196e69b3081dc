// As crash_points_test: the client ends at each of its places (PGFANOUT_CRASH_AT), the first or a
// later time it comes there, of a copy of its own, which is resumed and killed again at random.
#include "copier/base/crash_point.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <sstream>

#include "tests/faults/fault_rig.h"
#include "tests/harness/temporary_file.h"

namespace pgfanout::testing {
namespace {

/// Places of a copy; those after them belong to the window (window_crash_points_test).
std::vector<std::string> places_of_a_copy() {
  return {kCrashPoints.begin(),
          std::find(kCrashPoints.begin(), kCrashPoints.end(), "stage-recorded")};
}

struct Case {
  CopyShape shape;
  std::string place;
};

class CrashPointsLongTest : public ::testing::Test {
 protected:
  static FaultBench& bench() {
    static FaultBench bench(kManyRows);
    return bench;
  }

  static std::vector<CopyShape> shapes() {
    std::vector<CopyShape> shapes(1);
    shapes.emplace_back().commit_every = "1000";
    // Lanes that share connections.
    shapes.back().writers = 3;
    return shapes;
  }

  /// The places that a copy of that shape comes to.
  static std::vector<std::string> reached(const CopyShape& shape) {
    const harness::TemporaryFile log("", ".log");
    Tally ignored;
    FaultRig rig(bench(), shape, ignored);
    const CommandResult result = rig.start({{"PGFANOUT_CRASH_LOG", log.path()}}).wait();
    rig.run_ended(result, "a run that nothing was done to");
    std::istringstream text(harness::read_file(log.path()));
    std::vector<std::string> names;
    for (std::string name; std::getline(text, name);) names.push_back(name);
    return names;
  }

  static std::vector<Case> all_cases() {
    std::vector<Case> cases;
    std::vector<std::string> missing = places_of_a_copy();
    for (const CopyShape& shape : shapes()) {
      for (const std::string& place : reached(shape)) {
        cases.push_back({shape, place});
        std::erase(missing, place);
      }
    }
    std::erase(missing, "row-set-aside");  // These tables have none: integration/rejects_test.
    std::string names;
    for (const std::string& each : missing) names += each + " ";
    EXPECT_EQ(names, "") << "places that no copy comes to";
    return cases;
  }
};

TEST_F(CrashPointsLongTest, CopyEndsAsIfNothingHadBeenFromEveryPlace) {
  const std::vector<Case> cases = all_cases();
  ASSERT_FALSE(cases.empty());
  const auto all = static_cast<int>(cases.size());
  run_rounds(
      all,
      [&](Round& round) {
        auto& [number, random, tally] = round;
        const auto& [shape, place] = cases[static_cast<std::size_t>(number % all)];
        // Every place is met the first time in the first rounds, a later time in further ones.
        const int time = number < all ? 1 : 1 + below(random, 12);
        FaultRig rig(bench(), shape, tally);
        const std::string at = place + ":" + std::to_string(time);
        const CommandResult result = rig.start({{"PGFANOUT_CRASH_AT", at}}).wait();
        EXPECT_TRUE(time > 1 || result.signal == SIGKILL) << at << result;
        ++tally.faults;
        rig.run_ended(result, "SIGKILL at " + at);
        if (HasFailure()) return;
        // The resumed run is killed as well, anywhere, at a later time.
        const std::string again = cases[static_cast<std::size_t>(below(random, all))].place + ":" +
                                  std::to_string(1 + below(random, 6));
        if (!rig.is_complete() && below(random, 2) == 0) {
          ++tally.faults;
          rig.run_ended(rig.start({{"PGFANOUT_CRASH_AT", again}}).wait(),
                        "SIGKILL at " + at + ", and of its resume at " + again);
        }
        if (!HasFailure()) rig.finish();
      },
      all);
}

TEST_F(CrashPointsLongTest, LaterTimesAtAnyPlace) {
  const std::vector<std::string> places = places_of_a_copy();
  run_rounds(6, [&](Round& round) {
    auto& [number, random, tally] = round;
    CopyShape shape = random_shape(random);
    FaultRig rig(bench(), shape, tally);
    for (int kill = below(random, 3); kill >= 0 && !rig.is_complete(); --kill) {
      const std::string& place =
          places[static_cast<std::size_t>(below(random, static_cast<int>(places.size())))];
      const std::string at = place + ":" + std::to_string(2 + below(random, 10));
      ++tally.faults;
      rig.run_ended(rig.start({{"PGFANOUT_CRASH_AT", at}}).wait(), "SIGKILL at " + at);
      if (HasFailure()) return;
    }
    rig.finish();
  });
}

}  // namespace
}  // namespace pgfanout::testing
