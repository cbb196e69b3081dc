#include "copier/stage/lane_writer.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/stage/row_pieces.h"
#include "copier/wire/encoder.h"

namespace pgfanout {
namespace {

constexpr std::chrono::seconds kLookForStalls{1};

constexpr std::string_view kGuard = "SAVEPOINT pgfanout_piece";
constexpr std::string_view kKeep = "RELEASE SAVEPOINT pgfanout_piece";
constexpr std::string_view kTakeBack =
    "ROLLBACK TO SAVEPOINT pgfanout_piece; RELEASE SAVEPOINT pgfanout_piece";

/// Where a connection stands with the piece that it writes.
enum class PieceStep : std::uint8_t {
  none,
  guarded,     ///< The savepoint is being set.
  copying,     ///< Its COPY runs.
  released,    ///< It is in; the savepoint goes.
  taken_back,  ///< It is not.
};

}  // namespace

/// One connection and where it stands.
struct LaneWriter::Driver {
  WriteChannel* channel = nullptr;
  std::vector<std::uint32_t> lanes;
  Phase phase = Phase::loading;
  bool in_transaction = false;
  bool in_copy = false;  ///< A COPY was started and not yet accounted for.
  bool header_sent = false;
  bool trailer_sent = false;
  std::size_t at_lane = 0;  ///< Index into lanes: the one being written, or finished.
  std::optional<std::vector<LaneStatement>> statements;  ///< That lane's, once asked for.
  std::size_t at_statement = 0;                          ///< Index into them.
  std::string expected_tag;                              ///< Of the statement that runs.
  LaneBatch batch;
  std::size_t batch_offset = 0;
  std::uint64_t rows_in_copy = 0;
  bool watches_output = false;
  bool is_busy = false;             ///< As the counters have it.
  std::optional<RowPieces> pieces;  ///< Where rows may be set aside: what is being written.
  PieceStep step = PieceStep::none;
  Error refusal;  ///< Why the piece did not go in.

  [[nodiscard]] std::uint32_t lane() const { return lanes[at_lane]; }
  [[nodiscard]] bool is_shared() const { return lanes.size() > 1; }
  [[nodiscard]] bool has_rows() const { return batch.rows > 0 || pieces.has_value(); }
};

LaneWriter::LaneWriter(std::vector<std::unique_ptr<WriteChannel>>& channels,
                       const std::vector<LaneTarget>& targets, LaneSet& lanes, Ledger& ledger,
                       Rejects& rejects, JobCounters& counters, Stop& stop, LaneQuestions ask,
                       bool sets_aside)
    : channels_(channels),
      targets_(targets),
      lanes_(lanes),
      ledger_(ledger),
      rejects_(rejects),
      counters_(counters),
      stop_(stop),
      ask_(std::move(ask)),
      sets_aside_(sets_aside),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  for (auto& channel : channels) {
    drivers_.push_back(std::make_unique<Driver>());
    drivers_.back()->channel = channel.get();
  }
  for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    drivers_[lane % drivers_.size()]->lanes.push_back(lane);
  }
}

LaneWriter::~LaneWriter() {
  close(epoll_);
}

void LaneWriter::run() {
  counters_.writers = drivers_.size();
  if (auto ended = run_loop(); !ended) stop_.record(std::move(ended).error());
  drivers_.clear();
  counters_.writers = 0;
  counters_.writers_busy = 0;
  if (stop_.is_set()) channels_.clear();
}

Result<void> LaneWriter::run_loop() {
  constexpr int kStepMilliseconds = 100;
  epoll_event wake{};
  wake.events = EPOLLIN;
  wake.data.ptr = nullptr;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, lanes_.wakeup().descriptor(), &wake);
  for (auto& driver : drivers_) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = driver.get();
    epoll_ctl(epoll_, EPOLL_CTL_ADD, driver->channel->socket(), &event);
  }
  auto next_look = std::chrono::steady_clock::now() + kLookForStalls;
  while (done_ < drivers_.size() && !stop_.is_set()) {
    PGFANOUT_TRY(handle_events(kStepMilliseconds));
    if (std::chrono::steady_clock::now() >= next_look) {
      PGFANOUT_TRY(look_for_stalls());
      next_look = std::chrono::steady_clock::now() + kLookForStalls;
    }
    if (drained_ == drivers_.size()) {
      drained_ = 0;
      crash_point("epoch-drained");
      PGFANOUT_TRY(ask_.may_commit());
      for (auto& driver : drivers_) {
        driver->phase = Phase::finishing;
        driver->at_lane = 0;
        PGFANOUT_TRY(pump(*driver));
      }
    }
  }
  return {};
}

