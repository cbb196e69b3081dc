#include "copier/stage/lane_writer.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/wire/encoder.h"

namespace pgfanout {

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

  [[nodiscard]] std::uint32_t lane() const { return lanes[at_lane]; }
  [[nodiscard]] bool is_shared() const { return lanes.size() > 1; }
};

LaneWriter::LaneWriter(std::vector<std::unique_ptr<WriteChannel>>& channels,
                       const std::vector<LaneTarget>& targets, LaneSet& lanes, Ledger& ledger,
                       JobCounters& counters, Stop& stop, LaneQuestions ask)
    : channels_(channels),
      targets_(targets),
      lanes_(lanes),
      ledger_(ledger),
      counters_(counters),
      stop_(stop),
      ask_(std::move(ask)),
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
  if (auto ended = run_loop(); !ended) stop_.record(std::move(ended).error());
  drivers_.clear();
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
  while (done_ < drivers_.size() && !stop_.is_set()) {
    PGFANOUT_TRY(handle_events(kStepMilliseconds));
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
      return named(driver, std::move(stepped).error());
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
        if (!next) return named(driver, std::move(next).error());
        moved = *next;
        break;
      }
      case ChannelState::copying: {
        auto fed = feed(driver);
        if (!fed) return named(driver, std::move(fed).error());
        moved = *fed;
        break;
      }
    }
  }
  watch(driver);
  return {};
}

/// Returns whether anything was started.
Result<bool> LaneWriter::next_statement(Driver& driver) {
  if (driver.in_copy) PGFANOUT_TRY(account_copy(driver));
  PGFANOUT_TRY(account_statement(driver));
  switch (driver.phase) {
    case Phase::loading:
      return begin_copy(driver);
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

/// What was sent must have done what it is for.
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

/// Starts a COPY for the next of the connection's lanes that has rows waiting, taking turns.
Result<bool> LaneWriter::begin_copy(Driver& driver) {
  const bool closed = lanes_.is_closed();
  PGFANOUT_TRY_ASSIGN(const bool began, begin_transaction(driver));
  if (began) return true;
  for (std::size_t turn = 0; turn < driver.lanes.size(); ++turn) {
    driver.at_lane = (driver.at_lane + 1) % driver.lanes.size();
    auto batch = lanes_.take(driver.lane());
    if (!batch) continue;
    driver.batch = *std::move(batch);
    driver.batch_offset = 0;
    driver.rows_in_copy = 0;
    driver.in_copy = true;
    driver.header_sent = false;
    driver.trailer_sent = false;
    PGFANOUT_TRY(driver.channel->send(targets_[driver.lane()].copy_sql));
    return true;
  }
  if (closed) {
    driver.phase = Phase::drained;
    ++drained_;
  }
  return false;
}

/// Puts the next piece. Returns false when the lane has nothing to send for the moment.
Result<bool> LaneWriter::feed(Driver& driver) {
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
  const ByteView bytes = driver.batch.bytes.view();
  if (driver.batch_offset < bytes.size()) {
    const std::size_t piece =
        std::min(WriteChannel::kPieceBytes, bytes.size() - driver.batch_offset);
    PGFANOUT_TRY(channel.put(bytes.subspan(driver.batch_offset, piece)));
    driver.batch_offset += piece;
    counters_.bytes_written.fetch_add(piece, std::memory_order_relaxed);
    return true;
  }
  if (driver.batch.rows > 0) {
    ledger_.add_sent(driver.lane(), driver.batch.rows);
    counters_.rows_written.fetch_add(driver.batch.rows, std::memory_order_relaxed);
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
  PGFANOUT_TRY(channel.put(copy_trailer()));
  return true;
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
