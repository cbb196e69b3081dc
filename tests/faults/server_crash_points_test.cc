// Administrators and machines act on a server, and on the client, while the client stands still at
// a named place of a copy (PGFANOUT_CRASH_AT with SIGSTOP): sessions are terminated, statements
// cancelled, the server stopped at once or killed, a table locked, signals sent. Each of them once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "tests/faults/fault_rig.h"

namespace pgfanout::testing {
namespace {

class ServerCrashPointsTest : public ::testing::Test {
 protected:
  /// Without fsync: a killed server loses nothing that it has written to a file.
  static FaultBench& bench() {
    static FaultBench bench(kFewRows, [] {
      harness::ServerOptions options;
      options.settings = {"synchronous_commit = on"};
      return options;
    }());
    return bench;
  }
  static TestServer& server() { return bench().server(); }

  struct Fault {
    std::string place;  ///< Where the client stands meanwhile.
    std::string what;
    std::function<void(const FaultRig&, harness::BackgroundCommand&)> inject;
    int exit_code = 3;  ///< Of the call that meets it.
    std::function<void(const FaultRig&, const CommandResult&)> check{};
  };

  /// Each call resumes what the one before left, and meets the next fault. A new copy begins when
  /// one ended in spite of its fault.
  static void meet_each(const CopyShape& shape, const std::vector<Fault>& faults,
                        const std::vector<std::string>& options = {}) {
    Tally tally;
    ++tally.rounds;
    FaultRig rig(bench(), shape, tally);
    rig.add_options(options);
    for (const Fault& fault : faults) {
      if (rig.is_complete()) rig.begin_anew();
      const std::string what = fault.what + " at " + fault.place;
      harness::BackgroundCommand command =
          rig.start({{"PGFANOUT_CRASH_AT", fault.place}, {"PGFANOUT_CRASH_BY", "SIGSTOP"}});
      const bool is_there = command.wait_until_stopped();
      if (is_there) fault.inject(rig, command);
      command.send_signal(SIGCONT);
      const CommandResult result = command.wait();
      ASSERT_TRUE(is_there) << what << ": the copy does not come there\n" << result;
      if (!server().running()) server().start();
      EXPECT_EQ(result.exit_code, fault.exit_code) << what << result;
      ++tally.faults;
      rig.run_ended(result, what);
      if (fault.check && !HasFailure()) fault.check(rig, result);
      if (HasFailure()) return;
    }
    rig.finish();
    tally.print();
  }

  static CopyShape epochs() {
    CopyShape shape;
    shape.commit_every = "500";
    shape.writers = 3;
    return shape;
  }

  /// pg_terminate_backend or pg_cancel_backend on the oldest session of that role; the latter on
  /// one that is at work, as only statements can be cancelled.
  static Fault end_session(const std::string& place, const std::string& function,
                           const std::string& role, int exit_code) {
    const std::string sql =
        "SELECT count(" + function +
        "(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND"
        " application_name LIKE 'pgfanout/%/" +
        role + "'" + (function == "pg_cancel_backend" ? " AND state = 'active'" : "") +
        " ORDER BY backend_start LIMIT 1) s";
    const auto inject = [=](const FaultRig& rig, harness::BackgroundCommand&) {
      EXPECT_TRUE(eventually([&] { return server().value(rig.source_database(), sql) == "1"; }))
          << "no session of a " << role;
    };
    return {place, function + " of a " + role, inject, exit_code};
  }
  static Fault killed_server(const std::string& place) {
    return {place, "SIGKILL of the postmaster", [](const FaultRig&, harness::BackgroundCommand&) {
              server().kill_postmaster(SIGKILL);
            }};
  }
  static Fault stopped_server(const std::string& place) {
    return {place, "an immediate stop",
            [](const FaultRig&, harness::BackgroundCommand&) { server().stop_immediately(); }};
  }
  /// Takes the other backends with it. The server comes back by itself.
  static Fault killed_backend(const std::string& place) {
    return {place, "SIGKILL of a backend", [](const FaultRig&, harness::BackgroundCommand&) {
              const std::string back = "all server processes terminated; reinitializing";
              const std::size_t before = server().log().size();
              const harness::Session victim = server().connect();
              ASSERT_EQ(kill(victim.backend_pid(), SIGKILL), 0);
              ASSERT_TRUE(eventually([&] {
                return server().log().find(back, before) != std::string::npos && answers();
              })) << server().log().substr(before);
            }};
  }
  static Fault sent_signals(const std::string& place, const std::vector<int>& signals) {
    std::string what = "signals";
    for (const int signal : signals) what += std::string(" ") + strsignal(signal);
    return {place, what, [signals](const FaultRig&, harness::BackgroundCommand& command) {
              for (const int signal : signals) command.send_signal(signal);
            }};
  }
  /// The server takes the lock back after `held`; 0: it is held until that call has ended.
  static Fault locked_table(const std::string& place, const std::string& table,
                            const std::string& mode, const std::string& held, int exit_code) {
    const auto holder = std::make_shared<std::optional<harness::Session>>();
    return {place, "a lock on " + table,
            [=](const FaultRig& rig, harness::BackgroundCommand&) {
              holder->emplace(server().connect(rig.source_database()))
                  .execute("SET idle_in_transaction_session_timeout = '" + held +
                           "'; BEGIN; LOCK TABLE " + table + " IN " + mode + " MODE");
            },
            exit_code, [=](const FaultRig&, const CommandResult&) { holder->reset(); }};
  }

