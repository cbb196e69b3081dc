#include "copier/pg/write_channel.h"

#include <libpq-fe.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

#include "copier/base/server_waits.h"
#include "copier/pg/server_error.h"

namespace pgfanout {
namespace {

class LibpqWriteChannel final : public WriteChannel {
 public:
  explicit LibpqWriteChannel(Connection connection) : connection_(std::move(connection)) {}

  /// Ends an open COPY with a message, so that the server's log says why.
  ~LibpqWriteChannel() override {
    if (state_ == ChannelState::copying && connection_.is_open()) {
      PQputCopyEnd(connection_.raw(), "pgfanout stopped");
      PQflush(connection_.raw());
    }
    if (cancelled_ && connection_.is_open()) {
      [[maybe_unused]] const auto ended = connection_.await_cancelled(*cancelled_);
    }
  }

  [[nodiscard]] int socket() const override { return PQsocket(connection_.raw()); }
  [[nodiscard]] ChannelState state() const override { return state_; }
  [[nodiscard]] bool must_flush() const override { return must_flush_; }
  [[nodiscard]] std::uint64_t rows_copied() const override { return rows_copied_; }
  [[nodiscard]] std::string command_tag() const override { return command_tag_; }

  Result<void> send(std::string_view sql) override {
    PGFANOUT_TRY_ASSIGN(const std::string statement, connection_.text_encoding().to_server(sql));
    if (PQsendQuery(connection_.raw(), statement.c_str()) == 0) return broken("send a statement");
    connection_.note_wait(sql);
    state_ = ChannelState::waiting;
    still_since_ = Clock::now();
    return flush();
  }

  void cancel() override {
    constexpr std::chrono::milliseconds kPatience{1'000};
    if (state_ != ChannelState::waiting) return;
    cancelled_ = connection_.request_cancel();
    cancelled_->patience = kPatience;
  }

  Result<void> put(ByteView piece) override {
    const int taken = PQputCopyData(connection_.raw(), reinterpret_cast<const char*>(piece.data()),
                                    static_cast<int>(piece.size()));
    if (taken <= 0) return broken("send rows");
    return flush();
  }

  Result<void> end_copy() override {
    if (PQputCopyEnd(connection_.raw(), nullptr) <= 0) return broken("end a COPY");
    connection_.note_wait("the end of a COPY");
    state_ = ChannelState::waiting;
    still_since_ = Clock::now();
    return flush();
  }

  Result<void> step(bool readable) override {
    if (must_flush_) PGFANOUT_TRY(flush());
    if (!readable) return {};
    still_since_ = Clock::now();
    if (PQconsumeInput(connection_.raw()) == 0) return broken("read from the server");
    if (state_ == ChannelState::copying) PGFANOUT_TRY(end_interrupted_copy());
    if (state_ == ChannelState::waiting) return take_results();
    return {};
  }

  /// The other host is alive as long as it acknowledges bytes that the socket holds.
  Result<void> check_stalled() override {
    int unsent = 0;
    ioctl(socket(), SIOCOUTQ, &unsent);
    const bool is_waiting = state_ == ChannelState::waiting || must_flush_;
    if (!is_waiting || unsent < unsent_) still_since_ = Clock::now();
    unsent_ = unsent;
    return connection_.check_stalled(still_since_);
  }

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] Error broken(std::string_view doing) const {
    return error_of_connection(connection_.raw(), doing);
  }

  Result<void> flush() {
    const int left = PQflush(connection_.raw());
    if (left < 0) {
      // The server may have sent its reason before it closed the socket.
      if (PQconsumeInput(connection_.raw()) == 1 && state_ == ChannelState::copying) {
        PGFANOUT_TRY(end_interrupted_copy());
        return take_results();
      }
      return broken("send rows");
    }
    if (left == 0) still_since_ = Clock::now();
    must_flush_ = left == 1;
    return {};
  }

  /// The server sent an error in the middle of the COPY: it can be read once the COPY is ended.
  Result<void> end_interrupted_copy() {
    if (PQputCopyEnd(connection_.raw(), "the server interrupted the COPY") < 0) {
      return broken("end a COPY");
    }
    state_ = ChannelState::waiting;
    return {};
  }

  Result<void> take_results() {
    while (PQisBusy(connection_.raw()) == 0) {
      PGresult* result = PQgetResult(connection_.raw());
      const Rows owner(result);
      if (result == nullptr) return settle();
      switch (PQresultStatus(result)) {
        case PGRES_COPY_IN:
          state_ = ChannelState::copying;
          ServerWaits::all().end(connection_.raw());
          return {};
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
          rows_copied_ = static_cast<std::uint64_t>(std::max<std::int64_t>(0, owner.affected()));
          command_tag_ = PQcmdStatus(result);
          break;
        default:
          if (!failure_) failure_ = connection_.error_of(result, "write");
          break;
      }
    }
    if (!connection_.is_open() && !failure_) return broken("read from the server");
    return {};
  }

  Result<void> settle() {
    state_ = ChannelState::ready;
    ServerWaits::all().end(connection_.raw());
    if (failure_) return *std::exchange(failure_, std::nullopt);
    return {};
  }

  Connection connection_;
  ChannelState state_ = ChannelState::ready;
  bool must_flush_ = false;
  Clock::time_point still_since_;  ///< Nothing has moved since, in either direction.
  int unsent_ = 0;                 ///< Bytes that the socket held at the last check.
  std::uint64_t rows_copied_ = 0;
  std::string command_tag_;
  std::optional<Error> failure_;
  std::optional<CancelRequest> cancelled_;
};

}  // namespace

std::unique_ptr<WriteChannel> make_write_channel(Connection connection) {
  return std::make_unique<LibpqWriteChannel>(std::move(connection));
}

}  // namespace pgfanout
