#include "copier/stage/lane_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "copier/base/crash_point.h"
#include "copier/stage/channel_loop.h"
#include "copier/stage/copy_cursor.h"

namespace pgfanout {
namespace {

Error at_leaf(const LaneTarget& target, Error error) {
  if (error.where.find(target.name) == std::string::npos) {
    error.where = "leaf " + target.name + (error.where.empty() ? "" : ", " + error.where);
  }
  return error;
}

/// One channel that loads its lanes, at least one: what both ways of making COPYs have in common.
class LoadTask : public ChannelTask {
 public:
  LoadTask(const LaneLoad& load, WriteChannel& channel, std::vector<std::uint32_t> lanes)
      : ChannelTask(channel),
        load_(load),
        lanes_(std::move(lanes)),
        cursor_(channel, load.counters.bytes_written) {}

  Result<void> take_error(Error error) override { return at_leaf(target(), std::move(error)); }
  [[nodiscard]] bool is_done() const override { return false; }
  /// The server has taken all rows of the lanes, which are closed.
  [[nodiscard]] bool is_drained() const { return is_drained_; }

 protected:
  [[nodiscard]] std::uint32_t lane() const { return lanes_[at_]; }
  [[nodiscard]] const LaneTarget& target() const { return load_.targets[lane()]; }

  /// Begins the transaction, then the oldest batch of the next lane that has one; the lanes take
  /// turns. False: there is none now.
  Result<bool> begin_next() {
    if (!std::exchange(in_transaction_, true)) {
      std::string truncate;
      for (const std::uint32_t lane : lanes_) {
        const std::string& table = load_.targets[lane].truncate;
        if (!table.empty()) truncate += (truncate.empty() ? "; TRUNCATE " : ", ") + table;
      }
      PGFANOUT_TRY(channel().send(load_.writers.begin + truncate));
      crash_point("lane-began");
      return true;
    }
    const bool closed = load_.lanes.is_closed();  // Asked first: no batch follows then.
    for (std::size_t turn = 0; turn < lanes_.size(); ++turn) {
      at_ = (at_ + 1) % lanes_.size();
      auto batch = load_.lanes.take(lane());
      if (!batch) continue;
      set_busy(true);
      PGFANOUT_TRY(begin(*std::move(batch)));
      return true;
    }
    set_busy(false);
    is_drained_ = closed;
    return false;
  }
  /// Sends the first statement of a batch.
  virtual Result<void> begin(LaneBatch batch) = 0;

  /// Once a batch, or once a piece of it.
  void count_sent(std::uint64_t rows) {
    load_.ledger.add_sent(lane(), rows);
    load_.counters.rows_written.fetch_add(rows, std::memory_order_relaxed);
    load_.counters.leaves.add_rows(lane(), rows);
    load_.counters.leaves.set_state(lane(), LeafState::loading);
  }

  void set_busy(bool is_busy) {
    if (is_busy == std::exchange(is_busy_, is_busy)) return;
    is_busy ? ++load_.counters.writers_busy : --load_.counters.writers_busy;
  }

  const LaneLoad& load_;
  const std::vector<std::uint32_t> lanes_;
  CopyCursor cursor_;

 private:
  std::size_t at_ = 0;  ///< Index into lanes_: the one being written.
  bool in_transaction_ = false;
  bool is_drained_ = false;
  bool is_busy_ = false;
};

/// A COPY stays open: with one lane until the lanes are closed, with several as long as the lane
/// has batches.
class OpenCopyTask final : public LoadTask {
 public:
  using LoadTask::LoadTask;

  Result<bool> next_statement() override {
    if (cursor_.is_open()) PGFANOUT_TRY(cursor_.account(lane(), load_.ledger));
    return begin_next();
  }

  Result<bool> put_piece() override {
    PGFANOUT_TRY_ASSIGN(const bool has_put, cursor_.put_piece());
    if (has_put) return true;
    if (batch_.rows > 0) {
      count_sent(batch_.rows);
      load_.lanes.sent(std::exchange(batch_, LaneBatch()));
      crash_point("lane-sent");
    }
    const bool closed = load_.lanes.is_closed();
    auto next = load_.lanes.take(lane());
    set_busy(next.has_value());
    if (next) {
      write(*std::move(next));
    } else if (closed || lanes_.size() > 1) {
      cursor_.finish();
    } else {
      return false;
    }
    return true;
  }

 private:
  Result<void> begin(LaneBatch batch) override {
    PGFANOUT_TRY(cursor_.begin(target().copy_sql));
    write(std::move(batch));
    return {};
  }

  void write(LaneBatch batch) {
    batch_ = std::move(batch);
    cursor_.give(batch_.bytes.view(), batch_.rows);
  }

