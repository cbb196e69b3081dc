// The swap as the application meets it: clients at work, sessions in the way, names.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;
using Clock = std::chrono::steady_clock;

class SwapTest : public testing::WindowFixture {
 protected:
  void begin_before_the_swap() {
    begin_at("before the swap", [this] {
      make_chunks(500);
      ASSERT_EQ(window("run", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
    });
  }
  void begin_swapped() {
    begin_at("swapped", [this] {
      begin_before_the_swap();
      ASSERT_EQ(window("swap", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
    });
  }
};

/// Clients that read and write until they are told to stop; what went wrong, by SQLSTATE.
class Clients {
 public:
  Clients(testing::TestServer& server, std::string database)
      : server_(server), database_(std::move(database)) {}

  void start(int readers, int writers) {
    for (int at = 0; at < readers + writers; ++at) {
      threads_.emplace_back([this, at, writes = at >= readers] { work(at, writes); });
    }
  }
  void stop() {
    is_over_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  std::map<std::string, int> reader_errors;
  std::map<std::string, int> writer_errors;
  std::atomic<int> reads{0};
  std::atomic<int> writes{0};
  std::atomic<std::int64_t> longest_read_ms{0};

 private:
  void work(int number, bool writes_rows) {
    harness::Session session = server_.connect(database_);
    const std::string id = std::to_string(1 + number * 7);
    const std::string where = " FROM chunks WHERE id = " + id + " AND collection_id = md5('" +
                              std::to_string((1 + number * 7) % 500) + "')::uuid";
    while (!is_over_) {
      const auto began = Clock::now();
      try {
        if (writes_rows) {
          session.execute("UPDATE chunks SET content = 'w' WHERE id = " + id +
                          " AND collection_id = md5('" + std::to_string((1 + number * 7) % 500) +
                          "')::uuid");
          ++writes;
        } else {
          if (session.value("SELECT count(*)" + where) != "1") note(reader_errors, "no row");
          ++reads;
          const auto took =
              std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
          std::int64_t longest = longest_read_ms;
          while (took > longest && !longest_read_ms.compare_exchange_weak(longest, took)) {
          }
        }
      } catch (const harness::ServerError& error) {
        note(writes_rows ? writer_errors : reader_errors, error.sqlstate());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void note(std::map<std::string, int>& errors, const std::string& what) {
    const std::lock_guard lock(mutex_);
    ++errors[what];
  }

  testing::TestServer& server_;
  const std::string database_;
  std::atomic<bool> is_over_{false};
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

TEST_F(SwapTest, ClientsSeeAPauseAndNoError) {
  begin_before_the_swap();
  Clients clients(server(), database);
  clients.start(16, 8);
  const auto wait_for_more = [&](int reads, int writes) {
    const auto deadline = Clock::now() + std::chrono::seconds(60);
    while ((clients.reads < reads || clients.writes < writes) && Clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_GE(clients.reads, reads);
    EXPECT_GE(clients.writes, writes);
  };
  wait_for_more(32, 0);
  const CommandResult swapped = window("swap", {"--table", "chunks"});
  EXPECT_EQ(swapped.exit_code, 0) << swapped;
  wait_for_more(clients.reads + 32, clients.writes + 16);
  clients.stop();
  EXPECT_TRUE(clients.reader_errors.empty())
      << clients.reader_errors.begin()->first << ' ' << clients.reader_errors.begin()->second;
  // Writers were refused by the fence, and by nothing else; now they are at work.
  for (const auto& [sqlstate, count] : clients.writer_errors) EXPECT_EQ(sqlstate, "55000") << count;
  RecordProperty("longest_read_ms", static_cast<int>(clients.longest_read_ms));
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "500");
  EXPECT_EQ(value("SELECT count(DISTINCT tableoid) FROM chunks"), std::to_string(testing::kLeaves));
}

TEST_F(SwapTest, SessionInTheWayIsNamedAndEndedOnlyIfAskedFor) {
  begin_before_the_swap();
  harness::Session reader = server().connect(database);
  reader.execute("SET application_name = 'long report'; BEGIN; SELECT count(*) FROM chunks");
  const CommandResult blocked =
      window("swap", {"--table", "chunks", "--swap-lock-timeout", "50ms", "--swap-within", "1s"});
  EXPECT_EQ(blocked.exit_code, 3) << blocked;
  EXPECT_LT(blocked.seconds, 30);
  EXPECT_TRUE(has_issue("lock-timeout"));
  EXPECT_THAT(blocked.err, HasSubstr("long report"));
  EXPECT_EQ(reader.value("SELECT count(*) FROM chunks"), "500") << "it is still connected";
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_backup%'"), "0");
  // The job need not be restarted: the swap succeeds once it can acquire its locks.
  const CommandResult swapped =
      window("swap", {"--table", "chunks", "--swap-lock-timeout", "50ms", "--end-blockers"});
  EXPECT_EQ(swapped.exit_code, 0) << swapped;
  EXPECT_THAT(swapped.err, HasSubstr("terminated"));
  EXPECT_THROW(reader.execute("SELECT 1"), harness::ServerError);
}

TEST_F(SwapTest, NamesOfStrangersAreNotTaken) {
  begin_before_the_swap();
  execute("CREATE TABLE chunks_p2 (mine int)");
  const CommandResult result = window("swap", {"--table", "chunks"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_THAT(result.err, HasSubstr("chunks_p2"));
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_backup%'"), "0");
  execute("DROP TABLE chunks_p2");
  EXPECT_EQ(window("swap", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
}

TEST_F(SwapTest, SecondWindowOnTheSwappedTable) {
  begin_swapped();
  // A backup is named by the second in which its swap is.
  ASSERT_TRUE(eventually([this] {
    return value(
               "SELECT to_regclass('chunks_backup_' || to_char(now() AT TIME ZONE 'UTC',"
               " 'YYYYMMDD_HH24MISS')) IS NULL") == "t";
  }));
  // From LIST on the key column to other leaves, whose names are those of the old ones.
  const CommandResult again = window(
      "run", {"--table", "chunks", "--partitions", "7", "--key", "abs(hashtext(id::text)) % 7",
              "--key-column", "part", "--key-mode", "none", "--skip", "partition_key", "--accept",
              "constraint chunks_pkey", "--accept", "constraint partition_key_check", "--swap"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "500");
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "7");
  ASSERT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "8");
  // The first one's backup is still kept.
  EXPECT_EQ(window("cleanup", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("retention"));
  EXPECT_EQ(window("cleanup", {"--table", "chunks", "--force"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_backup%'"), "0");
}

TEST_F(SwapTest, SameCommandAfterItsSwapMovesNothing) {
  begin_swapped();
  const std::string oid = value("SELECT 'chunks'::regclass::oid");
  const CommandResult again = window("run", {"--table", "chunks", "--swap"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_TRUE(has_issue("already-swapped"));
  EXPECT_THAT(again.err, HasSubstr("writes are allowed"));
  EXPECT_EQ(value("SELECT 'chunks'::regclass::oid"), oid);
  const CommandResult swapped = window("swap", {"--table", "chunks"});
  EXPECT_EQ(swapped.exit_code, 2);
  EXPECT_TRUE(has_issue("already-swapped"));
  EXPECT_THAT(swapped.err, Not(HasSubstr("writes are refused")));
}

TEST_F(SwapTest, AnotherTableUnderTheNameOfASwappedOneIsMoved) {
  begin_swapped();
  execute(
      "DROP TABLE chunks; CREATE TABLE chunks (id bigint, collection_id uuid, PRIMARY KEY (id, "
      "collection_id));"
      "INSERT INTO chunks SELECT n, md5(n::text)::uuid FROM generate_series(1, 100) n");
  EXPECT_EQ(window("run", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  EXPECT_FALSE(has_issue("already-swapped"));
  EXPECT_EQ(json["rows"]["written"], 100);
}

TEST_F(SwapTest, DefinitionChangedWhileAGateWaitedIsNotSwappedAway) {
  begin_before_the_swap();
  struct Change {
    std::string sql;
    std::string taken_back;
  };
  const std::vector<Change> changes = {
      {"GRANT SELECT ON chunks TO pg_monitor", "REVOKE SELECT ON chunks FROM pg_monitor"},
      {"CREATE INDEX late_index ON chunks (created_at)", "DROP INDEX late_index"},
      {"ALTER TABLE chunks ADD CONSTRAINT late_check CHECK (id > 0)",
       "ALTER TABLE chunks DROP CONSTRAINT late_check"},
      {"ALTER TABLE chunks ENABLE ROW LEVEL SECURITY",
       "ALTER TABLE chunks DISABLE ROW LEVEL SECURITY"},
      {"ALTER TABLE chunks ALTER COLUMN content SET DEFAULT 'late'",
       "ALTER TABLE chunks ALTER COLUMN content DROP DEFAULT"},
      {"ALTER TABLE chunks ALTER COLUMN created_at DROP NOT NULL",
       "ALTER TABLE chunks ALTER COLUMN created_at SET NOT NULL"},
      {"ALTER TABLE chunks RENAME COLUMN content TO late_content",
       "ALTER TABLE chunks RENAME COLUMN late_content TO content"},
      {"COMMENT ON TABLE chunks IS 'late'", "COMMENT ON TABLE chunks IS NULL"},
      {"CREATE VIEW late_view AS SELECT id FROM chunks", "DROP VIEW late_view"}};
  for (const Change& change : changes) {
    execute(change.sql);
    const CommandResult swapped = window("swap", {"--table", "chunks"});
    EXPECT_EQ(swapped.exit_code, 2) << change.sql << swapped;
    EXPECT_TRUE(has_issue("definition-changed") || has_issue("fence-broken"))
        << change.sql << swapped;
    execute(change.taken_back);
  }
  EXPECT_EQ(window("swap", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
}

}  // namespace
}  // namespace pgfanout
