// The whole pipeline between fake servers: everything arrives once, and every way of failing stops
// all of it soon and commits nothing.
#include "copier/pipeline/fan_out.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <stdexcept>

#include "copier/reconcile/balance.h"
#include "tests/layout/list_layout.h"
#include "tests/pipeline/fakes.h"

namespace pgfanout {
namespace {

using testing::copy_row;
using testing::FakeChannel;
using testing::FakeSource;
using testing::FakeTarget;
using testing::int4;

constexpr std::size_t kLeaves = 100;

class FanOutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::size_t key = 0; key < kLeaves; ++key) names.push_back("leaf" + std::to_string(key));
  }

  /// `ranges` of `rows` rows each.
  void fill(std::size_t range_count, int rows, std::size_t name_bytes = 20) {
    table.assign(range_count, {});
    int id = 0;
    for (std::uint32_t range = 0; range < range_count; ++range) {
      ranges.push_back({range, 0, std::nullopt, 0});
      for (int row = 0; row < rows; ++row, ++id) {
        std::string name = "row " + std::to_string(id);
        name.resize(std::max(name.size(), name_bytes), '.');
        table[range].push_back(copy_row({int4(id), name}));
      }
    }
  }

  Result<void> run(std::size_t channel_count, std::uint64_t memory_bytes = 64ULL << 20U,
                   std::uint64_t reject_limit = 0) {
    std::vector<std::unique_ptr<RangeSource>> sources;
    for (int at = 0; at < 2; ++at) {
      auto source = std::make_unique<FakeSource>(table);
      source->stream_error = stream_error;
      source->on_open = on_open;
      sources.push_back(std::move(source));
    }
    writers = {};
    for (std::size_t lane = 0; lane < kLeaves; ++lane) {
      writers.channel_of.push_back(lane % channel_count);
    }
    for (std::size_t at = 0; at < channel_count; ++at) {
      auto channel = std::make_unique<FakeChannel>(target);
      if (at == 0 && spoil) spoil(*channel);
      channel->refuse_rows_with = refused_text;
      writers.channels.push_back(std::move(channel));
    }
    std::vector<LaneTarget> targets;
    for (const std::string& name : names) targets.push_back({name, "COPY " + name});
    rejects = std::make_unique<Rejects>(reject_limit);
    ledger = std::make_unique<Ledger>(ranges.size(), kLeaves);
    if (prepare_ledger) prepare_ledger(*ledger);
    const RowLayout layout = testing::id_name_layout();
    const KeyExpression key = testing::name_key();
    PGFANOUT_TRY(run_fan_out({ranges, epoch, layout, key, *leaves, sources, writers, targets, done,
                              memory_bytes, sets_aside},
                             *ledger, *rejects, counters, cancellation));
    if (balance_before_commit(*ledger, names, due).verdict != Verdict::match) {
      return refused("ledger", "unbalanced");
    }
    std::vector<LaneStatement> statements;
    for (const std::string& name : names) {
      statements.push_back({"MARK " + name, expected_tag + name});
    }
    return commit_lanes({writers, targets, std::move(statements), true, *ledger, counters},
                        cancellation);
  }

  std::uint64_t committed_rows() {
    std::uint64_t rows = 0;
    for (const auto& [statement, bytes] : target.committed) {
      Decoder decoder(3, {});
      decoder.start_at_row();
      RowIndex index;
      EXPECT_EQ(decoder.decode(as_bytes(bytes), 0, index).consumed, bytes.size());
      rows += index.rows.size();
    }
    return rows;
  }

  FakeSource::Table table;
  std::vector<SourceRange> ranges;
  LayoutPointer leaves = testing::list_layout(kLeaves);
  std::vector<std::string> names;
  FakeTarget target;
  std::function<void(FakeChannel&)> spoil;
  std::function<void(Ledger&)> prepare_ledger;
  LaneChannels writers;
  std::vector<bool> done;
  std::vector<bool> due;  // Ranges that have to be read; empty: all.
  std::uint32_t epoch = 1;
  std::string expected_tag = "MARK ";
  std::string refused_text;
  bool sets_aside = false;
  std::optional<Error> stream_error;
  std::function<void()> on_open;
  std::unique_ptr<Rejects> rejects;
  std::unique_ptr<Ledger> ledger;
  JobCounters counters;
  Cancellation cancellation;
};

