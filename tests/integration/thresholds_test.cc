// Limits that a running copy really crosses: one way to measure each, one path for each action.
// Which values cross a limit, and what that asks for, is in tests/watch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <array>
#include <atomic>
#include <optional>
#include <thread>

#include "tests/integration/watch_fixture.h"

namespace pgfanout {
namespace {

using harness::Session;
using harness::TestServer;
using ::testing::HasSubstr;
using testing::Watcher;

class ThresholdsTest : public testing::WatchFixture {
 protected:
  /// The same command, without the limit: it must go on to its end.
  void expect_goes_on(JobDescription again) const {
    again.watch.thresholds.clear();
    Watcher watcher;
    const JobResult result = run(again, watcher);
    EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
    EXPECT_EQ(value("SELECT count(*) = (SELECT count(*) FROM t) FROM t_new"), "t");
  }
  /// Stopped by that measure, resumably.
  void expect_stopped(const JobResult& result, const char* words) const {
    ASSERT_TRUE(result.error);
    EXPECT_EQ(exit_code_of(result), 3);
    EXPECT_EQ(result.error->code, "threshold");
    EXPECT_THAT(result.error->message, HasSubstr(words));
    EXPECT_THAT(result.error->message, HasSubstr("limit"));
    EXPECT_THAT(result.error->hint, HasSubstr("run the same command again"));
  }
};

/// Keeps a processor busy while it lives.
class BusyLoop {
 public:
  BusyLoop()
      : thread_([this] {
          while (!is_over_) ++count_;
        }) {}
  ~BusyLoop() {
    is_over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> is_over_{false};
  std::atomic<std::uint64_t> count_{0};
  std::thread thread_;
};

TEST_F(ThresholdsTest, ProcessorsOfTheHostStopTheJobAndItGoesOn) {
  make_table(300);
  const JobDescription limited = job_with(Measure::cpu, 1, WatchAction::stop);
  const BusyLoop load;
  Watcher watcher;
  watcher.at_change = [&](const ThresholdState&) { wait_until_held(); };
  let_go_when(watcher, [&](const WatchSample&) { return !watcher.changes.empty(); });
  const JobResult result = run(limited, watcher);
  expect_stopped(result, "CPU of the target's host was");
  ASSERT_EQ(watcher.changes.size(), 1U);
  EXPECT_TRUE(watcher.changes[0].is_crossed);
  EXPECT_GT(*watcher.changes[0].value, 1);
  EXPECT_LE(*watcher.changes[0].value, 100);
  expect_goes_on(limited);
}

/// Readers at rest would never end the epoch that a stop waits for.
TEST_F(ThresholdsTest, MemoryOfTheHostPausesAJobWhichEndsItsEpochWhenItIsToStop) {
  make_table(2500);
  JobDescription limited = job_with(Measure::memory, 1, WatchAction::pause);
  limited.commit_every = {CommitEvery::Unit::rows, 500};
  const Cancellation now;
  Cancellation soon(&now);
  Watcher watcher;
  watcher.at_change = [&](const ThresholdState&) { wait_until_held(); };
  let_go_when(watcher, [&](const WatchSample& sample) {
    if (sample.speed == Speed::paused) soon.set();
    return soon.is_set();
  });
  const JobResult result = run_copy(limited, watcher, soon);
  EXPECT_EQ(exit_code_of(result), 3);
  EXPECT_TRUE(watcher.was(Speed::paused));
  ASSERT_GE(watcher.changes.size(), 1U);
  EXPECT_EQ(watcher.changes[0].measure, Measure::memory);
  EXPECT_EQ(value("SELECT count(*) FROM pgfanout.epoch"), "1");
  expect_goes_on(limited);
}

TEST_F(ThresholdsTest, ALockPausesTheJobAndNamesWhoHoldsIt) {
  make_table(200);
  let_go();
  Session holder(dsn());
  holder.execute("SET lock_timeout = '10s'; SET application_name = 'the holder'");
  Watcher watcher;
  watcher.at_stage = [&](std::string_view stage) {
    if (stage != "copy") return;
    const std::string leaf = value(
        "SELECT min(relname) FROM pg_class WHERE relname LIKE"
        " 't\\_new\\_p%' AND relkind = 'r'");
    holder.execute("BEGIN; LOCK TABLE " + leaf + " IN SHARE MODE");
  };
  bool was_let_go = false;
  watcher.at_sample = [&](const WatchSample& sample) {
    if (was_let_go || sample.speed != Speed::paused) return;
    holder.execute("ROLLBACK");
    was_let_go = true;
  };
  const JobResult result = run(job_with(Measure::lock_wait, 0.05, WatchAction::pause), watcher);
  EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
  EXPECT_TRUE(was_let_go);
  ASSERT_GE(watcher.changes.size(), 1U);
  const ThresholdState& crossed = watcher.changes[0];
  EXPECT_EQ(crossed.measure, Measure::lock_wait);
  EXPECT_GT(*crossed.value, 0.05);
  EXPECT_THAT(crossed.detail, HasSubstr("pid " + std::to_string(holder.backend_pid())));
  EXPECT_THAT(crossed.detail, HasSubstr("the holder"));
  EXPECT_THAT(crossed.detail, HasSubstr("idle in transaction"));
  EXPECT_THAT(crossed.detail, HasSubstr("public.t_new_p"));
  const bool saw_lock =
      std::any_of(watcher.samples.begin(), watcher.samples.end(), [](const WatchSample& sample) {
        return std::any_of(sample.waits.begin(), sample.waits.end(), [](const WaitCount& wait) {
          return wait.side == "target" && wait.event == "Lock/relation" && wait.sessions > 0;
        });
      });
  EXPECT_TRUE(saw_lock);
}

TEST_F(ThresholdsTest, TooManyRowsThatAreSetAsideStopTheJob) {
  make_table(2500, 2001);
  execute(
      "CREATE TABLE t_new (id int, note text, partition_key int NOT NULL, CHECK (id % 50 <> 3))"
      " PARTITION BY LIST (partition_key); DO $$ BEGIN FOR k IN 0..3 LOOP EXECUTE format("
      "'CREATE TABLE t_new_p%s PARTITION OF t_new FOR VALUES IN (%s)', k, k); END LOOP; END $$");
  JobDescription limited = job_with(Measure::errors, 1, WatchAction::stop);
  limited.reject_limit.rows = 100'000;
  limited.commit_every = {CommitEvery::Unit::rows, 500};
  Watcher watcher;
  let_go_when(watcher, [&](const WatchSample&) { return !watcher.changes.empty(); });
  const JobResult result = run(limited, watcher);
  expect_stopped(result, "share of rows set aside was");
  EXPECT_THAT(result.error->message, HasSubstr(" rows"));
  limited.watch.thresholds = {{Measure::errors, {}, WatchAction::off}};
  Watcher again;
  const JobResult rest = run(limited, again);
  EXPECT_EQ(exit_code_of(rest), 0) << (rest.error ? rest.error->message : "");
  EXPECT_EQ(value("SELECT (SELECT count(*) FROM t_new) || ' ' || (SELECT count(*) FROM"
                  " t_new_rejects)"),
            "2450 50");
}

TEST_F(ThresholdsTest, ADiskThatIsTooFullStopsTheJobAtOnce) {
  make_table(200);
  const JobDescription limited = job_with(Measure::disk_free, 9e17, WatchAction::stop);
  Watcher watcher;
  watcher.at_change = [&](const ThresholdState&) { wait_until_held(); };
  const JobResult result = run(limited, watcher);  // Which is held for as long as it wants.
  let_go();
  expect_stopped(result, "free disk of the target was");
  EXPECT_THAT(result.error->message, HasSubstr(server().data_directory()));
  expect_goes_on(limited);
}

TEST_F(ThresholdsTest, CheckpointsThatWereAskedForSlowTheJobDownToItsEnd) {
  make_table(200);
  Watcher watcher;
  let_go_when(watcher, [&](const WatchSample& sample) {
    if (sample.speed == Speed::full) execute("CHECKPOINT");
    return sample.speed == Speed::slow;
  });
  const JobResult result = run(job_with(Measure::checkpoints, 1, WatchAction::slow), watcher);
  EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
  EXPECT_EQ(result.verdict, Verdict::match);
  ASSERT_GE(watcher.changes.size(), 1U);
  EXPECT_EQ(watcher.changes[0].measure, Measure::checkpoints);
  EXPECT_GE(*watcher.changes[0].value, 2);
  EXPECT_TRUE(watcher.was(Speed::slow));
  EXPECT_GT(watcher.pace_wait_ns, 0U);
  const Issue* crossed = issue_of(result, "threshold-crossed");
  ASSERT_NE(crossed, nullptr);
  EXPECT_EQ(crossed->where, "checkpoints");
  EXPECT_THAT(crossed->message, HasSubstr("action slow"));
}

/// Follows the server's WAL as a standby does, and says of itself what the test wants.
class Standby {
 public:
  explicit Standby(const TestServer& server)
      : connection_(
            PQconnectdb((server.dsn() + " replication=true application_name=standby").c_str()),
            PQfinish) {
    const std::unique_ptr<PGresult, void (*)(PGresult*)> system(
        PQexec(connection_.get(), "IDENTIFY_SYSTEM"), PQclear);
    const std::string position = PQgetvalue(system.get(), 0, 2);
    const std::unique_ptr<PGresult, void (*)(PGresult*)> begun(
        PQexec(connection_.get(), ("START_REPLICATION PHYSICAL " + position).c_str()), PQclear);
    EXPECT_EQ(PQresultStatus(begun.get()), PGRES_COPY_BOTH) << PQerrorMessage(connection_.get());
    say(position_of(position));
  }
  /// "I have replayed all up to here."
  void say(std::uint64_t position) {
    std::string message = "r";
    for (const std::uint64_t number : {position, position, position, std::uint64_t{0}}) {
      for (int shift = 56; shift >= 0; shift -= 8) {
        message += static_cast<char>((number >> static_cast<unsigned>(shift)) & 0xffU);
      }
    }
    message += '\0';
    PQputCopyData(connection_.get(), message.data(), static_cast<int>(message.size()));
    PQflush(connection_.get());
  }
  static std::uint64_t position_of(const std::string& text) {
    const std::size_t slash = text.find('/');
    return (std::stoull(text.substr(0, slash), nullptr, 16) << 32U) +
           std::stoull(text.substr(slash + 1), nullptr, 16);
  }

