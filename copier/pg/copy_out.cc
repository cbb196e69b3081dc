#include "copier/pg/copy_out.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>

#include "copier/base/pause.h"
#include "copier/pg/server_error.h"

namespace pgfanout {
namespace {

/// Takes what is left of a failed statement, so that the connection can be used again.
void drain(Connection& connection, const Cancellation& cancellation) {
  while (true) {
    while (PQisBusy(connection.raw()) == 1) {
      if (!connection.wait_for_input(&cancellation)) return;
    }
    PGresult* rest = PQgetResult(connection.raw());
    const Rows owner(rest);
    const ExecStatusType status = PQresultStatus(rest);
    if (rest == nullptr || status == PGRES_COPY_OUT || status == PGRES_COPY_IN) return;
  }
}

}  // namespace

Result<std::unique_ptr<CopyOut>> CopyOut::start(Connection& connection, std::string_view sql,
                                                const Cancellation& cancellation) {
  PGconn* raw = connection.raw();
  PGFANOUT_TRY_ASSIGN(const std::string statement, connection.text_encoding().to_server(sql));
  if (PQsendQuery(raw, statement.c_str()) == 0) {
    return error_of_connection(raw, "start reading");
  }
  while (PQisBusy(raw) == 1) PGFANOUT_TRY(connection.wait_for_input(&cancellation));
  PGresult* result = PQgetResult(raw);
  const Rows owner(result);
  if (PQresultStatus(result) != PGRES_COPY_OUT) {
    Error error = PQstatus(raw) == CONNECTION_OK ? connection.error_of(result, "read")
                                                 : error_of_connection(raw, "read");
    drain(connection, cancellation);
    return error;
  }
  return std::unique_ptr<CopyOut>(new CopyOut(connection, cancellation));
}

CopyOut::CopyOut(Connection& connection, const Cancellation& cancellation)
    : connection_(connection), cancellation_(cancellation), message_(nullptr, &PQfreemem) {}

Result<std::optional<ByteView>> CopyOut::next() {
  message_.reset();  // Before the next one is allocated: a row may be huge.
  while (true) {
    char* data = nullptr;
    const int length = PQgetCopyData(connection_.raw(), &data, 1);
    message_.reset(data);
    if (length > 0) {
      const ByteView message(reinterpret_cast<std::uint8_t*>(data),
                             static_cast<std::size_t>(length));
      bytes_since_nap_ += message.size();
      has_part_ = false;
      return message;
    }
    if (length == -2) return error_of_connection(connection_.raw(), "read rows");
    PGFANOUT_TRY(length == -1 ? finish() : wait_for_rows());
    if (length == -1) return std::nullopt;
    if (!may_receive_()) return ByteView();
    has_part_ = true;
    if (PQconsumeInput(connection_.raw()) == 0) {
      return error_of_connection(connection_.raw(), "read from the server");
    }
  }
}

Buffer CopyOut::take(ByteView message) {
  return {message_.release(), message.size(), &PQfreemem};
}

/// A server sends 8 kB at a time, and a wake-up for each costs both sides more than the rows do. So
/// this sleeps for up to 2 ms while less than the socket's buffer comes in. Bytes that are there
/// already are taken first, which with TLS is one record.
Result<void> CopyOut::wait_for_rows() {
  using std::chrono::microseconds;
  constexpr std::size_t kFew = 48U << 10U;
  constexpr std::size_t kMany = 96U << 10U;
  constexpr microseconds kShortest{125};
  constexpr microseconds kLongest{2000};
  pollfd looking{PQsocket(connection_.raw()), POLLIN, 0};
  const auto is_there = [&](int milliseconds) { return poll(&looking, 1, milliseconds) != 0; };
  if (is_there(0) && !cancellation_.is_set()) return {};
  if (bytes_since_nap_ < kFew) nap_ = std::clamp(2 * nap_, kShortest, kLongest);
  if (bytes_since_nap_ > kMany) nap_ /= 2;
  bytes_since_nap_ = 0;
  const auto began = std::chrono::steady_clock::now();
  if (nap_ >= kShortest) pause_for(nap_);
  // A part of a message was received: it may be large, and is hardly sent with longer pauses.
  constexpr int kPauseWithin = 1000;
  constexpr int kPauseBetween = 5;
  constexpr int kStep = 50;
  int left = has_part_ ? kPauseWithin : kPauseBetween;
  while (left > 0 && !cancellation_.is_set() && !is_there(std::min(left, kStep))) left -= kStep;
  waited_.add(std::chrono::steady_clock::now() - began);
  if (left <= 0) {
    let_go_();
  } else if (!cancellation_.is_set()) {
    return {};
  }
  return connection_.wait_until_ready(&cancellation_, &waited_);
}

Result<void> CopyOut::finish() {
  PGconn* raw = connection_.raw();
  while (PQisBusy(raw) == 1) PGFANOUT_TRY(connection_.wait_for_input(&cancellation_));
  PGresult* result = PQgetResult(raw);
  const Rows owner(result);
  if (PQresultStatus(result) == PGRES_COMMAND_OK) {
    drain(connection_, cancellation_);
    return {};
  }
  if (PQstatus(raw) != CONNECTION_OK) return error_of_connection(raw, "read rows");
  Error error = connection_.error_of(result, "read rows");
  drain(connection_, cancellation_);
  return error;
}

}  // namespace pgfanout