Result<void> LaneWriter::look_for_stalls() {
  for (auto& driver : drivers_) {
    if (driver->phase == Phase::done) continue;
    auto alive = driver->channel->check_stalled();
    if (!alive) return named(*driver, std::move(alive).error());
  }
  return {};
}

Result<void> LaneWriter::handle_events(int milliseconds) {
  std::array<epoll_event, 64> events{};
  const int count =
      epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds);
  for (int at = 0; at < count; ++at) {
    const epoll_event& event = events[static_cast<std::size_t>(at)];
    if (event.data.ptr == nullptr) {
      lanes_.wakeup().clear();
      continue;
    }
    auto& driver = *static_cast<Driver*>(event.data.ptr);
    const bool readable = (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
    if (driver.phase == Phase::done) {
      epoll_ctl(epoll_, EPOLL_CTL_DEL, driver.channel->socket(), nullptr);
      continue;
    }
    if (auto stepped = driver.channel->step(readable); !stepped) {
      PGFANOUT_TRY(bear(driver, std::move(stepped).error()));
    }
    PGFANOUT_TRY(pump(driver));
  }
  const bool closed = lanes_.is_closed();
  for (const std::uint32_t lane : lanes_.take_ready()) {
    PGFANOUT_TRY(pump(*drivers_[lane % drivers_.size()]));
  }
  if (closed) {
    for (auto& driver : drivers_) {
      if (driver->phase == Phase::loading) PGFANOUT_TRY(pump(*driver));
    }
  }
  return {};
}

/// Drives one connection as far as it goes without waiting.
Result<void> LaneWriter::pump(Driver& driver) {
  bool moved = true;
  while (moved && !driver.channel->must_flush()) {
    switch (driver.channel->state()) {
      case ChannelState::waiting:
        moved = false;
        break;
      case ChannelState::ready: {
        auto next = next_statement(driver);
        if (!next) PGFANOUT_TRY(bear(driver, std::move(next).error()));
        moved = !next || *next;
        break;
      }
      case ChannelState::copying: {
        auto fed = sets_aside_ ? feed_piece(driver) : feed(driver);
        if (!fed) PGFANOUT_TRY(bear(driver, std::move(fed).error()));
        moved = !fed || *fed;
        break;
      }
    }
  }
  count_busy(driver);
  watch(driver);
  return {};
}

/// Once a batch.
void LaneWriter::count_sent(std::uint32_t lane, std::uint64_t rows) {
  ledger_.add_sent(lane, rows);
  counters_.rows_written.fetch_add(rows, std::memory_order_relaxed);
  counters_.leaves.add_rows(lane, rows);
  counters_.leaves.set_state(lane, LeafState::loading);
}

void LaneWriter::count_busy(Driver& driver) {
  const bool is_busy = driver.has_rows();
  if (is_busy == std::exchange(driver.is_busy, is_busy)) return;
  if (is_busy) {
    ++counters_.writers_busy;
  } else {
    --counters_.writers_busy;
  }
}

/// Returns whether anything was started.
Result<bool> LaneWriter::next_statement(Driver& driver) {
  if (driver.in_copy) PGFANOUT_TRY(account_copy(driver));
  PGFANOUT_TRY(account_statement(driver));
  switch (driver.phase) {
    case Phase::loading:
      return sets_aside_ ? next_piece(driver) : begin_copy(driver);
    case Phase::finishing:
      return finish_lanes(driver);
    case Phase::committing:
      if (driver.channel->command_tag() != "COMMIT") {
        return interrupted("not-committed", "the server rolled the rows back instead of committing",
                           "look into the server's log");
      }
      crash_point("lane-committed");
      for (const std::uint32_t lane : driver.lanes) {
        ledger_.mark_committed(lane);
        counters_.leaves_committed.fetch_add(1, std::memory_order_relaxed);
        if (ask_.committed) ask_.committed(lane);
      }
      driver.phase = Phase::done;
      ++done_;
      return false;
    case Phase::drained:
    case Phase::done:
      return false;
  }
  return false;
}

/// A statement that was sent must have returned the expected command tag.
Result<void> LaneWriter::account_statement(Driver& driver) {
  const std::string expected = std::exchange(driver.expected_tag, {});
  if (expected.empty() || driver.channel->command_tag() == expected) return {};
  return interrupted("journal-moved",
                     "the journal says that another call of this job has committed these rows",
                     "run the same command again: it goes on from what the journal says");
}

/// Returns whether there was one to begin.
Result<bool> LaneWriter::begin_transaction(Driver& driver) {
  if (driver.in_transaction) return false;
  driver.in_transaction = true;
  std::string sql = "BEGIN";
  std::string truncate;
  for (const std::uint32_t lane : driver.lanes) {
    if (targets_[lane].truncate.empty()) continue;
    truncate += (truncate.empty() ? "; TRUNCATE " : ", ") + targets_[lane].truncate;
  }
  PGFANOUT_TRY(driver.channel->send(sql + truncate));
  crash_point("lane-began");
  return true;
}