  LaneBatch batch_;
};

/// Each batch is a COPY in a savepoint. One that the server refuses is rolled back and halved,
/// until the row that it refuses is alone and can be set aside.
class SavepointTask final : public LoadTask {
 public:
  using LoadTask::LoadTask;

  Result<bool> next_statement() override {
    switch (step_) {
      case Step::none:
        return begin_next();
      case Step::savepoint_set:
        step_ = Step::copying;
        PGFANOUT_TRY(cursor_.begin(target().copy_sql));
        cursor_.give(pieces_->bytes(), pieces_->rows());
        return true;
      case Step::copying:
        count_sent(pieces_->rows());
        crash_point("lane-sent");
        PGFANOUT_TRY(cursor_.account(lane(), load_.ledger));
        step_ = Step::released;
        PGFANOUT_TRY(channel().send("RELEASE SAVEPOINT pgfanout_piece"));
        return true;
      case Step::rolled_back:
        if (!pieces_->halve()) PGFANOUT_TRY(set_row_aside());
        break;
      case Step::released:
        pieces_->pop();
        break;
    }
    if (pieces_->empty()) {
      load_.lanes.sent(pieces_->take());
      pieces_.reset();
      step_ = Step::none;
      return begin_next();
    }
    PGFANOUT_TRY(set_savepoint());
    return true;
  }

  Result<bool> put_piece() override {
    PGFANOUT_TRY_ASSIGN(const bool has_put, cursor_.put_piece());
    if (!has_put) cursor_.finish();
    return true;
  }

  /// Errors about the data of a COPY roll it back; all others end the job.
  Result<void> take_error(Error error) override {
    const bool is_about_data = error.sqlstate.starts_with("22") ||
                               error.sqlstate.starts_with("23") || error.sqlstate.starts_with("P0");
    if (step_ != Step::copying || !is_about_data || channel().state() != ChannelState::ready) {
      return LoadTask::take_error(std::move(error));
    }
    refusal_ = std::move(error);
    step_ = Step::rolled_back;
    auto sent =
        channel().send("ROLLBACK TO SAVEPOINT pgfanout_piece; RELEASE SAVEPOINT pgfanout_piece");
    if (!sent) return LoadTask::take_error(std::move(sent).error());
    return {};
  }

 private:
  /// The last statement that was sent for the piece.
  enum class Step : std::uint8_t { none, savepoint_set, copying, released, rolled_back };

  Result<void> begin(LaneBatch batch) override {
    pieces_.emplace(std::move(batch));
    return set_savepoint();
  }

  Result<void> set_savepoint() {
    step_ = Step::savepoint_set;
    return channel().send("SAVEPOINT pgfanout_piece");
  }

  /// The piece is the single row that the server refuses.
  Result<void> set_row_aside() {
    const RowOrigin& origin = pieces_->origin();
    const ByteView bytes = pieces_->bytes();
    Reject reject;
    reject.range = origin.range;
    reject.row = origin.row;
    reject.code = refusal_.sqlstate.starts_with("23") ? "constraint" : "value-refused";
    reject.reason = refusal_.message;
    reject.sqlstate = refusal_.sqlstate;
    reject.target_leaf = target().name;
    reject.bytes.assign(bytes.begin(), bytes.end());
    MultisetDigest digest;
    digest.add(origin.digest);
    load_.ledger.add_refused(lane(), digest);
    load_.counters.rows_rejected.fetch_add(1, std::memory_order_relaxed);
    pieces_->pop();
    crash_point("row-set-aside");
    return load_.rejects.add(std::move(reject));
  }

  Step step_ = Step::none;
  std::optional<RowPieces> pieces_;  ///< Of the batch being written.
  Error refusal_;                    ///< Of the piece that was rolled back last.
};

/// One channel that commits its lanes, at least one.
class CommitTask final : public ChannelTask {
 public:
  CommitTask(const LaneCommit& commit, WriteChannel& channel, std::vector<std::uint32_t> lanes)
      : ChannelTask(channel), commit_(commit), lanes_(std::move(lanes)) {}

  /// The statement of each lane, which must return the tag that it expects; then COMMIT.
  Result<bool> next_statement() override {
    if (is_done_) return false;
    if (is_commit_sent_) return account_commit();
    const std::string expected = std::exchange(expected_tag_, {});
    if (!expected.empty() && channel().command_tag() != expected) {
      return interrupted("journal-moved",
                         "by the journal, another call of this job has committed these rows",
                         "run the same command again: it resumes from the journal");
    }
    while (next_ < lanes_.size()) {
      lane_ = lanes_[next_++];
      const LaneStatement& statement = commit_.statements[lane_];
      if (statement.sql.empty()) continue;
      expected_tag_ = statement.expected_tag;
      PGFANOUT_TRY(channel().send(statement.sql));
      crash_point("lane-finishing");
      return true;
    }
    lane_ = lanes_.front();
    is_commit_sent_ = true;
    PGFANOUT_TRY(channel().send("COMMIT"));
    crash_point("lane-commit-sent");
    return true;
  }