TEST_F(FanOutTest, EveryRowIsCommittedOnceWithAConnectionForEachLeaf) {
  fill(8, 5000);
  ASSERT_TRUE(run(kLeaves));
  EXPECT_EQ(committed_rows(), 40000U);
  for (const LeafAccount& leaf : ledger->leaves()) EXPECT_TRUE(leaf.is_committed);
}

TEST_F(FanOutTest, TheBoardHasEveryRowThatWasSent) {
  fill(8, 5000);
  counters.leaves.open(names);
  ASSERT_TRUE(run(7));
  for (std::uint32_t leaf = 0; leaf < kLeaves; ++leaf) {
    EXPECT_EQ(counters.leaves.rows(leaf), ledger->leaf(leaf).sent_rows);
    EXPECT_EQ(counters.leaves.state(leaf), LeafState::committed);
  }
  EXPECT_GT(counters.work_ns, 0U);
  EXPECT_EQ(counters.memory_budget, 64ULL << 20U);
  // No reader or writer is at work any more, and no memory is held.
  EXPECT_EQ(counters.readers + counters.readers_busy, 0U);
  EXPECT_EQ(counters.writers + counters.writers_busy, 0U);
  EXPECT_EQ(counters.memory_used, 0U);
}

TEST_F(FanOutTest, LanesShareTheConnectionsThatThereAre) {
  fill(8, 5000);
  for (const std::size_t count : {1U, 3U, 50U}) {
    target.committed.clear();
    ASSERT_TRUE(run(count)) << count;
    EXPECT_EQ(committed_rows(), 40000U) << count;
  }
}

TEST_F(FanOutTest, SmallBudgetNeitherDeadlocksNorLosesRows) {
  fill(6, 2000, 700);
  ASSERT_TRUE(run(kLeaves, 256 << 10U));
  EXPECT_EQ(committed_rows(), 12000U);
}

TEST_F(FanOutTest, RowsLargerThanTheBudgetTravelAlone) {
  fill(3, 10, 3 << 20U);
  ASSERT_TRUE(run(5, 1 << 20U));
  EXPECT_EQ(committed_rows(), 30U);
}

TEST_F(FanOutTest, EmptySourceCommitsEmptyLeaves) {
  fill(16, 0);
  ASSERT_TRUE(run(kLeaves));
  EXPECT_EQ(committed_rows(), 0U);
  for (const LeafAccount& leaf : ledger->leaves()) EXPECT_TRUE(leaf.is_committed);
}

TEST_F(FanOutTest, MarkersGoBeforeTheCommit) {
  fill(1, 10);
  ASSERT_TRUE(run(4));
  const auto markers = std::count_if(target.statements.begin(), target.statements.end(),
                                     [](const auto& sql) { return sql.starts_with("MARK"); });
  EXPECT_EQ(markers, static_cast<std::ptrdiff_t>(kLeaves));
}

TEST_F(FanOutTest, OnlyTheEpochsRangesAreReadAndConnectionsServeTheNext) {
  fill(4, 1000);
  ranges[2].epoch = ranges[3].epoch = 2;
  due = {true, true, false, false};
  ASSERT_TRUE(run(7));
  EXPECT_EQ(committed_rows(), 2000U);
  EXPECT_EQ(writers.channels.size(), 7U);
  for (const auto& channel : writers.channels) EXPECT_EQ(channel->state(), ChannelState::ready);
}