/// Of the next of the connection's lanes that has one, taking turns. None will come any more once
/// the lanes are closed.
std::optional<LaneBatch> LaneWriter::next_batch(Driver& driver) {
  const bool closed = lanes_.is_closed();
  for (std::size_t turn = 0; turn < driver.lanes.size(); ++turn) {
    driver.at_lane = (driver.at_lane + 1) % driver.lanes.size();
    if (auto batch = lanes_.take(driver.lane())) return batch;
  }
  if (closed) {
    driver.phase = Phase::drained;
    ++drained_;
  }
  return std::nullopt;
}

/// Starts a COPY for the next of the connection's lanes that has rows waiting, taking turns.
Result<bool> LaneWriter::begin_copy(Driver& driver) {
  PGFANOUT_TRY_ASSIGN(const bool began, begin_transaction(driver));
  if (began) return true;
  auto batch = next_batch(driver);
  if (!batch) return false;
  driver.batch = *std::move(batch);
  driver.batch_offset = 0;
  driver.rows_in_copy = 0;
  driver.in_copy = true;
  driver.header_sent = false;
  driver.trailer_sent = false;
  PGFANOUT_TRY(driver.channel->send(targets_[driver.lane()].copy_sql));
  return true;
}

/// The header, the next part of `bytes`, or the end behind the trailer; false if neither is due.
Result<bool> LaneWriter::put_some(Driver& driver, ByteView bytes) {
  WriteChannel& channel = *driver.channel;
  if (!driver.header_sent) {
    driver.header_sent = true;
    PGFANOUT_TRY(channel.put(copy_header()));
    return true;
  }
  if (driver.trailer_sent) {
    PGFANOUT_TRY(channel.end_copy());
    return true;
  }
  if (driver.batch_offset >= bytes.size()) return false;
  const std::size_t part = std::min(WriteChannel::kPieceBytes, bytes.size() - driver.batch_offset);
  PGFANOUT_TRY(channel.put(bytes.subspan(driver.batch_offset, part)));
  driver.batch_offset += part;
  counters_.bytes_written.fetch_add(part, std::memory_order_relaxed);
  return true;
}

/// Puts the next piece. Returns false when the lane has nothing to send for the moment.
Result<bool> LaneWriter::feed(Driver& driver) {
  PGFANOUT_TRY_ASSIGN(const bool has_put, put_some(driver, driver.batch.bytes.view()));
  if (has_put) return true;
  if (driver.batch.rows > 0) {
    count_sent(driver.lane(), driver.batch.rows);
    driver.rows_in_copy += driver.batch.rows;
    lanes_.sent(std::exchange(driver.batch, LaneBatch()));
    driver.batch_offset = 0;
    crash_point("lane-sent");
  }
  const bool closed = lanes_.is_closed();
  if (auto next = lanes_.take(driver.lane())) {
    driver.batch = *std::move(next);
    return true;
  }
  if (!closed && !driver.is_shared()) return false;
  driver.trailer_sent = true;
  PGFANOUT_TRY(driver.channel->put(copy_trailer()));
  return true;
}

/// An error ends the job, unless it is about a row that may be set aside.
Result<void> LaneWriter::bear(Driver& driver, Error error) {
  const bool is_about_data = error.sqlstate.starts_with("22") || error.sqlstate.starts_with("23") ||
                             error.sqlstate.starts_with("P0");
  const bool may_go_on = driver.step == PieceStep::copying && is_about_data &&
                         driver.channel->state() == ChannelState::ready;
  if (!may_go_on) return named(driver, std::move(error));
  driver.refusal = std::move(error);
  driver.step = PieceStep::taken_back;
  auto sent = driver.channel->send(kTakeBack);
  if (!sent) return named(driver, std::move(sent).error());
  return {};
}

/// Begins the step after the statement that has just ended.
Result<bool> LaneWriter::next_piece(Driver& driver) {
  switch (driver.step) {
    case PieceStep::none:
      return begin_pieces(driver);
    case PieceStep::guarded:
      driver.step = PieceStep::copying;
      driver.batch_offset = 0;
      driver.header_sent = false;
      driver.trailer_sent = false;
      PGFANOUT_TRY(driver.channel->send(targets_[driver.lane()].copy_sql));
      return true;
    case PieceStep::copying:
      PGFANOUT_TRY(account_piece(driver));
      driver.step = PieceStep::released;
      PGFANOUT_TRY(driver.channel->send(kKeep));
      return true;
    case PieceStep::taken_back:
      if (!driver.pieces->halve()) PGFANOUT_TRY(set_row_aside(driver));
      break;
    case PieceStep::released:
      driver.pieces->pop();
      break;
  }
  if (driver.pieces->empty()) {
    lanes_.sent(driver.pieces->take());
    driver.pieces.reset();
    return begin_pieces(driver);
  }
  driver.step = PieceStep::guarded;
  PGFANOUT_TRY(driver.channel->send(kGuard));
  return true;
}

