// Reading a range again after its connection was lost: which rows come, in which batches, what is
// counted, and that they are checked to be the same.
#include "copier/stage/range_reader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/stage/copy_bytes.h"

namespace pgfanout {
namespace {

using testing::copy_row;
using testing::header_text;
using testing::int4;
using testing::read_all;
using testing::trailer_text;

constexpr std::size_t kNever = SIZE_MAX;

Error lost(const std::string& code = "connection-lost", const std::string& sqlstate = "") {
  Error error = interrupted(code, "gone");
  error.sqlstate = sqlstate;
  return error;
}

/// Messages up to the one at which it breaks off.
class BreakingStream final : public CopyOutStream {
 public:
  BreakingStream(std::deque<std::string> messages, std::size_t breaks_after, Error error)
      : messages_(std::move(messages)), left_(breaks_after), error_(std::move(error)) {}

  Result<std::optional<ByteView>> next() override {
    if (left_ == 0) return error_;
    if (messages_.empty()) return std::nullopt;
    --left_;
    message_ = std::move(messages_.front());
    messages_.pop_front();
    return as_bytes(message_);
  }

 private:
  std::deque<std::string> messages_;
  std::size_t left_;
  const Error error_;
  std::string message_;
};

/// Ten rows of one number each. Its streams break off after so many messages, one after another; a
/// row that cannot be read ends any of them. The ctid of a row is its number.
class BreakingSource final : public RangeSource {
 public:
  explicit BreakingSource(std::vector<std::size_t> breaks)
      : breaks_(breaks.begin(), breaks.end()) {}

  Result<std::unique_ptr<CopyOutStream>> open(const SourceRange& /*range*/,
                                              const std::string& after_ctid) override {
    ++opened;
    if (open_fails > 0) {
      --open_fails;
      return error;
    }
    std::deque<std::string> messages;
    std::optional<Error> data_error;
    for (std::size_t row = after_ctid.empty() ? 0 : std::stoul(after_ctid) + 1; row < rows; ++row) {
      if (row == unreadable) {
        data_error = refused("server-error", "division by zero");
        data_error->sqlstate = "22012";
        break;
      }
      messages.push_back(copy_row({int4(static_cast<std::int32_t>(row))}));
    }
    if (!data_error) messages.push_back(trailer_text());
    std::size_t breaks_after = data_error ? messages.size() : kNever;
    if (messages.empty()) breaks_after = 0;
    if (!messages.empty()) messages.front().insert(0, header_text());
    if (!breaks_.empty() && breaks_.front() <= breaks_after) {
      breaks_after = breaks_.front();
      data_error = error;
    }
    if (!breaks_.empty()) breaks_.pop_front();
    return std::unique_ptr<CopyOutStream>(std::make_unique<BreakingStream>(
        std::move(messages), breaks_after, data_error.value_or(error)));
  }

  Result<UnreadableRow> find_unreadable(const SourceRange& /*range*/, const std::string& after_ctid,
                                        std::uint64_t rows_delivered, const Error& why) override {
    if (find_fails > 0) {
      --find_fails;
      return error;
    }
    const std::size_t row = (after_ctid.empty() ? 0 : std::stoul(after_ctid) + 1) + rows_delivered;
    EXPECT_EQ(row, unreadable);
    return UnreadableRow{std::to_string(row), why.message, why.sqlstate};
  }

  Error error = lost();
  std::size_t rows = 10;
  std::size_t unreadable = kNever;
  int open_fails = 0;
  int find_fails = 0;
  int opened = 0;

 private:
  std::deque<std::size_t> breaks_;
};

/// The outcome of a reading.
struct Seen {
  std::unique_ptr<MemoryBudget> budget = std::make_unique<MemoryBudget>(1 << 20);
  std::vector<RowBatch> batches;
  Result<std::uint64_t> rows = 0;
  std::uint64_t rows_counted = 0;
  std::uint64_t bytes_counted = 0;
  std::vector<Reject> rejects;
  std::vector<std::int64_t> pauses = {};  ///< In milliseconds.

