// Drives many write channels by events, on one thread. Each channel has a task, which takes its
// next step whenever the channel can, so that no channel waits for another.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "copier/base/wakeup.h"
#include "copier/pg/write_channel.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The work of one channel.
class ChannelTask {
 public:
  /// The channel outlives the task.
  explicit ChannelTask(WriteChannel& channel) : channel_(channel) {}
  virtual ~ChannelTask() = default;
  ChannelTask(const ChannelTask&) = delete;
  ChannelTask& operator=(const ChannelTask&) = delete;

  [[nodiscard]] WriteChannel& channel() const { return channel_; }
  /// The channel is ready: sends the next statement. False: there is none for now.
  virtual Result<bool> next_statement() = 0;
  /// The channel takes COPY data: puts one piece, or ends the COPY. False: there is none for now.
  virtual Result<bool> put_piece() = 0;
  /// A step of the task has failed, or its channel. Returns the error if it ends the job.
  virtual Result<void> take_error(Error error) = 0;
  /// Nothing is expected of the channel any more: its events are ignored.
  [[nodiscard]] virtual bool is_done() const = 0;

 private:
  WriteChannel& channel_;
};

class ChannelLoop {
 public:
  /// Throws std::system_error where the process has no descriptor left.
  ChannelLoop();
  ~ChannelLoop();
  ChannelLoop(const ChannelLoop&) = delete;
  ChannelLoop& operator=(const ChannelLoop&) = delete;

  /// The loop ends its wait when another thread signals. Both outlive the loop, and so do tasks.
  Result<void> add(const Wakeup& wakeup);
  Result<void> add(ChannelTask& task);

  /// Waits for events, for 100 ms at most, and advances the tasks of the channels that have any.
  /// Checks a few times a second that no server has stalled.
  Result<void> wait_and_advance();
  /// Lets a task, in the order of add(), take all steps that need no waiting.
  Result<void> advance(std::size_t at);
  /// All tasks that are not done.
  Result<void> advance_all();
  [[nodiscard]] bool is_done() const;

 private:
  struct Watched {
    ChannelTask* task = nullptr;
    bool for_output = false;
  };
  Result<void> handle(std::size_t at, std::uint32_t events);
  Result<void> check_stalled();
  Result<void> watch_output(std::size_t at);
  Result<void> control(int operation, int descriptor, std::uint32_t events, std::uint64_t tag);

  const Wakeup* wakeup_ = nullptr;
  std::vector<Watched> watched_;
  std::chrono::steady_clock::time_point next_stall_check_;
  int epoll_;
};

}  // namespace pgfanout