TEST_F(FanOutTest, LeavesThatHaveTheEpochAreNotWrittenAgain) {
  fill(2, 1000);
  ASSERT_TRUE(run(kLeaves));
  const std::vector<LeafAccount> first = ledger->leaves();
  target.committed.clear();
  // Every second leaf was committed by a call that was killed.
  done.assign(kLeaves, false);
  for (std::size_t leaf = 0; leaf < kLeaves; leaf += 2) done[leaf] = true;
  prepare_ledger = [&](Ledger& books) {
    for (std::uint32_t leaf = 0; leaf < kLeaves; leaf += 2) {
      books.restore_leaf(leaf, first[leaf].routed, 0, {}, true);
    }
  };
  ASSERT_TRUE(run(kLeaves));
  std::uint64_t expected = 0;
  for (std::size_t leaf = 0; leaf < kLeaves; ++leaf) {
    const LeafAccount account = ledger->leaf(static_cast<std::uint32_t>(leaf));
    EXPECT_EQ(account.taken(), first[leaf].routed);
    if (done[leaf]) {
      EXPECT_EQ(account.repeated, first[leaf].routed);
    } else {
      expected += account.routed.rows();
    }
  }
  EXPECT_EQ(committed_rows(), expected);
  EXPECT_GT(expected, 0U);
}

TEST_F(FanOutTest, MarkerThatTakesNoEffectCommitsNothing) {
  fill(1, 100);
  expected_tag = "UPDATE 1 of ";
  const auto copied = run(3);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, "journal-moved");
  EXPECT_EQ(copied.error().consequence, Consequence::interrupt);
  EXPECT_EQ(committed_rows(), 0U);
  EXPECT_TRUE(writers.channels.empty());
}

TEST_F(FanOutTest, CommitThatBecomesRollbackIsNoCommit) {
  fill(1, 1000);
  spoil = [](FakeChannel& channel) { channel.rolls_back = true; };
  const auto copied = run(kLeaves);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, "not-committed");
  EXPECT_EQ(copied.error().consequence, Consequence::interrupt);
  EXPECT_FALSE(ledger->leaf(0).is_committed);
}

TEST_F(FanOutTest, RowsThatTheServerRefusesAreSetAsideOneByOne) {
  fill(3, 3000);
  sets_aside = true;
  refused_text = "row 1";  // 1, 1x, 1xx, 1xxx of 9000.
  constexpr std::uint64_t kRefused = 1111;
  for (const std::size_t count : {kLeaves, std::size_t{3}}) {
    target.committed.clear();
    const auto copied = run(count, 64ULL << 20U, kRefused);
    ASSERT_TRUE(copied) << copied.error().message;
    EXPECT_EQ(committed_rows(), 9000 - kRefused);
    const std::vector<Reject> rows = rejects->rows();
    ASSERT_EQ(rows.size(), kRefused);
    for (const Reject& row : rows) {
      EXPECT_EQ(row.code, "constraint");
      EXPECT_EQ(row.sqlstate, "23514");
      EXPECT_TRUE(row.target_leaf.starts_with("leaf"));
      const std::string bytes(row.bytes.begin(), row.bytes.end());
      EXPECT_NE(bytes.find("row " + std::to_string(row.range * 3000 + row.row)), std::string::npos);
    }
    for (const LeafAccount& leaf : ledger->leaves()) {
      EXPECT_EQ(leaf.copied_rows, leaf.taken().rows());
    }
  }
  const auto too_many = run(kLeaves, 64ULL << 20U, kRefused - 1);
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().code, "constraint");
}

TEST_F(FanOutTest, WithoutALimitARefusedRowEndsTheJob) {
  fill(1, 100);
  refused_text = "row 57";
  const auto copied = run(kLeaves);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().sqlstate, "23514");
  EXPECT_EQ(committed_rows(), 0U);
}

