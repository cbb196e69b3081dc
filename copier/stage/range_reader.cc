#include "copier/stage/range_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/base/amount.h"
#include "copier/base/crash_point.h"
#include "copier/pg/server_error.h"

namespace pgfanout {
namespace {

/// Five reopenings a range, and as many attempts to make each of them.
constexpr int kReopenings = 5;
constexpr int kAttempts = 5;
constexpr std::chrono::milliseconds kFirstPause{250};
constexpr std::chrono::milliseconds kLongestPause{4000};

void add(std::atomic<std::uint64_t>* counter, std::uint64_t number) {
  if (counter != nullptr) counter->fetch_add(number, std::memory_order_relaxed);
}

void add(std::atomic<std::uint64_t>* counter, std::chrono::nanoseconds time) {
  add(counter, static_cast<std::uint64_t>(time.count()));
}

/// The states of a snapshot that cannot be imported because its session has ended; they differ by
/// version. The other statements of a transaction's start do not fail with these.
bool is_snapshot_lost(const Error& error) {
  return error.sqlstate == "22023" || error.sqlstate == "42704" || error.sqlstate == "55000";
}

constexpr std::string_view kProgramLimit = "54000";
constexpr std::string_view kInternalError = "XX000";
constexpr const char* kRowTooLarge = "row-too-large";

class ServerSource final : public RangeSource {
 public:
  ServerSource(Connection connection, std::function<Result<Connection>()> connect,
               std::string begin, std::function<RangeSelect(const SourceRange&)> select,
               const Cancellation& cancellation)
      : connection_(std::move(connection)),
        connect_(std::move(connect)),
        begin_(std::move(begin)),
        select_(std::move(select)),
        cancellation_(cancellation) {}

  Result<std::unique_ptr<CopyOutStream>> open(const SourceRange& range,
                                              const std::string& after_ctid) override {
    if (!connection_ || !connection_->is_open()) PGFANOUT_TRY(reconnect());
    if (!in_transaction_) PGFANOUT_TRY(begin());
    PGFANOUT_TRY_ASSIGN(
        auto stream,
        CopyOut::start(*connection_, select_behind(range, after_ctid).copy_sql(), cancellation_));
    return std::unique_ptr<CopyOutStream>(std::move(stream));
  }

  /// Rows come in physical order, and all rows before the failing one were delivered: so it is the
  /// next one. That is confirmed by reading it alone, which must fail in the same way.
  Result<UnreadableRow> find_unreadable(const SourceRange& range, const std::string& after_ctid,
                                        std::uint64_t rows_delivered, const Error& error) override {
    PGFANOUT_TRY(start_over());
    const RangeSelect select = select_behind(range, after_ctid);
    const RangeSelect ctids{"ctid", select.relation, select.condition};
    PGFANOUT_TRY_ASSIGN(
        const Rows found,
        connection_->query(fmt::format("{} OFFSET {} LIMIT 1", ctids.sql(), rows_delivered)));
    if (found.size() != 1) return error;
    UnreadableRow row{found.str(0, 0), error.message, error.sqlstate};
    row.relation = select.relation;
    const auto alone = connection_->query_binary(
        fmt::format("{} AND ctid OPERATOR(pg_catalog.=) '{}'", select.sql(), row.ctid));
    const bool fails_alone = !alone && alone.error().sqlstate == error.sqlstate;
    PGFANOUT_TRY(start_over());
    if (!fails_alone) return error;
    if (error.sqlstate == kProgramLimit || error.sqlstate == kInternalError) {
      if (!explain_size(row)) PGFANOUT_TRY(start_over());
    }
    return row;
  }

  /// libpq's buffer of a connection only grows.
  void give_memory_back() override { connection_.reset(); }

