#include "copier/base/pause.h"

#include <thread>

namespace pgfanout {

void pause_for(std::chrono::nanoseconds time, const std::function<bool()>& is_over) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::nanoseconds kStep = std::chrono::milliseconds(10);
  const auto until = Clock::now() + time;
  while (!is_over()) {
    const std::chrono::nanoseconds left = until - Clock::now();
    if (left.count() <= 0) return;
    std::this_thread::sleep_for(std::min(left, kStep));
  }
}

}  // namespace pgfanout
