// Wakes a thread that waits in epoll. Thread-safe; the owner closes it last. Throws
// std::system_error where the process has no descriptor left.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace pgfanout {

class Wakeup {
 public:
  Wakeup() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ~Wakeup() { close(descriptor_); }
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }
  /// A full counter already wakes, so a failed write loses nothing.
  void signal() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(descriptor_, &one, sizeof one);
  }
  void clear() const {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = read(descriptor_, &count, sizeof count);
  }

 private:
  int descriptor_;
};

}  // namespace pgfanout