TEST_F(FanOutTest, UnreadableRowIsNamedAndTheRestGoesOnWithinTheLimit) {
  fill(2, 1000);
  table[0][400] = FakeSource::kUnreadable;
  table[1][0] = FakeSource::kUnreadable;
  table[1][999] = FakeSource::kUnreadable;
  const auto refused_copy = run(kLeaves);
  ASSERT_FALSE(refused_copy);
  EXPECT_EQ(refused_copy.error().code, "source-expression");
  EXPECT_EQ(committed_rows(), 0U);
  ASSERT_TRUE(run(kLeaves, 64ULL << 20U, 3));
  EXPECT_EQ(committed_rows(), 1997U);
  EXPECT_EQ(rejects->rows().size(), 3U);
}

TEST_F(FanOutTest, LostReaderStopsEverythingAndCommitsNothing) {
  fill(4, 1000);
  stream_error = interrupted("connection-lost", "server closed the connection");
  const auto copied = run(kLeaves);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, "connection-lost");
  EXPECT_EQ(committed_rows(), 0U);
}

TEST_F(FanOutTest, RunsOnItsReadersAndItsWriterAlone) {
  const auto count_threads = [] {
    const std::filesystem::directory_iterator all("/proc/self/task");
    return std::distance(begin(all), end(all));
  };
  fill(8, 1000);
  const auto before = count_threads();
  std::atomic<std::ptrdiff_t> most{0};
  on_open = [&] { most = std::max(most.load(), count_threads()); };
  ASSERT_TRUE(run(kLeaves));
  EXPECT_LE(most - before, 3) << "two readers and the writer; oneTBB has started no worker";
}

TEST_F(FanOutTest, ExceptionOnAThreadEndsTheJobAndNotTheProgram) {
  fill(4, 1000);
  on_open = [] { throw std::runtime_error("a source throws"); };
  const auto unread = run(kLeaves);
  ASSERT_FALSE(unread);
  EXPECT_EQ(unread.error().code, "internal");
  EXPECT_EQ(unread.error().message, "the reader failed within itself: a source throws");
  on_open = {};
  spoil = [](FakeChannel& channel) { channel.throws = true; };
  const auto unwritten = run(kLeaves);
  ASSERT_FALSE(unwritten);
  EXPECT_EQ(unwritten.error().code, "internal");
  EXPECT_EQ(unwritten.error().message, "the writer failed within itself: a channel throws");
  EXPECT_EQ(committed_rows(), 0U);
}

TEST_F(FanOutTest, FullDiskNamesTheLeafAndCommitsNothing) {
  fill(4, 5000);
  spoil = [](FakeChannel& channel) { channel.fail_after_bytes = 1000; };
  const auto copied = run(kLeaves);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().sqlstate, "53100");
  EXPECT_NE(copied.error().where.find("leaf0"), std::string::npos);
  EXPECT_EQ(committed_rows(), 0U);
}

TEST_F(FanOutTest, ServerThatTakesAnotherNumberOfRowsIsNotBelieved) {
  fill(2, 1000);
  for (const std::int64_t extra : {1, -1}) {
    spoil = [extra](FakeChannel& channel) {
      channel.extra_rows = static_cast<std::uint64_t>(extra);
    };
    const auto copied = run(kLeaves);
    ASSERT_FALSE(copied) << extra;
    EXPECT_EQ(copied.error().code, "ledger-rows");
    EXPECT_EQ(committed_rows(), 0U);
  }
}

TEST_F(FanOutTest, CancellationEndsAStalledServer) {
  fill(2, 20000, 200);
  spoil = [](FakeChannel& channel) { channel.never_answers = true; };
  std::chrono::steady_clock::time_point cancelled;
  std::thread user([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancelled = std::chrono::steady_clock::now();
    cancellation.set();
  });
  const auto copied = run(kLeaves, 1 << 20U);
  const auto ended = std::chrono::steady_clock::now();
  user.join();
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, "cancelled");
  EXPECT_EQ(copied.error().consequence, Consequence::interrupt);
  EXPECT_LT(ended - cancelled, std::chrono::seconds(10));
  EXPECT_EQ(committed_rows(), 0U);
}

}  // namespace
}  // namespace pgfanout