 private:
  std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
};

TEST_F(ThresholdsTest, AStandbyThatFallsBehindPausesTheJobUntilItHasCaughtUp) {
  make_table(200);
  Standby standby(server());
  Watcher watcher;
  bool was_paused = false;
  let_go_when(watcher, [&](const WatchSample& sample) {
    was_paused = was_paused || sample.speed == Speed::paused;
    // Others write, too: a standby is behind them as well.
    if (!was_paused)
      execute("SELECT pg_logical_emit_message(false, 'pgfanout', repeat('x', 1000))");
    if (was_paused) {
      standby.say(Standby::position_of(value("SELECT pg_current_wal_lsn()")));
    }
    return was_paused;
  });
  const JobResult result = run(job_with(Measure::replica_lag, 0.3, WatchAction::pause), watcher);
  EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
  EXPECT_TRUE(was_paused);
  ASSERT_GE(watcher.changes.size(), 1U);
  EXPECT_EQ(watcher.changes[0].measure, Measure::replica_lag);
  EXPECT_THAT(watcher.changes[0].detail, HasSubstr("standby"));
  EXPECT_THAT(watcher.changes[0].detail, HasSubstr("behind"));
}

TEST_F(ThresholdsTest, ARoleWithFewRightsIsToldWhatCannotBeMeasuredAndWorksInFull) {
  const std::string role = "modest_" + database;
  execute("CREATE ROLE " + role + " LOGIN; GRANT CREATE ON DATABASE " + database + " TO " + role +
          "; GRANT CREATE ON SCHEMA public TO " + role);
  make_table(200);
  execute("ALTER TABLE t OWNER TO " + role + "; ALTER TABLE t_0 OWNER TO " + role +
          "; ALTER TABLE t_1 OWNER TO " + role);
  JobDescription modest = job_with(Measure::disk_free, 1, WatchAction::stop);
  modest.source_dsn = dsn(role);
  Watcher watcher;
  let_go_when(watcher, [](const WatchSample&) { return true; });
  const JobResult result = run(modest, watcher);
  EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
  const Issue* said = issue_of(result, "not-measured");
  ASSERT_NE(said, nullptr);
  EXPECT_EQ(said->severity, Severity::warning);
  EXPECT_THAT(said->message, HasSubstr("disk_free"));
  EXPECT_THAT(said->message, HasSubstr("pg_read_all_settings"));
  // The server's processes are this host's, which its own process says.
  EXPECT_THAT(said->message, Not(HasSubstr("memory")));
  ASSERT_GE(watcher.samples.size(), 1U);
  for (const ThresholdState& state : watcher.samples.back().thresholds) {
    if (state.measure == Measure::memory) {
      EXPECT_TRUE(state.value);
    } else if (state.measure == Measure::disk_free) {
      EXPECT_FALSE(state.value);
    }
  }
}

TEST_F(ThresholdsTest, TheServerIsLookedAtByItselfAndNoLongerThanTheJob) {
  make_table(200);
  Watcher watcher;
  std::string sessions;
  let_go_when(watcher, [&](const WatchSample&) {
    if (!sessions.empty()) return true;
    sessions = value(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE"
        " 'pgfanout/%/watch' AND datname = current_database() AND state = 'idle'"
        " AND backend_xid IS NULL AND backend_xmin IS NULL");
    return true;
  });
  const JobResult result = run(job(), watcher);
  EXPECT_EQ(exit_code_of(result), 0) << (result.error ? result.error->message : "");
  EXPECT_EQ(sessions, "1");
  // One answer for each measure; none is wanting on this server but a standby's.
  ASSERT_GE(watcher.samples.size(), 1U);
  EXPECT_EQ(watcher.samples.back().thresholds.size(), 9U);
  EXPECT_EQ(issue_of(result, "not-measured"), nullptr);
}

}  // namespace
}  // namespace pgfanout