/// The next batch of one of the connection's lanes, taking turns.
Result<bool> LaneWriter::begin_pieces(Driver& driver) {
  driver.step = PieceStep::none;
  PGFANOUT_TRY_ASSIGN(const bool began, begin_transaction(driver));
  if (began) return true;
  auto batch = next_batch(driver);
  if (!batch) return false;
  driver.pieces.emplace(*std::move(batch));
  driver.step = PieceStep::guarded;
  PGFANOUT_TRY(driver.channel->send(kGuard));
  return true;
}

Result<bool> LaneWriter::feed_piece(Driver& driver) {
  PGFANOUT_TRY_ASSIGN(const bool has_put, put_some(driver, driver.pieces->bytes()));
  if (has_put) return true;
  driver.trailer_sent = true;
  PGFANOUT_TRY(driver.channel->put(copy_trailer()));
  return true;
}

Result<void> LaneWriter::account_piece(Driver& driver) {
  driver.rows_in_copy = driver.pieces->rows();
  count_sent(driver.lane(), driver.rows_in_copy);
  crash_point("lane-sent");
  return account_copy(driver);
}

/// The row in the way stands alone.
Result<void> LaneWriter::set_row_aside(Driver& driver) {
  const RowOrigin& origin = driver.pieces->origin();
  const ByteView bytes = driver.pieces->bytes();
  Reject reject;
  reject.range = origin.range;
  reject.row = origin.row;
  reject.code = driver.refusal.sqlstate.starts_with("23") ? "constraint" : "value-refused";
  reject.reason = driver.refusal.message;
  reject.sqlstate = driver.refusal.sqlstate;
  reject.target_leaf = targets_[driver.lane()].name;
  reject.bytes.assign(bytes.begin(), bytes.end());
  MultisetDigest digest;
  digest.add(origin.digest);
  ledger_.add_refused(driver.lane(), digest);
  counters_.rows_rejected.fetch_add(1, std::memory_order_relaxed);
  driver.pieces->pop();
  crash_point("row-set-aside");
  return rejects_.add(std::move(reject));
}

/// The server's count must be ours.
Result<void> LaneWriter::account_copy(Driver& driver) {
  driver.in_copy = false;
  const std::uint64_t copied = driver.channel->rows_copied();
  ledger_.add_copied(driver.lane(), copied);
  crash_point("lane-taken");
  if (copied == driver.rows_in_copy) return {};
  Error error = interrupted("ledger-rows",
                            fmt::format("{} sent, but the server took {}",
                                        rows_text(driver.rows_in_copy), with_commas(copied)),
                            "look for triggers or rules on the leaf that drop rows");
  error.consequence = Consequence::refuse;
  return error;
}

/// Statements that go with the rows into the same transaction, then COMMIT.
Result<bool> LaneWriter::finish_lanes(Driver& driver) {
  for (; driver.at_lane < driver.lanes.size(); ++driver.at_lane, driver.statements.reset()) {
    if (!driver.statements) {
      driver.statements = ask_.before_commit(driver.lane());
      driver.at_statement = 0;
    }
    if (driver.at_statement < driver.statements->size()) {
      const LaneStatement& statement = (*driver.statements)[driver.at_statement++];
      driver.expected_tag = statement.expected_tag;
      PGFANOUT_TRY(driver.channel->send(statement.sql));
      crash_point("lane-finishing");
      return true;
    }
  }
  driver.at_lane = 0;
  driver.phase = Phase::committing;
  PGFANOUT_TRY(driver.channel->send("COMMIT"));
  crash_point("lane-commit-sent");
  return true;
}

/// Asks for writability only while output is stuck.
void LaneWriter::watch(Driver& driver) {
  const bool wants_output = driver.channel->must_flush();
  if (wants_output == driver.watches_output) return;
  driver.watches_output = wants_output;
  epoll_event event{};
  event.events = EPOLLIN | (wants_output ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
  event.data.ptr = &driver;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, driver.channel->socket(), &event);
}

Error LaneWriter::named(const Driver& driver, Error error) const {
  const std::size_t at = std::min(driver.at_lane, driver.lanes.size() - 1);
  const std::string& name = targets_[driver.lanes[at]].name;
  if (error.where.find(name) == std::string::npos) {
    error.where = error.where.empty() ? "leaf " + name : "leaf " + name + ", " + error.where;
  }
  return error;
}

}  // namespace pgfanout