  /// "0-2 3-5" of what is kept; "r0-2" of a replay, "h" before a header, "t" behind the last row.
  [[nodiscard]] std::string text() const {
    std::string all;
    for (const RowBatch& batch : batches) {
      all += all.empty() ? "" : " ";
      all += std::string(batch.is_replay ? "r" : "") + (batch.is_first ? "h" : "");
      all += numbers_of(batch) + (batch.is_last ? "t" : "");
    }
    return all;
  }
  /// The rows that are kept.
  [[nodiscard]] std::vector<int> kept() const {
    std::vector<int> all;
    for (const RowBatch& batch : batches) {
      if (batch.is_replay) continue;
      const std::vector<int> rows_of = decoded(batch);
      all.insert(all.end(), rows_of.begin(), rows_of.end());
    }
    return all;
  }
  static std::vector<int> decoded(const RowBatch& batch) {
    Decoder decoder(1, {});
    batch.is_first ? decoder.start_stream() : decoder.start_at_row();
    RowIndex index;
    const DecodeStep step = decoder.decode(batch.bytes.view(), 0, index);
    EXPECT_EQ(step.status == DecodeStatus::done, batch.is_last);
    EXPECT_NE(step.status, DecodeStatus::malformed);
    EXPECT_EQ(step.consumed, batch.bytes.size());
    EXPECT_EQ(index.rows.size(), batch.expected_rows);
    const std::size_t end = batch.bytes.size() - (batch.is_last ? trailer_text().size() : 0);
    std::vector<int> numbers;
    for (std::uint64_t row = batch.expected_rows; row > 0; --row) {
      constexpr std::size_t kRowBytes = 2 + 4 + 4;
      const auto* at = batch.bytes.view().data() + end - (row - 1) * kRowBytes - 4;
      numbers.push_back(static_cast<int>(load_be32(at)));
    }
    return numbers;
  }
  static std::string numbers_of(const RowBatch& batch) {
    const std::vector<int> numbers = decoded(batch);
    if (numbers.empty()) return "-";
    return std::to_string(numbers.front()) + "-" + std::to_string(numbers.back());
  }
};

/// Three rows fit into a batch. The test does not wait: `pauses` has how long the reader would have
/// waited.
Seen read_from(BreakingSource& source, bool can_replay = true) {
  Seen seen;
  MemoryBudget& budget = *seen.budget;
  Rejects rejects(1);
  Cancellation user;
  Stop stop(user);
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> rows{0};
  const std::size_t three_rows = header_text().size() + 3 * copy_row({int4(0)}).size();
  ReaderOptions options{three_rows, budget, rejects, stop, {&bytes, &rows, nullptr}};
  options.can_replay = can_replay;
  options.pause = [&](std::chrono::nanoseconds time, const std::function<bool()>&) {
    seen.pauses.push_back(std::chrono::floor<std::chrono::milliseconds>(time).count());
  };
  const SourceRange range;
  RangeReader reader(options, source, range, 7);
  std::uint64_t next_row = 0;
  seen.rows = read_all(reader, [&](RowBatch batch) {
    EXPECT_EQ(batch.range, 7U);
    if (batch.is_first && batch.is_replay) next_row = batch.first_row;
    EXPECT_GE(batch.first_row, next_row);
    next_row = batch.first_row + batch.expected_rows;
    seen.batches.push_back(std::move(batch));
  });
  seen.rows_counted = rows;
  seen.bytes_counted = bytes;
  seen.rejects = rejects.rows();
  return seen;
}

const std::vector<int> kAll = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

TEST(RangeReader, StreamThatHoldsIsReadOnce) {
  BreakingSource source({});
  const Seen seen = read_from(source);
  ASSERT_TRUE(seen.rows);
  EXPECT_EQ(seen.text(), "h0-2 3-6 7-9t");
  EXPECT_EQ(source.opened, 1);
}

TEST(RangeReader, LostStreamIsReadAgainUpToWhereItWas) {
  BreakingSource source({8});  // 0 to 6 were handed on, 7 was in hand.
  const Seen seen = read_from(source);
  ASSERT_TRUE(seen.rows);
  EXPECT_EQ(seen.text(), "h0-2 3-6 rh0-2 r3-6 7-9t");
}

TEST(RangeReader, EveryMessageMayBeTheLast) {
  BreakingSource whole({});
  const std::uint64_t bytes = read_from(whole).bytes_counted;
  for (std::size_t messages = 0; messages <= 11; ++messages) {
    BreakingSource source({messages});
    const Seen seen = read_from(source);
    ASSERT_TRUE(seen.rows);
    EXPECT_EQ(*seen.rows, 10U) << seen.text();
    EXPECT_EQ(seen.kept(), kAll) << seen.text();
    EXPECT_EQ(seen.rows_counted, 10U) << seen.text();
    EXPECT_EQ(seen.bytes_counted, bytes) << seen.text();
    EXPECT_EQ(source.opened, 2);
  }
}

TEST(RangeReader, ReplayEndsWhereTheLostBatchEnded) {
  BreakingSource border({4});  // Row 3 did not fit: 0 to 2 went on, 3 was in hand.
  EXPECT_EQ(read_from(border).text(), "h0-2 rh0-2 3-6 7-9t");
  BreakingSource nothing_went_on({3});
  EXPECT_EQ(read_from(nothing_went_on).text(), "h0-2 3-6 7-9t");
  BreakingSource behind_the_last_row({10});
  EXPECT_EQ(read_from(behind_the_last_row).text(), "h0-2 3-6 rh0-2 r3-6 7-9t");
  BreakingSource behind_the_trailer({11});
  EXPECT_EQ(read_from(behind_the_trailer).text(), "h0-2 3-6 rh0-2 r3-6 7-9t");
}

TEST(RangeReader, TrailerAloneBehindAReplay) {
  BreakingSource source({4});
  source.rows = 3;  // They fill a batch.
  EXPECT_EQ(read_from(source).text(), "h0-2 rh0-2 -t");
}

TEST(RangeReader, EmptyRangeIsReadAgain) {
  for (const std::size_t messages : {0U, 1U}) {
    BreakingSource source({messages});
    source.rows = 0;
    const Seen seen = read_from(source);
    ASSERT_TRUE(seen.rows) << messages;
    EXPECT_EQ(seen.text(), "h-t") << messages;
  }
}

TEST(RangeReader, ReplayThatIsLostBeginsAnew) {
  BreakingSource source({8, 5});
  EXPECT_EQ(read_from(source).text(), "h0-2 3-6 rh0-2 rh0-2 r3-6 7-9t");
  for (std::size_t first = 0; first <= 11; ++first) {
    for (std::size_t second = 0; second <= 11; ++second) {
      BreakingSource again({first, second});
      const Seen seen = read_from(again);
      ASSERT_TRUE(seen.rows);
      EXPECT_EQ(seen.kept(), kAll) << seen.text();
      EXPECT_EQ(seen.rows_counted, 10U) << seen.text();
    }
  }
}

TEST(RangeReader, RowSetAsideStaysSo) {
  BreakingSource source({kNever, 5});  // The second stream, of 5 to 9 and the trailer.
  source.unreadable = 4;
  const Seen seen = read_from(source);
  ASSERT_TRUE(seen.rows) << seen.rows.error().message;
  EXPECT_EQ(*seen.rows, 9U);
  EXPECT_EQ(seen.text(), "h0-2 3-3 h5-7 rh5-7 8-9t");
  ASSERT_EQ(seen.rejects.size(), 1U);
  EXPECT_EQ(seen.rejects[0].row, 4U);
  EXPECT_EQ(seen.batches.back().first_row, 8U);
}

TEST(RangeReader, ReplayRunsUpToARowThatIsThenSetAside) {
  BreakingSource source({4});
  source.unreadable = 4;
  const Seen seen = read_from(source);
  ASSERT_TRUE(seen.rows) << seen.rows.error().message;
  EXPECT_EQ(seen.text(), "h0-2 rh0-2 3-3 h5-7 8-9t");
}

TEST(RangeReader, SearchForAnUnreadableRowMayBeLostToo) {
  BreakingSource source({});
  source.unreadable = 4;
  source.find_fails = 1;
  const Seen seen = read_from(source);
  ASSERT_TRUE(seen.rows) << seen.rows.error().message;
  EXPECT_EQ(seen.text(), "h0-2 3-3 rh0-2 r3-3 h5-7 8-9t");
  EXPECT_EQ(seen.rejects.size(), 1U);
}

TEST(RangeReader, WhichErrorsAreALostConnection) {
  for (const Error& error :
       {lost(), lost("stalled"), lost("server-error", "57P01"), lost("server-error", "08006")}) {
    BreakingSource source({5});
    source.error = error;
    EXPECT_TRUE(read_from(source).rows) << error.code << error.sqlstate;
  }
  for (const Error& error : {lost("snapshot-lost"), lost("cancelled"),
                             lost("server-error", "53100"), lost("server-error", "57014")}) {
    BreakingSource source({5});
    source.error = error;
    const Seen seen = read_from(source);
    ASSERT_FALSE(seen.rows) << error.code << error.sqlstate;
    EXPECT_EQ(seen.rows.error().code, error.code);
    EXPECT_EQ(source.opened, 1);
  }
}

TEST(RangeReader, RowsThatDifferEachTimeAreNotReadAgain) {
  BreakingSource source({5});
  const Seen seen = read_from(source, false);
  ASSERT_FALSE(seen.rows);
  EXPECT_EQ(seen.rows.error().code, "connection-lost");
  EXPECT_EQ(source.opened, 1);
}

TEST(RangeReader, FiveReopeningsAreEnough) {
  BreakingSource five({5, 5, 5, 5, 5});
  EXPECT_EQ(read_from(five).kept(), kAll);
  BreakingSource six({5, 5, 5, 5, 5, 5});
  const Seen seen = read_from(six);
  ASSERT_FALSE(seen.rows);
  EXPECT_EQ(seen.rows.error().code, "connection-lost");
  EXPECT_EQ(six.opened, 6);
}

TEST(RangeReader, ServerThatIsAwayForAMomentIsWaitedFor) {
  BreakingSource source({5});
  source.open_fails = 2;  // The first opening, and the first attempt at another.
  const Seen seen = read_from(source);
  EXPECT_EQ(seen.kept(), kAll);
  EXPECT_EQ(seen.pauses, (std::vector<std::int64_t>{250, 500, 250}));
}

TEST(RangeReader, CountsWhoIsBusyAndWhereTheTimeGoes) {
  BreakingSource source({});
  MemoryBudget budget(1 << 20);
  Rejects rejects(0);
  Cancellation user;
  Stop stop(user);
  std::atomic<std::uint64_t> busy{0};
  std::atomic<std::uint64_t> waited{0};
  std::atomic<std::uint64_t> worked{0};
  ReaderOptions options{1000, budget, rejects, stop};
  options.counters.busy = &busy;
  options.counters.source_wait_ns = &waited;
  options.counters.work_ns = &worked;
  const SourceRange range;
  std::uint64_t busy_within = 0;
  constexpr std::chrono::milliseconds kWork{20};
  {
    RangeReader reader(options, source, range, 0);
    ASSERT_TRUE(read_all(reader, [&](const RowBatch&) {
      busy_within = busy;
      std::this_thread::sleep_for(kWork);  // Stands for decoding and hashing.
    }));
  }
  EXPECT_EQ(busy_within, 1U);
  EXPECT_EQ(busy, 0U);
  EXPECT_GT(waited, 0U) << "until the server began";
  EXPECT_GE(worked, static_cast<std::uint64_t>(std::chrono::nanoseconds(kWork).count()));
}

TEST(RangeReader, StopEndsTheWaiting) {
  BreakingSource source({});
  source.open_fails = 100;
  MemoryBudget budget(1 << 20);
  Rejects rejects(0);
  Cancellation user;
  Stop stop(user);
  int pauses = 0;
  ReaderOptions options{1000, budget, rejects, stop};
  options.can_replay = true;
  options.pause = [&](std::chrono::nanoseconds, const std::function<bool()>& is_over) {
    EXPECT_FALSE(is_over());
    if (++pauses == 2) user.set();
    EXPECT_EQ(is_over(), pauses == 2);
  };
  const SourceRange range;
  RangeReader reader(options, source, range, 0);
  const auto rows = reader.next();
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, "cancelled");
  EXPECT_EQ(pauses, 2);
  EXPECT_EQ(source.opened, 2);
}

TEST(RangeReader, ShorterRangeThanBeforeIsNoProof) {
  BreakingSource source({8});
  Seen seen;
  MemoryBudget budget(1 << 20);
  Rejects rejects(0);
  Cancellation user;
  Stop stop(user);
  const std::size_t three_rows = header_text().size() + 3 * copy_row({int4(0)}).size();
  ReaderOptions options{three_rows, budget, rejects, stop};
  options.can_replay = true;
  const SourceRange range;
  RangeReader reader(options, source, range, 0);
  seen.rows = read_all(reader, [&](const RowBatch& batch) {
    if (!batch.is_replay) source.rows = 5;
  });
  ASSERT_FALSE(seen.rows);
  EXPECT_EQ(seen.rows.error().code, "replay-differs");
  EXPECT_EQ(seen.rows.error().consequence, Consequence::unproven);
}

/// Ten rows; the fourth is large. Each message must be received.
class LargeRowStream final : public CopyOutStream {
 public:
  Result<std::optional<ByteView>> next() override {
    if (at_ > 10) return std::nullopt;
    if (!may_receive_()) return ByteView();
    message_ = at_ == 10 ? trailer_text() : copy_row({std::string(at_ == 3 ? kLarge : 4, 'x')});
    if (at_++ == 0) message_.insert(0, header_text());
    return as_bytes(message_);
  }
  void ask_before_receiving(std::function<bool()> may_receive,
                            std::function<void()> /*let_go*/) override {
    may_receive_ = std::move(may_receive);
  }

