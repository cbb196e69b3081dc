// Ranges of a real server whose reader's backend is ended on the way.
#include "copier/stage/range_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/harness/test_server.h"
#include "tests/stage/copy_bytes.h"

namespace pgfanout {
namespace {

using harness::Session;
using harness::TestServer;

class RangeReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    database = server.create_database("ranges");
    server.execute(database,
                   "CREATE TABLE t AS SELECT n, repeat('x', 500) AS filler"
                   " FROM generate_series(1, 40000) n");
    holder.emplace(server.connect(database));
    holder->execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '" +
            holder->value("SELECT pg_export_snapshot()") + "'; SET synchronize_seqscans = off";
    // Behind the snapshot: must never be seen.
    server.execute(database, "DELETE FROM t WHERE n % 2 = 0; INSERT INTO t VALUES (0, 'later')");
  }

  std::unique_ptr<RangeSource> source() {
    auto made = make_server_sources(
        1,
        [this]() -> Result<Connection> {
          if (is_away) return refused("cannot-connect", "away");
          auto connection = Connection::open({server.dsn(database), "test/reader"});
          if (connection) backend = connection->backend_pid();
          return connection;
        },
        begin,
        [](const SourceRange&) {
          return RangeSelect{"n, filler", "public.t", " WHERE true"};
        },
        cancellation);
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(made->front());
  }

  /// Reads all; at each of the given batches the reader's backend is ended.
  Result<std::uint64_t> read(RangeSource& source, std::vector<int> ends_at) {
    Stop stop(cancellation);
    Rejects rejects(0);
    ReaderOptions options{64 << 10, budget, rejects, stop};
    options.can_replay = true;
    const SourceRange range;
    RangeReader reader(options, source, range, 0);
    int batches = 0;
    return testing::read_all(reader, [&](const RowBatch& batch) {
      const std::string bytes(as_text(batch.bytes.view()));
      if (batch.is_replay) {
        if (batch.is_first) replayed.clear();
        replayed += bytes;
      } else {
        EXPECT_TRUE(kept.starts_with(replayed)) << "what was read again is what there was";
        kept += bytes;
      }
      if (std::find(ends_at.begin(), ends_at.end(), ++batches) == ends_at.end()) return;
      end_backend();
    });
  }

  void end_backend() {
    if (holder_ends_too) holder.reset();
    const std::string of_backend = " FROM pg_stat_activity WHERE pid = " + std::to_string(backend);
    server.execute("postgres", "SELECT pg_terminate_backend(pid)" + of_backend);
    while (server.value("postgres", "SELECT count(*)" + of_backend) != "0") {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  TestServer& server = TestServer::shared();
  MemoryBudget budget{64 << 20};
  Cancellation cancellation;
  std::string database;
  std::optional<Session> holder;
  std::string begin;
  int backend = 0;
  bool is_away = false;
  bool holder_ends_too = false;
  std::string kept;
  std::string replayed;
};

TEST_F(RangeReaderTest, EndedBackendIsReplacedUnderTheSameSnapshot) {
  const auto whole_source = source();
  const auto whole = read(*whole_source, {});
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(*whole, 40000U);
  const std::string expected = std::exchange(kept, {});
  const auto broken_source = source();
  const auto rows = read(*broken_source, {20, 60, 200});
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(*rows, 40000U);
  EXPECT_FALSE(replayed.empty());
  EXPECT_TRUE(kept == expected) << "the same bytes";
}

TEST_F(RangeReaderTest, SnapshotThatEndedCannotBeReadAgain) {
  const auto broken_source = source();
  holder_ends_too = true;
  const auto rows = read(*broken_source, {20});
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "snapshot-lost");
  EXPECT_EQ(rows.error().consequence, Consequence::interrupt);
  EXPECT_NE(rows.error().hint.find("same command"), std::string::npos);
}

TEST_F(RangeReaderTest, ServerThatStaysAwayIsALostConnection) {
  const auto broken_source = source();
  ASSERT_TRUE(broken_source->open(SourceRange{}, ""));
  is_away = true;
  end_backend();
  auto stream = broken_source->open(SourceRange{}, "");
  if (!stream) stream = broken_source->open(SourceRange{}, "");
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, "connection-lost");
  EXPECT_EQ(stream.error().consequence, Consequence::interrupt);
}

}  // namespace
}  // namespace pgfanout