 private:
  /// Says how large the row is, if that is why the server cannot send it. Strings tell their length
  /// without being read.
  Result<void> explain_size(UnreadableRow& row) {
    constexpr std::int64_t kTooLarge = 256LL << 20U;  // With escapes and casts.
    PGFANOUT_TRY_ASSIGN(
        const Rows columns,
        connection_->query(
            "SELECT pg_catalog.quote_ident(attname), atttypid OPERATOR(pg_catalog.=)"
            " ANY ('{17,25,1042,1043}'::pg_catalog.oid[]) FROM pg_catalog.pg_attribute"
            " WHERE attrelid OPERATOR(pg_catalog.=) $1::pg_catalog.regclass AND attnum"
            " OPERATOR(pg_catalog.>) 0 AND NOT attisdropped",
            {row.relation}));
    std::string sizes;
    for (int at = 0; at < columns.size(); ++at) {
      sizes += fmt::format(
          "{}coalesce({}({}), 0)", at == 0 ? "" : ", ",
          columns.boolean(at, 1) ? "pg_catalog.octet_length" : "pg_catalog.pg_column_size",
          columns.text(at, 0));
    }
    if (sizes.empty()) return {};
    PGFANOUT_TRY_ASSIGN(const Rows found,
                        connection_->query(fmt::format(
                            "SELECT {} FROM ONLY {} WHERE ctid OPERATOR(pg_catalog.=) '{}'", sizes,
                            row.relation, row.ctid)));
    std::int64_t all = 0;
    int largest = 0;
    for (int at = 0; found.size() == 1 && at < columns.size(); ++at) {
      all += found.integer(0, at);
      if (found.integer(0, at) > found.integer(0, largest)) largest = at;
    }
    if (all < kTooLarge) return {};
    row.code = kRowTooLarge;
    row.reason = fmt::format(
        "a row cannot be sent, since its COPY message would pass 1 GB: it holds {}, of which {} in"
        " column {} ({})",
        amount_of_bytes(static_cast<std::uint64_t>(all)),
        amount_of_bytes(static_cast<std::uint64_t>(found.integer(0, largest))),
        columns.text(largest, 0), row.reason);
    return {};
  }

  Result<void> reconnect() {
    in_transaction_ = false;
    auto connection = connect_();
    if (connection) {
      connection_.emplace(*std::move(connection));
      return {};
    }
    Error error = std::move(connection).error();
    error.consequence = Consequence::interrupt;
    error.code = "connection-lost";
    error.message = "could not reconnect: " + error.message;
    return error;
  }

  Result<void> begin() {
    auto begun = connection_->enlarge_input();
    if (begun) begun = connection_->run(begin_);
    in_transaction_ = static_cast<bool>(begun);
    if (begun || !is_snapshot_lost(begun.error())) return begun;
    return interrupted("snapshot-lost",
                       "the snapshot that this job reads ended with the session that held it: " +
                           begun.error().message,
                       "run the same command again: it resumes where it can",
                       connection_->description());
  }

  Result<void> start_over() {
    in_transaction_ = false;
    if (!connection_) {
      PGFANOUT_TRY(reconnect());
    } else {
      PGFANOUT_TRY(connection_->run("ROLLBACK"));
    }
    return begin();
  }

  /// The rows of a range behind `after_ctid`.
  [[nodiscard]] RangeSelect select_behind(const SourceRange& range,
                                          const std::string& after_ctid) const {
    RangeSelect select = select_(range);
    if (!after_ctid.empty()) {
      select.condition += fmt::format(" AND ctid OPERATOR(pg_catalog.>) '{}'", after_ctid);
    }
    return select;
  }

  std::optional<Connection> connection_;  ///< Absent once its memory was given back.
  const std::function<Result<Connection>()> connect_;
  const std::string begin_;
  const std::function<RangeSelect(const SourceRange&)> select_;
  const Cancellation& cancellation_;
  bool in_transaction_ = false;
};

}  // namespace

bool may_be_about_a_row(const Error& error) {
  return error.sqlstate == kInternalError ||
         (error.consequence == Consequence::refuse && !error.sqlstate.empty());
}

Result<std::vector<std::unique_ptr<RangeSource>>> make_server_sources(
    std::size_t count, const std::function<Result<Connection>()>& connect, const std::string& begin,
    const std::function<RangeSelect(const SourceRange&)>& select,
    const Cancellation& cancellation) {
  std::vector<std::unique_ptr<RangeSource>> sources;
  for (std::size_t at = 0; at < count; ++at) {
    PGFANOUT_TRY_ASSIGN(Connection connection, connect());
    sources.push_back(std::make_unique<ServerSource>(std::move(connection), connect, begin, select,
                                                     cancellation));
  }
  return sources;
}

RangeReader::RangeReader(const ReaderOptions& options, RangeSource& source,
                         const SourceRange& range, std::uint32_t number)
    : options_(options), source_(source), range_(range), number_(number) {
  crash_point("reader-began");
  if (options_.counters.busy != nullptr) ++*options_.counters.busy;
}

RangeReader::~RangeReader() {
  close_stream();
  if (options_.counters.busy != nullptr) --*options_.counters.busy;
}

Result<std::optional<RowBatch>> RangeReader::next() {
  if (std::exchange(has_handed_on_, false)) {
    count_work();
    crash_point("reader-batch");
  }
  while (!is_ended_) {
    auto read = bad_row_ ? set_aside() : fill_batch();
    if (!read) PGFANOUT_TRY(recover(std::move(read).error()));
    if (is_whole_) return take_batch();
  }
  return std::nullopt;
}

/// Waits for the server from the statement to its first row.
Result<void> RangeReader::open() {
  const auto began = Clock::now();
  auto opened = source_.open(range_, after_ctid_);
  const auto time = Clock::now() - began;
  waited_ += time;
  add(options_.counters.source_wait_ns, time);
  PGFANOUT_TRY_ASSIGN(stream_, std::move(opened));
  stream_->ask_before_receiving([this] { return may_receive(); }, [this] { let_go(); });
  received_bytes_ = 0;
  message_.reset();
  is_stream_start_ = true;
  stream_began_at_ = rows_before_;
  stream_counted_ = {};
  if (options_.counters.source_wait_ns != nullptr) {
    stream_->count_waiting(*options_.counters.source_wait_ns);
  }
  return {};
}

/// Returns the outcome of the last attempt.
Result<void> RangeReader::reopen() {
  Result<void> opened = interrupted("connection-lost", "the connection was lost");
  Backoff pauses(kFirstPause, kLongestPause);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    options_.pause(pauses.next(), [this] { return options_.stop.is_set(); });
    if (options_.stop.is_set()) return interrupted("cancelled", "stopped");
    opened = open();
    if (opened || !is_transient(opened.error())) break;
  }
  return opened;
}

