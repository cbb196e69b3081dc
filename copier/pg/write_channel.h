// A connection that writes, driven by events: statements and COPY ... FROM STDIN without ever
// waiting in libpq. One thread drives it.
//
// libpq's non-blocking PQputCopyData buffers without bound, so the caller puts one piece at a time
// and only when nothing is waiting to be flushed. In the middle of a COPY libpq does not read the
// server's messages. Notices are off in these sessions, so any input then is an error, and the COPY
// is ended to learn which.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "copier/pg/connection.h"
#include "pgfanout/bytes.h"
#include "pgfanout/result.h"

namespace pgfanout {

enum class ChannelState : std::uint8_t {
  ready,    ///< Nothing runs; the last statement succeeded.
  waiting,  ///< A statement runs.
  copying,  ///< The server takes COPY data.
};

/// The part of a connection that a task of the lanes needs; tests put a fake in its place.
class WriteChannel {
 public:
  /// No more than this many bytes a put(): libpq's buffer then stays small.
  static constexpr std::size_t kPieceBytes = 32 * 1024 - 5;

  virtual ~WriteChannel() = default;
  [[nodiscard]] virtual int socket() const = 0;
  [[nodiscard]] virtual ChannelState state() const = 0;
  /// Output that the socket has not taken yet: wait for it to become writable.
  [[nodiscard]] virtual bool must_flush() const = 0;
  /// Starts a statement; state becomes waiting.
  virtual Result<void> send(std::string_view sql) = 0;
  /// While copying and not must_flush(): at most kPieceBytes.
  virtual Result<void> put(ByteView piece) = 0;
  /// Ends the COPY; state becomes waiting, then ready with rows_copied().
  virtual Result<void> end_copy() = 0;
  /// Flushes, and reads what the socket holds if it is `readable`.
  virtual Result<void> step(bool readable) = 0;
  /// To be called a few times a second, never waits: an error if the server has been silent for too
  /// long while it was waited for, and does not work any more (see StallWatch).
  virtual Result<void> check_stalled() = 0;
  /// Asks the server to cancel the statement that runs, if one does. The destructor then waits for
  /// its end: behind a closed connection a COMMIT would go on waiting for a standby.
  virtual void cancel() {}
  /// Rows of the last COPY by the server's count.
  [[nodiscard]] virtual std::uint64_t rows_copied() const = 0;
  /// Tag of the last statement: "COMMIT".
  [[nodiscard]] virtual std::string command_tag() const = 0;
};

[[nodiscard]] std::unique_ptr<WriteChannel> make_write_channel(Connection connection);

}  // namespace pgfanout
