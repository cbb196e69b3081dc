// Faults that administrators and machines cause on a server in the middle of a copy: sessions
// terminated, statements cancelled, the server stopped at once or killed, tables locked by somebody
// else.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "tests/faults/fault_rig.h"

namespace pgfanout::testing {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

void wait(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

class ServerFaultsLongTest : public ::testing::Test {
 protected:
  /// Its crashes lose nothing that was committed.
  static FaultBench& bench() {
    static FaultBench bench(kManyRows, [] {
      harness::ServerOptions options;
      options.durable = true;
      options.settings = {"deadlock_timeout = 50ms"};
      return options;
    }());
    return bench;
  }

  struct Victim {
    std::string pid;
    std::string role;
  };
  /// Any session of pgfanout in one of these states, once there is one.
  static std::optional<Victim> choose_victim(Random& random, harness::BackgroundCommand& command,
                                             const std::string& states) {
    harness::Session session = bench().server().connect();
    while (command.running()) {
      const auto sessions = session.rows(
          "SELECT pid, application_name FROM pg_stat_activity WHERE application_name LIKE"
          " 'pgfanout/%' AND state IN (" +
          states + ") ORDER BY backend_start");
      if (!sessions.empty()) {
        const auto& chosen =
            sessions[static_cast<std::size_t>(below(random, static_cast<int>(sessions.size())))];
        return Victim{*chosen[0], chosen[1]->substr(chosen[1]->rfind('/') + 1)};
      }
      wait(0.001);
    }
    return std::nullopt;
  }
  static constexpr const char* kAnyState = "'active', 'idle', 'idle in transaction'";

  /// One fault at any moment of a copy, done by `inject`, which returns what it was.
  static void one_round(
      Round& round,
      const std::function<std::optional<std::string>(harness::BackgroundCommand&)>& inject,
      const std::function<void()>& restore = {}) {
    auto& [number, random, tally] = round;
    FaultRig rig(bench(), random_shape(random), tally);
    const double whole = bench().seconds(rig.shape());
    for (int fault = below(random, 3); fault >= 0 && !rig.is_complete(); --fault) {
      harness::BackgroundCommand command = rig.start();
      const double after = between(random, 0, whole);
      wait(after);
      const auto when = Clock::now();
      const auto what = inject(command);
      if (what) ++tally.faults;
      const CommandResult result = command.wait();
      if (what) tally.note_exit(seconds_since(when), *what);
      if (restore) restore();
      rig.run_ended(result, what.value_or("nothing") + " after " + std::to_string(after) + " s");
      if (HasFailure()) return;
    }
    rig.finish();
  }
};

TEST_F(ServerFaultsLongTest, TerminatedSessions) {
  run_rounds(6, [](Round& round) {
    one_round(round, [&](harness::BackgroundCommand& command) -> std::optional<std::string> {
      const auto victim = choose_victim(round.random, command, kAnyState);
      if (!victim) return std::nullopt;
      bench().server().execute("postgres", "SELECT pg_terminate_backend(" + victim->pid + ")");
      return "termination of a " + victim->role;
    });
  });
}

TEST_F(ServerFaultsLongTest, CancelledStatements) {
  run_rounds(5, [](Round& round) {
    one_round(round, [&](harness::BackgroundCommand& command) -> std::optional<std::string> {
      const auto victim = choose_victim(round.random, command, "'active'");
      if (!victim) return std::nullopt;
      bench().server().execute("postgres", "SELECT pg_cancel_backend(" + victim->pid + ")");
      return "cancelling a statement of a " + victim->role;
    });
  });
}

TEST_F(ServerFaultsLongTest, ServerThatCrashes) {
  run_rounds(6, [](Round& round) {
    const bool is_killed = below(round.random, 2) == 0;
    one_round(
        round,
        [&](harness::BackgroundCommand&) -> std::optional<std::string> {
          if (is_killed) {
            bench().server().kill_postmaster(SIGKILL);
          } else {
            bench().server().stop_immediately();
          }
          return is_killed ? "SIGKILL of the postmaster" : "an immediate stop";
        },
        [] { bench().server().start(); });
  });
}

/// A backend that is killed takes the others with it; the server comes back by itself.
TEST_F(ServerFaultsLongTest, ServerThatRestartsItself) {
  const auto times_ready = [] {
    const std::string log = bench().server().log();
    const std::string line = "database system is ready to accept connections";
    int times = 0;
    for (auto at = log.find(line); at != std::string::npos; at = log.find(line, at + 1)) ++times;
    return times;
  };
  run_rounds(3, [&](Round& round) {
    int awaited = 0;
    one_round(
        round,
        [&](harness::BackgroundCommand& command) -> std::optional<std::string> {
          const auto victim = choose_victim(round.random, command, kAnyState);
          const int before = times_ready();
          if (victim && kill(std::stoi(victim->pid), SIGKILL) == 0) {
            awaited = before + 1;
            return "SIGKILL of a " + victim->role;
          }
          return std::nullopt;
        },
        [&] {
          for (int attempt = 0; attempt < 500; ++attempt) {
            if (times_ready() < awaited) {
              wait(0.02);
              continue;
            }
            try {
              bench().server().execute("postgres", "SELECT 1");
              return;
            } catch (const harness::ServerError&) {
              wait(0.02);
            }
          }
          FAIL() << "the server did not come back";
        });
  });
}

/// Somebody holds a lock that the copy needs, on the source or on one of its leaves, for a while,
/// and then wants one more, so that there may be a deadlock.
TEST_F(ServerFaultsLongTest, LocksOfOthers) {
  run_rounds(4, [](Round& round) {
    auto& [number, random, tally] = round;
    FaultRig rig(bench(), random_shape(random), tally);
    rig.add_options({"--lock-timeout", "300ms"});
    const bool on_source = below(random, 3) == 0;
    const std::string first = on_source ? "chunks_h3" : "chunks_new_p7";
    const std::string second = on_source ? "chunks_h0" : "chunks_new_p0";
    const std::string mode = on_source ? "ROW EXCLUSIVE" : "ACCESS SHARE";
    const double held = between(random, 0.1, 1.5);
    const auto when = Clock::now();
    harness::BackgroundCommand command = rig.start();
    std::thread other([&, database = on_source ? rig.source_database() : rig.target_database()] {
      try {
        harness::Session session = bench().server().connect(database);
        while (command.running() &&
               session.value("SELECT to_regclass('public." + first + "') IS NULL") == "t") {
          wait(0.001);
        }
        session.execute("SET lock_timeout = '1s'; BEGIN; LOCK TABLE " + first + " IN " + mode +
                        " MODE");
        wait(held / 2);
        session.execute("LOCK TABLE " + second + " IN " + mode + " MODE");
        wait(held / 2);
      } catch (const harness::ServerError&) {
        // It lost: the table is gone, or a deadlock was its.
      }
    });
    const CommandResult result = command.wait();
    other.join();
    ++tally.faults;
    tally.note_exit(seconds_since(when), "the first lock on " + first);
    rig.run_ended(result, "a lock on " + first + " for " + std::to_string(held) + " s");
    if (!HasFailure()) rig.finish();
  });
}

}  // namespace
}  // namespace pgfanout::testing
