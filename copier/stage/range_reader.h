// Stage: reads ranges into batches, and checks what is read twice. Waits for sockets and for the
// memory budget, so it runs on a reader's thread and never on one of oneTBB's workers.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "copier/base/memory_budget.h"
#include "copier/base/pace.h"
#include "copier/base/pause.h"
#include "copier/base/stop.h"
#include "copier/catalog/source_range.h"
#include "copier/pg/connection.h"
#include "copier/pg/copy_out.h"
#include "copier/stage/rejects.h"
#include "copier/stage/row_batch.h"
#include "hashing/row_digest.h"
#include "pgfanout/bytes.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A row that the server cannot produce, found after a range's stream ended with an error.
struct UnreadableRow {
  std::string ctid;    ///< "(12,3)"
  std::string reason;  ///< The server's message, or a better one.
  std::string sqlstate;
  std::string code = "source-expression";
  std::string relation = {};  ///< For messages.
};

/// The error may be about one row: an expression that fails, or a row that is larger than a message
/// can be. The server reports the latter as an internal error of its own.
[[nodiscard]] bool may_be_about_a_row(const Error& error);

/// The source of a range's rows, one a reader. The real one reads from a server; tests have a fake
/// that speaks COPY bytes.
class RangeSource {
 public:
  virtual ~RangeSource() = default;
  /// Begins to stream a range, or what is left of it behind the row `after_ctid` (empty: all of
  /// it). Rows come in physical order.
  virtual Result<std::unique_ptr<CopyOutStream>> open(const SourceRange& range,
                                                      const std::string& after_ctid) = 0;
  /// After a stream ended with `error` behind `rows_delivered` rows (counted from the start of the
  /// range's remainder): the row that the server could not produce. `error` if it is none.
  virtual Result<UnreadableRow> find_unreadable(const SourceRange& range,
                                                const std::string& after_ctid,
                                                std::uint64_t rows_delivered,
                                                const Error& error) = 0;
  /// No stream is open, and one had large rows: gives back the memory that it took.
  virtual void give_memory_back() {}
};

/// `count` sources that read under a snapshot. Each connects at once, and again when a range is
/// opened after the connection was lost; if that fails, the error is again of code
/// "connection-lost". `select` gives the rows of a range; `begin` is the transaction's start,
/// repeated after an error, and an error of code "snapshot-lost" if it imports a snapshot that has
/// ended.
Result<std::vector<std::unique_ptr<RangeSource>>> make_server_sources(
    std::size_t count, const std::function<Result<Connection>()>& connect, const std::string& begin,
    const std::function<RangeSelect(const SourceRange&)>& select, const Cancellation& cancellation);

/// Counters of all readers of a stream; null members are not counted.
struct ReaderCounters {
  std::atomic<std::uint64_t>* bytes = nullptr;
  std::atomic<std::uint64_t>* rows = nullptr;
  std::atomic<std::uint64_t>* rejected = nullptr;
  std::atomic<std::uint64_t>* pace_wait_ns = nullptr;
  std::atomic<std::uint64_t>* source_wait_ns = nullptr;
  std::atomic<std::uint64_t>* work_ns = nullptr;  ///< All else but for waiting for memory.
  std::atomic<std::uint64_t>* busy = nullptr;     ///< Readers that are reading a range.
};

/// Options of all readers of a stream. The objects that it refers to outlive the readers.
struct ReaderOptions {
  std::size_t batch_bytes;
  MemoryBudget& budget;
  Rejects& rejects;
  Stop& stop;
  ReaderCounters counters = {};
  std::function<void()> starved = [] {};  ///< Called before each wait for memory.
  bool can_replay = false;                ///< A row is the same each time that it is read.
  const Pace* pace = nullptr;             ///< Obeyed between batches; absent: full speed.
  Pause pause = pause_for;                ///< Between attempts to connect.
};