  static bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  static bool answers() {
    try {
      server().execute("postgres", "SELECT 1");
      return true;
    } catch (const harness::ServerError&) {
      return false;
    }
  }
};

TEST_F(ServerCrashPointsTest, ServerThatDies) {
  meet_each(epochs(), {killed_server("tables-created"), stopped_server("lane-sent"),
                       killed_backend("lane-commit-sent"), killed_server("lane-committed"),
                       stopped_server("epoch-committed"), killed_server("leaves-attached"),
                       stopped_server("attach-committed")});
}

TEST_F(ServerCrashPointsTest, ServerThatDiesUnderWholeLeaves) {
  meet_each({}, {killed_backend("lane-taken"), stopped_server("lane-commit-sent"),
                 killed_server("read-back")});
}

/// The fence outlives the session that holds lock and snapshot; the readers have theirs.
TEST_F(ServerCrashPointsTest, SessionsThatTheCopyStandsOn) {
  meet_each(epochs(), {end_session("lane-sent", "pg_terminate_backend", "target", 3),
                       end_session("epoch-drained", "pg_terminate_backend", "target", 3),
                       end_session("leaves-attached", "pg_terminate_backend", "target", 3),
                       end_session("reader-batch", "pg_terminate_backend", "source", 0)});
}

/// Their sessions are opened again by the same call.
TEST_F(ServerCrashPointsTest, ReadersAndWriters) {
  const auto lost = [](const std::string& place, const std::string& role) {
    Fault fault = end_session(place, "pg_terminate_backend", role, 0);
    fault.check = [role](const FaultRig&, const CommandResult& result) {
      if (role == "reader") return;  // It may have sent its last row already.
      EXPECT_NE(result.out.find("lost-and-again"), std::string::npos) << result;
    };
    return fault;
  };
  meet_each(epochs(), {lost("reader-batch", "reader"), lost("lane-taken", "writer")});
  meet_each({}, {lost("lane-sent", "writer")});
}

TEST_F(ServerCrashPointsTest, CancelledStatement) {
  meet_each(epochs(), {end_session("lane-sent", "pg_cancel_backend", "writer", 3)});
}

/// A lock that goes is waited for, by further attempts.
TEST_F(ServerCrashPointsTest, LocksOfOthers) {
  meet_each(epochs(), {locked_table("job-journaled", "chunks_h3", "ROW EXCLUSIVE", "0", 2)},
            {"--lock-timeout", "100ms"});
  meet_each(epochs(),
            {locked_table("tables-created", "chunks_new_p7", "SHARE", "300ms", 0),
             locked_table("copy-committed", "chunks_new_p0", "SHARE", "300ms", 0)},
            {"--lock-timeout", "5s"});
  // The leaves are read back under SHARE, and attached under a lock that waits for readers.
  meet_each(epochs(), {locked_table("copy-committed", "chunks_new_p0", "ACCESS SHARE", "0", 3)},
            {"--lock-timeout", "100ms"});
}

TEST_F(ServerCrashPointsTest, SignalsToTheClient) {
  Fault first = sent_signals("lane-sent", {SIGINT});
  first.check = [](const FaultRig& rig, const CommandResult&) {
    EXPECT_EQ(server().value(rig.source_database(),
                             "SELECT count(DISTINCT epoch) FROM pgfanout.leaf_load"),
              "1")
        << "the first signal waits for the end of the epoch";
  };
  meet_each(epochs(), {first, sent_signals("reader-batch", {SIGHUP}),
                       sent_signals("lane-sent", {SIGINT, SIGTERM})});
  meet_each({}, {sent_signals("lane-taken", {SIGTERM})});
}

}  // namespace
}  // namespace pgfanout::testing
