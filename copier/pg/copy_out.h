// COPY (...) TO STDOUT as a sequence of messages. The server sends one CopyData message a row; the
// end is libpq's -1 *and* the server's OK: -1 alone also means that the connection died.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "copier/base/buffer.h"
#include "copier/pg/connection.h"
#include "pgfanout/bytes.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A running COPY TO STDOUT, as its readers see it; tests put a fake in its place.
class CopyOutStream {
 public:
  virtual ~CopyOutStream() = default;
  /// Waits for the next message, which is valid until the next call; absent at the stream's end. An
  /// error of code "cancelled" when the cancellation was set meanwhile.
  virtual Result<std::optional<ByteView>> next() = 0;
  /// The message that next() has returned last, for a caller who keeps it. Its view ends here.
  virtual Buffer take(ByteView message) {
    Buffer copy(message.size());
    copy.append(message);
    return copy;
  }
  /// Before it receives more, which may be all of a message, however long, next() asks this, and
  /// returns an empty message if it says no. While nothing comes, `let_go` is called.
  virtual void ask_before_receiving(std::function<bool()> /*may_receive*/,
                                    std::function<void()> /*let_go*/) {}
  /// Where the time is added up that is spent waiting for the server; it outlives the stream.
  virtual void count_waiting(std::atomic<std::uint64_t>& /*nanoseconds*/) {}
  /// How long this stream has waited for the server so far.
  [[nodiscard]] virtual std::chrono::nanoseconds waited() const { return {}; }
};

/// COPY on a real connection, which must outlive it and do nothing else meanwhile.
class CopyOut final : public CopyOutStream {
 public:
  /// Starts `sql` (a whole COPY ... TO STDOUT statement) and waits for the server to begin.
  static Result<std::unique_ptr<CopyOut>> start(Connection& connection, std::string_view sql,
                                                const Cancellation& cancellation);

  Result<std::optional<ByteView>> next() override;
  Buffer take(ByteView message) override;
  void ask_before_receiving(std::function<bool()> may_receive,
                            std::function<void()> let_go) override {
    may_receive_ = std::move(may_receive);
    let_go_ = std::move(let_go);
  }
  void count_waiting(std::atomic<std::uint64_t>& nanoseconds) override {
    waited_.total = &nanoseconds;
  }
  [[nodiscard]] std::chrono::nanoseconds waited() const override { return waited_.own; }

 private:
  CopyOut(Connection& connection, const Cancellation& cancellation);
  Result<void> finish();
  Result<void> wait_for_rows();

  Connection& connection_;
  const Cancellation& cancellation_;
  std::unique_ptr<char, void (*)(void*)> message_;  ///< libpq's.
  std::size_t bytes_since_nap_ = 0;
  bool has_part_ = false;  ///< More was received since the last message.
  std::function<bool()> may_receive_ = [] { return true; };
  std::function<void()> let_go_ = [] {};
  WaitTime waited_;
  std::chrono::microseconds nap_{0};  ///< Of the next sleep before the socket is polled.
};

}  // namespace pgfanout
