// The client is killed at any moment, several times in a row, and the copy ends as if it had not
// been interrupted.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "tests/faults/fault_rig.h"

namespace pgfanout::testing {
namespace {

constexpr int kMostInARow = 5;

class SigkillLongTest : public ::testing::Test {
 protected:
  static FaultBench& bench() {
    static FaultBench bench(kManyRows);
    return bench;
  }
  static void wait(double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  }
};

TEST_F(SigkillLongTest, CopyEndsAsIfNothingHadBeen) {
  run_rounds(16, [](Round& round) {
    auto& [number, random, tally] = round;
    FaultRig rig(bench(), random_shape(random), tally);
    const double whole = bench().seconds(rig.shape());
    const int kills = 1 + below(random, kMostInARow);
    for (int kill = 0; kill < kills && !rig.is_complete(); ++kill) {
      const double after = between(random, 0, whole * 1.1);
      harness::BackgroundCommand command = rig.start();
      wait(after);
      command.send_signal(SIGKILL);
      ++tally.faults;
      rig.run_ended(command.wait(), "SIGKILL after " + std::to_string(after) + " s");
      if (HasFailure()) return;
    }
    rig.finish();
  });
}

/// The first asks for the end of the epoch, the second for the end.
TEST_F(SigkillLongTest, SignalsStopItInOrderAndItGoesOn) {
  run_rounds(6, [](Round& round) {
    auto& [number, random, tally] = round;
    FaultRig rig(bench(), random_shape(random), tally);
    const double after = between(random, 0.05, bench().seconds(rig.shape()));
    const int signal = below(random, 2) == 0 ? SIGINT : SIGTERM;
    harness::BackgroundCommand command = rig.start();
    wait(after);
    const auto sent = std::chrono::steady_clock::now();
    command.send_signal(signal);
    if (below(random, 2) == 0) {
      wait(between(random, 0, 0.1));
      command.send_signal(signal);
    }
    ++tally.faults;
    const CommandResult result = command.wait();
    tally.note_exit(std::chrono::duration<double>(std::chrono::steady_clock::now() - sent).count(),
                    "a signal");
    // Now and then a signal meets a program that does not handle it yet.
    const bool has_begun = result.signal != signal || !result.err.empty();
    EXPECT_TRUE(result.exit_code == 3 || result.exit_code == 0 || !has_begun) << result;
    rig.run_ended(result, "signal after " + std::to_string(after) + " s");
    if (!HasFailure()) rig.finish();
  });
}

}  // namespace
}  // namespace pgfanout::testing