class RangeReader {
 public:
  /// `number` is the range's number in the ledger. All references outlive the reader.
  RangeReader(const ReaderOptions& options, RangeSource& source, const SourceRange& range,
              std::uint32_t number);
  ~RangeReader();
  RangeReader(const RangeReader&) = delete;
  RangeReader& operator=(const RangeReader&) = delete;

  /// The next batch; absent once the server has confirmed the range's end. An error ends the range.
  /// A row that the server cannot produce (a failing expression) is set aside, or ends the job, as
  /// the rejects say; reading continues behind it.
  ///
  /// With `can_replay`, a lost connection is opened again, a few times a range. The stream then
  /// starts again where it started: behind the last row set aside, or with the range. It begins
  /// with as many rows as had been handed on from there, in batches with is_replay, the first of
  /// which has is_first. The last of them ends where the lost stream's last batch ended, and what
  /// follows was never seen. A replay that is itself lost is restarted, again with is_first.
  Result<std::optional<RowBatch>> next();

  [[nodiscard]] std::uint32_t number() const { return number_; }
  /// Rows handed on so far, without those of replays.
  [[nodiscard]] std::uint64_t rows() const { return rows_handed_on_; }

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] bool is_replaying() const { return rows_before_ < replay_until_; }
  Result<void> open();
  Result<void> reopen();
  void close_stream();
  Result<void> fill_batch();
  Result<void> start_batch(std::size_t bytes);
  [[nodiscard]] bool may_receive();
  Result<void> wait_for_turn();
  void note_message();
  void let_go();
  Result<void> finish_stream();
  RowBatch take_batch();
  Result<void> recover(Error error);
  Result<void> set_aside();
  void obey_pace();
  void count_work();

  const ReaderOptions& options_;
  RangeSource& source_;
  const SourceRange& range_;
  const std::uint32_t number_;

  std::unique_ptr<CopyOutStream> stream_;
  std::optional<ByteView> message_;  ///< The stream's last, if it is in no batch yet.
  bool is_stream_start_ = true;      ///< The next batch begins with the header.
  std::optional<RowBatch> batch_;    ///< In hand; expected_rows counts its messages.
  bool is_whole_ = false;            ///< The batch in hand can be handed on.
  bool is_ended_ = false;
  bool has_handed_on_ = false;         ///< The batch before is not counted yet.
  bool has_turn_ = false;              ///< To receive what may be a large row.
  bool has_large_row_ = false;         ///< The stream's connection has taken its memory.
  std::uint64_t received_bytes_ = 0;   ///< Of the stream.
  std::optional<Error> bad_row_;       ///< The stream ended with this; its row is to be set aside.
  std::uint64_t rows_before_ = 0;      ///< Rows of the range in earlier batches, set aside or not.
  std::uint64_t stream_began_at_ = 0;  ///< rows_before_ when the stream was opened.
  std::uint64_t replay_until_ = 0;     ///< Rows before this one were handed on before.
  std::uint64_t rows_handed_on_ = 0;
  std::string after_ctid_;  ///< The last row set aside.
  int reopenings_ = 0;

  Clock::time_point batch_began_ = Clock::now();
  Clock::time_point counted_until_ = batch_began_;
  std::chrono::nanoseconds waited_{0};          ///< Since then, but for the stream's waiting.
  std::chrono::nanoseconds stream_counted_{0};  ///< Of the stream's waiting.
};

/// Checks that the rows that a range gives again, after its reader was lost, are those that came
/// before. The reader relies on rows coming in the same order; this verifies it.
class ReplayCheck {
 public:
  explicit ReplayCheck(std::size_t ranges) : streams_(ranges) {}

  /// Takes the batches of a range in their order, hashed; `digest` is their rows'. Returns whether
  /// the batch is new, and has to be booked. Called concurrently for different ranges only.
  Result<bool> take(const RowBatch& batch, const MultisetDigest& digest);

 private:
  /// Since the stream began that was lost, if one was.
  struct Stream {
    MultisetDigest read;
    MultisetDigest replayed;
    bool is_replaying = false;
  };
  std::vector<Stream> streams_;
};

}  // namespace pgfanout
