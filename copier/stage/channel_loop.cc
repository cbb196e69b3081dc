#include "copier/stage/channel_loop.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kStallCheckInterval{200};
constexpr std::uint64_t kWakeupTag = UINT64_MAX;

Error system_error(std::string_view doing) {
  return interrupted("internal", fmt::format("could not {}: {}", doing, std::strerror(errno)),
                     "check the limit of open files (ulimit -n), then run the same command again");
}

}  // namespace

ChannelLoop::ChannelLoop()
    : next_stall_check_(Clock::now() + kStallCheckInterval), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

ChannelLoop::~ChannelLoop() {
  close(epoll_);
}

Result<void> ChannelLoop::control(int operation, int descriptor, std::uint32_t events,
                                  std::uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (epoll_ctl(epoll_, operation, descriptor, &event) == 0) return {};
  return system_error("watch a connection");
}

Result<void> ChannelLoop::add(const Wakeup& wakeup) {
  wakeup_ = &wakeup;
  return control(EPOLL_CTL_ADD, wakeup.descriptor(), EPOLLIN, kWakeupTag);
}

Result<void> ChannelLoop::add(ChannelTask& task) {
  PGFANOUT_TRY(control(EPOLL_CTL_ADD, task.channel().socket(), EPOLLIN, watched_.size()));
  watched_.push_back({&task});
  return {};
}

Result<void> ChannelLoop::wait_and_advance() {
  constexpr int kStepMilliseconds = 100;
  std::array<epoll_event, 64> events{};
  const int count =
      epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kStepMilliseconds);
  if (count < 0 && errno != EINTR) return system_error("wait for the servers");
  for (int at = 0; at < count; ++at) {
    const epoll_event& event = events[static_cast<std::size_t>(at)];
    if (event.data.u64 == kWakeupTag) {
      wakeup_->clear();
    } else {
      PGFANOUT_TRY(handle(event.data.u64, event.events));
    }
  }
  return check_stalled();
}

Result<void> ChannelLoop::handle(std::size_t at, std::uint32_t events) {
  ChannelTask& task = *watched_[at].task;
  if (task.is_done()) return control(EPOLL_CTL_DEL, task.channel().socket(), 0, at);
  const bool readable = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
  if (auto stepped = task.channel().step(readable); !stepped) {
    PGFANOUT_TRY(task.take_error(std::move(stepped).error()));
  }
  return advance(at);
}

Result<void> ChannelLoop::advance(std::size_t at) {
  ChannelTask& task = *watched_[at].task;
  WriteChannel& channel = task.channel();
  bool moved = true;
  while (moved && !channel.must_flush() && channel.state() != ChannelState::waiting) {
    auto stepped =
        channel.state() == ChannelState::ready ? task.next_statement() : task.put_piece();
    moved = !stepped || *stepped;
    if (!stepped) PGFANOUT_TRY(task.take_error(std::move(stepped).error()));
  }
  return watch_output(at);
}

Result<void> ChannelLoop::advance_all() {
  for (std::size_t at = 0; at < watched_.size(); ++at) {
    if (!watched_[at].task->is_done()) PGFANOUT_TRY(advance(at));
  }
  return {};
}

bool ChannelLoop::is_done() const {
  return std::ranges::all_of(watched_,
                             [](const Watched& watched) { return watched.task->is_done(); });
}

Result<void> ChannelLoop::check_stalled() {
  if (Clock::now() < next_stall_check_) return {};
  for (const Watched& watched : watched_) {
    if (watched.task->is_done()) continue;
    auto alive = watched.task->channel().check_stalled();
    if (!alive) PGFANOUT_TRY(watched.task->take_error(std::move(alive).error()));
  }
  next_stall_check_ = Clock::now() + kStallCheckInterval;
  return {};
}

/// Waits for a socket that takes output only while output is stuck.
Result<void> ChannelLoop::watch_output(std::size_t at) {
  Watched& watched = watched_[at];
  const WriteChannel& channel = watched.task->channel();
  const bool must_flush = channel.must_flush();
  if (must_flush == std::exchange(watched.for_output, must_flush)) return {};
  const std::uint32_t events = must_flush ? EPOLLIN | EPOLLOUT : EPOLLIN;
  return control(EPOLL_CTL_MOD, channel.socket(), events, at);
}

}  // namespace pgfanout