  Result<bool> put_piece() override { return false; }
  Result<void> take_error(Error error) override {
    return at_leaf(commit_.targets[lane_], std::move(error));
  }
  [[nodiscard]] bool is_done() const override { return is_done_; }

 private:
  Result<bool> account_commit() {
    if (channel().command_tag() != "COMMIT") {
      return interrupted("not-committed", "the server rolled the rows back instead of committing",
                         "read the server's log");
    }
    crash_point("lane-committed");
    for (const std::uint32_t lane : lanes_) {
      commit_.ledger.mark_committed(lane);
      ++commit_.counters.leaves_committed;
      if (commit_.completes_leaves) commit_.counters.leaves.set_state(lane, LeafState::committed);
    }
    is_done_ = true;
    return false;
  }

  const LaneCommit& commit_;
  const std::vector<std::uint32_t> lanes_;
  std::size_t next_ = 0;      ///< Index into lanes_.
  std::uint32_t lane_ = 0;    ///< The one being finished.
  std::string expected_tag_;  ///< Of its statement.
  bool is_commit_sent_ = false;
  bool is_done_ = false;
};

/// For each channel its lanes.
std::vector<std::vector<std::uint32_t>> lanes_of(const LaneChannels& writers) {
  std::vector<std::vector<std::uint32_t>> lanes(writers.channels.size());
  for (std::uint32_t lane = 0; lane < writers.channel_of.size(); ++lane) {
    lanes[writers.channel_of[lane]].push_back(lane);
  }
  return lanes;
}

/// All are asked to cancel before the first one is waited for.
void close_all(LaneChannels& writers) {
  for (const auto& channel : writers.channels) channel->cancel();
  writers.channels.clear();
}

Result<void> run_load(const LaneLoad& load, Stop& stop) {
  std::vector<std::unique_ptr<LoadTask>> tasks;
  ChannelLoop loop;
  PGFANOUT_TRY(loop.add(load.lanes.wakeup()));
  auto lanes = lanes_of(load.writers);
  for (std::size_t at = 0; at < lanes.size(); ++at) {
    WriteChannel& channel = *load.writers.channels[at];
    if (load.sets_aside) {
      tasks.push_back(std::make_unique<SavepointTask>(load, channel, std::move(lanes[at])));
    } else {
      tasks.push_back(std::make_unique<OpenCopyTask>(load, channel, std::move(lanes[at])));
    }
    PGFANOUT_TRY(loop.add(*tasks.back()));
  }
  const auto is_drained = [](const auto& task) { return task->is_drained(); };
  while (!std::ranges::all_of(tasks, is_drained) && !stop.is_set()) {
    PGFANOUT_TRY(loop.wait_and_advance());
    const bool closed = load.lanes.is_closed();
    for (const std::uint32_t lane : load.lanes.take_ready()) {
      PGFANOUT_TRY(loop.advance(load.writers.channel_of[lane]));
    }
    if (closed) PGFANOUT_TRY(loop.advance_all());
  }
  return {};
}

Result<void> run_commit(const LaneCommit& commit, Stop& stop) {
  std::vector<std::unique_ptr<CommitTask>> tasks;
  ChannelLoop loop;
  auto lanes = lanes_of(commit.writers);
  for (std::size_t at = 0; at < lanes.size(); ++at) {
    tasks.push_back(
        std::make_unique<CommitTask>(commit, *commit.writers.channels[at], std::move(lanes[at])));
    PGFANOUT_TRY(loop.add(*tasks.back()));
  }
  PGFANOUT_TRY(loop.advance_all());
  while (!loop.is_done() && !stop.is_set()) PGFANOUT_TRY(loop.wait_and_advance());
  return {};
}

}  // namespace

void load_lanes(const LaneLoad& load, Stop& stop) {
  stop.guard("the writer", [&] { return run_load(load, stop); });
  load.counters.writers_busy = 0;
  if (stop.is_set()) close_all(load.writers);
}

Result<void> commit_lanes(const LaneCommit& commit, const Cancellation& cancellation) {
  Stop stop(cancellation);
  stop.guard("the commit", [&] { return run_commit(commit, stop); });
  auto error = stop.error();
  if (!error) return {};
  close_all(commit.writers);
  return *std::move(error);
}

}  // namespace pgfanout