void RangeReader::close_stream() {
  if (stream_ == nullptr) return;
  waited_ += stream_->waited() - stream_counted_;
  stream_.reset();
  if (std::exchange(has_large_row_, false)) source_.give_memory_back();
  if (std::exchange(has_turn_, false)) options_.budget.end_turn();
}

/// Without the turn only where large rows are not to be expected.
bool RangeReader::may_receive() {
  constexpr std::uint64_t kSample = 1ULL << 20U;
  if (has_turn_) return true;
  if (received_bytes_ >= kSample && !options_.budget.has_large_rows()) return true;
  has_turn_ = options_.budget.try_turn();
  return has_turn_;
}

/// The caller holds no memory of the budget: the reader that has the turn may wait for it.
Result<void> RangeReader::wait_for_turn() {
  const auto asked = Clock::now();
  has_turn_ = options_.budget.wait_for_turn([this] { return options_.stop.is_set(); });
  waited_ += Clock::now() - asked;
  if (!has_turn_) return interrupted("cancelled", "stopped");
  return {};
}

/// With a large row the turn lasts until the stream is closed, since its connection keeps the
/// memory until then.
void RangeReader::note_message() {
  received_bytes_ += message_->size();
  if (message_->size() > options_.budget.large_row_bytes()) {
    has_large_row_ = true;
    options_.budget.note_large_row();
  }
  let_go();
}

void RangeReader::let_go() {
  if (!has_large_row_ && std::exchange(has_turn_, false)) options_.budget.end_turn();
}

/// Takes messages until the batch in hand is whole: the next one does not fit, rows that were seen
/// before end here, or the range does.
Result<void> RangeReader::fill_batch() {
  if (stream_ == nullptr) PGFANOUT_TRY(open());
  while (!is_whole_) {
    if (!message_) {
      PGFANOUT_TRY_ASSIGN(message_, stream_->next());
      if (!message_) return finish_stream();
      if (message_->empty()) {  // Another reader has the turn.
        message_.reset();
        is_whole_ = batch_.has_value();
        if (!is_whole_) PGFANOUT_TRY(wait_for_turn());
        continue;
      }
      note_message();
    }
    const bool is_large = message_->size() > options_.batch_bytes;
    if (!batch_) {
      PGFANOUT_TRY(start_batch(message_->size()));
      batch_->bytes = is_large ? stream_->take(*message_) : Buffer(options_.batch_bytes);
    } else if (batch_->bytes.room() < message_->size()) {
      is_whole_ = true;
      break;
    }
    if (!is_large) batch_->bytes.append(*message_);
    message_.reset();
    is_whole_ = rows_before_ + ++batch_->expected_rows == replay_until_;
  }
  return {};
}

Result<void> RangeReader::start_batch(std::size_t bytes) {
  obey_pace();
  const std::size_t capacity = std::max(options_.batch_bytes, bytes);
  const auto asked = Clock::now();
  Lease lease = options_.budget.acquire(capacity, [this] {
    options_.starved();
    if (options_.stop.is_set()) options_.budget.cancel();
  });
  if (options_.stop.is_set() || lease.bytes() == 0) return interrupted("cancelled", "stopped");
  waited_ += Clock::now() - asked;
  batch_.emplace();
  batch_->range = number_;
  batch_->first_row = rows_before_;
  batch_->is_first = std::exchange(is_stream_start_, false);
  batch_->is_replay = is_replaying();
  batch_->lease = std::move(lease);
  return {};
}