  static constexpr std::size_t kLarge = (8U << 20U) + 1;

 private:
  int at_ = 0;
  std::function<bool()> may_receive_;
  std::string message_;
};

class LargeRowSource final : public RangeSource {
 public:
  Result<std::unique_ptr<CopyOutStream>> open(const SourceRange& /*range*/,
                                              const std::string& /*after_ctid*/) override {
    return std::unique_ptr<CopyOutStream>(std::make_unique<LargeRowStream>());
  }
  Result<UnreadableRow> find_unreadable(const SourceRange& /*range*/,
                                        const std::string& /*after_ctid*/, std::uint64_t /*rows*/,
                                        const Error& error) override {
    return error;
  }
  void give_memory_back() override { ++given_back; }
  int given_back = 0;
};

TEST(RangeReader, OneReaderAtATimeReceivesALargeRow) {
  LargeRowSource source;
  MemoryBudget budget(1 << 20);
  Rejects rejects(0);
  const Cancellation user;
  Stop stop(user);
  const ReaderOptions options{1 << 16, budget, rejects, stop};
  const SourceRange range;
  std::optional<RangeReader> reader(std::in_place, options, source, range, 0);
  auto batch = reader->next();
  ASSERT_TRUE(batch && *batch);
  EXPECT_EQ((*batch)->expected_rows, 3U);
  batch->reset();  // A row larger than the budget travels alone.
  batch = reader->next();
  ASSERT_TRUE(batch && *batch);
  EXPECT_EQ((*batch)->expected_rows, 1U) << "a large row is a batch of its own";
  EXPECT_GT((*batch)->bytes.size(), LargeRowStream::kLarge);
  batch->reset();
  EXPECT_TRUE(budget.has_large_rows());
  EXPECT_FALSE(budget.try_turn()) << "the stream still has the memory";

  std::atomic<bool> has_read{false};
  LargeRowSource other_source;
  std::thread other([&] {
    RangeReader waiting(options, other_source, range, 1);
    auto first = waiting.next();
    has_read = true;
    EXPECT_TRUE(first && *first);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(has_read) << "its first row may be large, too";
  batch = reader->next();
  ASSERT_TRUE(batch && *batch);
  EXPECT_EQ((*batch)->expected_rows, 6U);
  batch->reset();
  reader.reset();
  other.join();
  EXPECT_EQ(source.given_back, 1);
  EXPECT_TRUE(budget.try_turn());
}

TEST(RangeReader, WaitingForTheTurnHoldsNoMemoryAndEndsWithTheJob) {
  LargeRowSource source;
  MemoryBudget budget(1 << 20);
  Rejects rejects(0);
  Cancellation user;
  Stop stop(user);
  const ReaderOptions options{1 << 16, budget, rejects, stop};
  const SourceRange range;
  RangeReader reader(options, source, range, 0);
  ASSERT_TRUE(budget.try_turn());
  std::thread stopping([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(budget.used_bytes(), 0U);
    user.set();
  });
  const auto rest = reader.next();
  stopping.join();
  ASSERT_FALSE(rest);
  EXPECT_EQ(rest.error().code, "cancelled");
}

TEST(RangeReader, ErrorsThatMayBeAboutARow) {
  const auto error = [](Consequence consequence, const std::string& sqlstate) {
    Error made{consequence, "server-error", "x"};
    made.sqlstate = sqlstate;
    return made;
  };
  EXPECT_TRUE(may_be_about_a_row(error(Consequence::refuse, "22P02")));
  EXPECT_TRUE(may_be_about_a_row(error(Consequence::refuse, "54000"))) << "a row of two GB";
  EXPECT_TRUE(may_be_about_a_row(error(Consequence::interrupt, "XX000"))) << "an alloc request";
  EXPECT_FALSE(may_be_about_a_row(error(Consequence::interrupt, "57P01")));
  EXPECT_FALSE(may_be_about_a_row(error(Consequence::refuse, "")));
}

RowBatch batch_with(bool is_first, bool is_replay) {
  RowBatch batch;
  batch.is_first = is_first;
  batch.is_replay = is_replay;
  return batch;
}

MultisetDigest read_rows(std::initializer_list<std::uint64_t> numbers) {
  MultisetDigest digest;
  for (const std::uint64_t number : numbers) digest.add({number, ~number});
  return digest;
}

TEST(ReplayCheck, SameRowsAreDroppedInWhateverBatches) {
  ReplayCheck check(1);
  EXPECT_TRUE(*check.take(batch_with(true, false), read_rows({1, 2})));
  EXPECT_TRUE(*check.take(batch_with(false, false), read_rows({3})));
  EXPECT_FALSE(*check.take(batch_with(true, true), read_rows({1})));
  EXPECT_FALSE(*check.take(batch_with(false, true), read_rows({3, 2})));
  EXPECT_TRUE(*check.take(batch_with(false, false), read_rows({4})));
  // Lost again, twice in the middle of the replay.
  EXPECT_FALSE(*check.take(batch_with(true, true), read_rows({1})));
  EXPECT_FALSE(*check.take(batch_with(true, true), read_rows({1, 2})));
  EXPECT_FALSE(*check.take(batch_with(true, true), read_rows({1, 2, 3, 4})));
  EXPECT_TRUE(*check.take(batch_with(false, false), read_rows({})));
}

TEST(ReplayCheck, OtherRowsEndTheJob) {
  for (const auto& again :
       {read_rows({1}), read_rows({1, 3}), read_rows({1, 2, 2}), read_rows({})}) {
    ReplayCheck check(1);
    EXPECT_TRUE(*check.take(batch_with(true, false), read_rows({1, 2})));
    EXPECT_FALSE(*check.take(batch_with(true, true), again));
    const auto next = check.take(batch_with(false, false), read_rows({5}));
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().code, "replay-differs");
    EXPECT_EQ(next.error().consequence, Consequence::interrupt);
  }
}

TEST(ReplayCheck, AStreamThatBeginsBehindARowSetAsideIsItsOwn) {
  ReplayCheck check(1);
  EXPECT_TRUE(*check.take(batch_with(true, false), read_rows({1, 2})));
  EXPECT_TRUE(*check.take(batch_with(true, false), read_rows({4})));
  EXPECT_FALSE(*check.take(batch_with(true, true), read_rows({4})));
  // Another row is set aside right behind the replay.
  EXPECT_TRUE(*check.take(batch_with(true, false), read_rows({6})));
}

}  // namespace
}  // namespace pgfanout
