// The swap as the application meets it: a hundred clients at work, sessions in the way, names.
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

class SwapTest : public testing::WindowFixture {};

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
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
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

TEST_F(SwapTest, HundredClientsSeeAPauseAndNoError) {
  make_chunks(5000);
  ASSERT_EQ(window("run", {"--table", "chunks", "--writers", "8"}).exit_code, 0);
  Clients clients(server(), database);
  clients.start(80, 20);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const CommandResult swapped = window("swap", {"--table", "chunks"});
  EXPECT_EQ(swapped.exit_code, 0) << swapped;
  const int writes_before = clients.writes;
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  clients.stop();
  EXPECT_TRUE(clients.reader_errors.empty())
      << clients.reader_errors.begin()->first << ' ' << clients.reader_errors.begin()->second;
  // Writers were refused by the fence, and by nothing else; now they are at work.
  for (const auto& [sqlstate, count] : clients.writer_errors) EXPECT_EQ(sqlstate, "55000") << count;
  EXPECT_GT(clients.writes, writes_before);
  EXPECT_GT(clients.reads, 100);
  RecordProperty("longest_read_ms", static_cast<int>(clients.longest_read_ms));
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "5000");
  EXPECT_EQ(value("SELECT count(DISTINCT tableoid) > 50 FROM chunks"), "t");
}

TEST_F(SwapTest, SessionInTheWayIsNamedAndNotKilled) {
  make_chunks(300);
  ASSERT_EQ(window("run", {"--table", "chunks"}).exit_code, 0);
  harness::Session reader = server().connect(database);
  reader.execute("SET application_name = 'long report'; BEGIN; SELECT count(*) FROM chunks");
  const auto began = Clock::now();
  const CommandResult blocked =
      window("swap", {"--table", "chunks", "--swap-lock-timeout", "200ms", "--swap-within", "1s"});
  EXPECT_EQ(blocked.exit_code, 2) << blocked;
  EXPECT_LT(Clock::now() - began, std::chrono::seconds(10));
  EXPECT_TRUE(has_issue("lock-timeout"));
  EXPECT_THAT(blocked.err, HasSubstr("long report"));
  EXPECT_EQ(reader.value("SELECT count(*) FROM chunks"), "300") << "it is still connected";
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_backup%'"), "0");
  // Nobody has to begin anew: the swap goes on once the way is free.
  reader.execute("COMMIT");
  EXPECT_EQ(window("swap", {"--table", "chunks"}).exit_code, 0);
}

TEST_F(SwapTest, BlockersAreEndedIfAskedFor) {
  make_chunks(300);
  ASSERT_EQ(window("run", {"--table", "chunks"}).exit_code, 0);
  harness::Session reader = server().connect(database);
  reader.execute("BEGIN; SELECT count(*) FROM chunks");
  const CommandResult swapped =
      window("swap", {"--table", "chunks", "--swap-lock-timeout", "200ms", "--end-blockers"});
  EXPECT_EQ(swapped.exit_code, 0) << swapped;
  EXPECT_THAT(swapped.err, HasSubstr("terminated"));
  EXPECT_THROW(reader.execute("SELECT 1"), harness::ServerError);
}

TEST_F(SwapTest, NamesOfStrangersAreNotTaken) {
  make_chunks(300);
  execute("CREATE TABLE chunks_p42 (mine int)");
  const CommandResult result = window("run", {"--table", "chunks", "--swap"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_THAT(result.err, HasSubstr("chunks_p42"));
  EXPECT_EQ(value("SELECT count(*) FROM chunks_h3"), value("SELECT count(*) FROM ONLY chunks_h3"));
  execute("DROP TABLE chunks_p42");
  EXPECT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0);
  EXPECT_EQ(value("SELECT relkind FROM pg_class WHERE relname = 'chunks_p42'"), "r");
}

TEST_F(SwapTest, SecondWindowOnTheSwappedTable) {
  make_chunks(600);
  ASSERT_EQ(window("run", {"--table", "chunks", "--swap"}).exit_code, 0);
  // From LIST on the key column to other leaves, whose names are those of the old ones.
  const CommandResult again = window(
      "run", {"--table", "chunks", "--partitions", "7", "--key", "abs(hashtext(id::text)) % 7",
              "--key-column", "part", "--key-mode", "none", "--skip", "partition_key", "--accept",
              "constraint chunks_pkey", "--accept", "constraint partition_key_check", "--swap"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_EQ(value("SELECT count(*) FROM chunks"), "600");
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "7");
  ASSERT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "100");
  // The first one's backup is still kept.
  EXPECT_EQ(window("cleanup", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("retention"));
  EXPECT_EQ(window("cleanup", {"--table", "chunks", "--force"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_backup%'"), "0");
}

TEST_F(SwapTest, SameCommandAfterItsSwapMovesNothing) {
  make_chunks(300);
  const std::vector<std::string> command = {"--table", "chunks", "--swap"};
  ASSERT_EQ(window("run", command).exit_code, 0);
  const std::string oid = value("SELECT 'chunks'::regclass::oid");
  const CommandResult again = window("run", command);
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_TRUE(has_issue("already-swapped"));
  EXPECT_THAT(again.err, HasSubstr("writes are allowed"));
  EXPECT_EQ(value("SELECT 'chunks'::regclass::oid"), oid);
  EXPECT_EQ(window("swap", {"--table", "chunks"}).exit_code, 2);
  EXPECT_TRUE(has_issue("already-swapped"));
  EXPECT_EQ(window("swap", {"--table", "chunks"}).exit_code, 2);
  EXPECT_THAT(window("swap", {"--table", "chunks"}).err, Not(HasSubstr("writes are refused")));
}

TEST_F(SwapTest, DefinitionChangedWhileAGateWaitedIsNotSwappedAway) {
  make_chunks(200);
  execute("CREATE ROLE late_" + database);
  const std::vector<std::string> changes = {
      "GRANT SELECT ON chunks TO late_" + database,
      "CREATE INDEX late_index ON chunks (created_at)",
      "ALTER TABLE chunks ADD CONSTRAINT late_check CHECK (id > 0)",
      "ALTER TABLE chunks ENABLE ROW LEVEL SECURITY",
      "ALTER TABLE chunks ALTER COLUMN content SET DEFAULT 'late'",
      "ALTER TABLE chunks ALTER COLUMN created_at DROP NOT NULL",
      "ALTER TABLE chunks RENAME COLUMN content TO late_content",
      "COMMENT ON TABLE chunks IS 'late'",
      "CREATE VIEW late_view AS SELECT id FROM chunks"};
  for (const std::string& change : changes) {
    ASSERT_EQ(window("run", {"--table", "chunks"}).exit_code, 0) << change << json.dump(1);
    execute(change);
    const CommandResult swapped = window("swap", {"--table", "chunks"});
    EXPECT_EQ(swapped.exit_code, 2) << change << swapped;
    EXPECT_TRUE(has_issue("definition-changed") || has_issue("fence-broken")) << change << swapped;
    ASSERT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << change << json.dump(1);
  }
}

}  // namespace
}  // namespace pgfanout