/// Before memory is taken, so that a reader that pauses holds none.
void RangeReader::obey_pace() {
  if (options_.pace == nullptr) return;
  const auto waited = options_.pace->hold(Clock::now() - batch_began_, options_.stop);
  add(options_.counters.pace_wait_ns, waited);
  waited_ += waited;
  batch_began_ = Clock::now();
}

Result<void> RangeReader::finish_stream() {
  if (is_replaying()) {
    return unproven("replay-differs",
                    "a range that was read again ended before rows that it had before",
                    "the snapshot must show the same rows each time: please report it");
  }
  if (!batch_) {
    return interrupted("malformed-stream", "the server ended a COPY without a trailer");
  }
  // The last message is the trailer: alone, or behind the header when there are no rows.
  --batch_->expected_rows;
  batch_->is_last = true;
  is_whole_ = true;
  is_ended_ = true;
  return {};
}

RowBatch RangeReader::take_batch() {
  // Notes of the later stages about each row: its place, its fields, key, state and digest.
  constexpr std::uint64_t kNotesBytesPerRow = 80;
  RowBatch batch = *std::exchange(batch_, std::nullopt);
  const std::uint64_t rows = batch.expected_rows;
  batch.lease.absorb(options_.budget.charge(rows * kNotesBytesPerRow));
  rows_before_ += rows;
  if (!batch.is_replay) {
    rows_handed_on_ += rows;
    add(options_.counters.bytes, batch.bytes.size());
    add(options_.counters.rows, rows);
  }
  is_whole_ = false;
  has_handed_on_ = true;
  return batch;
}

/// Decides how to continue after a failure: rows before one that the server cannot produce are
/// handed on before that is set aside; a lost stream starts again. Any other error is returned.
Result<void> RangeReader::recover(Error error) {
  close_stream();
  if (options_.stop.is_set()) return error;
  // The user waits for the end of an epoch that cannot be reached any more.
  if (is_transient(error) && is_user_stopping()) return error;
  const bool is_about_data = !bad_row_ && may_be_about_a_row(error) && !is_replaying();
  if (is_about_data) {
    bad_row_ = std::move(error);
    is_whole_ = batch_.has_value();
    return {};
  }
  if (!options_.can_replay || !is_transient(error) || ++reopenings_ > kReopenings) return error;
  // Batches that were handed on stay so; the next stream starts where this one did.
  bad_row_.reset();
  batch_.reset();
  replay_until_ = std::max(replay_until_, rows_before_);
  rows_before_ = stream_began_at_;
  return reopen();
}

Result<void> RangeReader::set_aside() {
  PGFANOUT_TRY_ASSIGN(
      const UnreadableRow row,
      source_.find_unreadable(range_, after_ctid_, rows_before_ - stream_began_at_, *bad_row_));
  Reject reject;
  reject.range = number_;
  reject.row = rows_before_;
  reject.code = row.code;
  reject.reason = row.reason;
  reject.sqlstate = row.sqlstate;
  reject.ctid = row.ctid;
  if (auto added = options_.rejects.add(std::move(reject)); !added) {
    Error error = std::move(added).error();
    if (!row.relation.empty()) error.where = fmt::format("{} ctid {}", row.relation, row.ctid);
    if (row.code == kRowTooLarge) {
      error.hint =
          "shorten the column with --map; or set the row aside with --reject-limit 1, and move it "
          "by "
          "an INSERT within the server";
    }
    return error;
  }
  add(options_.counters.rejected, 1);
  bad_row_.reset();
  after_ctid_ = row.ctid;
  ++rows_before_;
  stream_began_at_ = rows_before_;
  return {};
}

/// Counts the time since the last batch, less the time spent waiting. Once a batch.
void RangeReader::count_work() {
  const auto now = Clock::now();
  if (stream_ != nullptr) {
    const std::chrono::nanoseconds waited = stream_->waited();
    waited_ += waited - std::exchange(stream_counted_, waited);
  }
  const auto worked = now - std::exchange(counted_until_, now) - std::exchange(waited_, {});
  if (worked.count() > 0) add(options_.counters.work_ns, worked);
}

Result<bool> ReplayCheck::take(const RowBatch& batch, const MultisetDigest& digest) {
  Stream& stream = streams_[batch.range];
  if (batch.is_replay) {
    if (batch.is_first) stream.replayed = {};
    stream.is_replaying = true;
    stream.replayed.merge(digest);
    return false;
  }
  if (std::exchange(stream.is_replaying, false) && !(stream.replayed == stream.read)) {
    return interrupted("replay-differs",
                       "a range that was read again after its reader was lost gave other rows",
                       "run the same command again: it repeats this epoch");
  }
  if (batch.is_first) stream.read = {};
  stream.read.merge(digest);
  return true;
}

}  // namespace pgfanout
