// Grants, waits and returns of the memory budget. Without contention an acquire and a release are
// one uncontended lock each; the queue, the clock and the wake-up are touched only if someone
// waits.
#include "copier/base/memory_budget.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

namespace pgfanout {

Lease::Lease(Lease&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

Lease::~Lease() {
  release();
}

void Lease::absorb(Lease&& other) {
  if (this == &other || other.budget_ == nullptr) return;
  assert(budget_ == nullptr || budget_ == other.budget_);
  budget_ = std::exchange(other.budget_, nullptr);
  bytes_ += std::exchange(other.bytes_, 0);
}

void Lease::release() {
  if (budget_ != nullptr && bytes_ > 0) budget_->give_back(bytes_);
  budget_ = nullptr;
  bytes_ = 0;
}

MemoryBudget::MemoryBudget(std::uint64_t total_bytes, MemoryCounters counters, const Pace* pace)
    : total_bytes_(total_bytes), counters_(counters), pace_(pace) {}

Lease MemoryBudget::acquire(std::uint64_t bytes, const std::function<void()>& starved) {
  Lock lock(mutex_);
  if (cancelled_) return {};
  if (queue_.empty() && fits(bytes)) return grant(bytes);
  return acquire_in_turn(lock, bytes, starved);
}

Lease MemoryBudget::acquire_in_turn(Lock& lock, std::uint64_t bytes,
                                    const std::function<void()>& starved) {
  const std::uint64_t ticket = next_ticket_++;
  queue_.push_back(ticket);
  const auto is_over = [&] { return cancelled_ || (queue_.front() == ticket && fits(bytes)); };
  while (!is_over()) {
    lock.unlock();
    try {
      if (starved) starved();
    } catch (...) {
      lock.lock();
      leave_queue(ticket);
      throw;
    }
    lock.lock();
    if (!is_over()) wait(lock);
  }
  leave_queue(ticket);
  return cancelled_ ? Lease{} : grant(bytes);
}

void MemoryBudget::wait(Lock& lock) {
  constexpr std::chrono::milliseconds kLongestWait{100};
  const auto start = std::chrono::steady_clock::now();
  changed_.wait_for(lock, kLongestWait);
  const auto waited = std::chrono::steady_clock::now() - start;
  if (counters_.waited_nanoseconds != nullptr) {
    *counters_.waited_nanoseconds +=
        static_cast<std::uint64_t>(std::chrono::nanoseconds(waited).count());
  }
}

void MemoryBudget::leave_queue(std::uint64_t ticket) {
  queue_.erase(std::ranges::find(queue_, ticket));
  // The next in line may fit beside what was just granted, or may have been held up by this one.
  if (!queue_.empty()) changed_.notify_all();
}

bool MemoryBudget::fits(std::uint64_t bytes) const {
  const double share = pace_ == nullptr ? 1 : pace_->memory_share();
  const auto allowed = static_cast<std::uint64_t>(static_cast<double>(total_bytes_) * share);
  return used_bytes_ == 0 || (bytes <= allowed && used_bytes_ <= allowed - bytes);
}

Lease MemoryBudget::grant(std::uint64_t bytes) {
  used_bytes_ += bytes;
  tell_used();
  return {this, bytes};
}

Lease MemoryBudget::charge(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  return grant(bytes);
}

void MemoryBudget::give_back(std::uint64_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  assert(bytes <= used_bytes_);
  used_bytes_ -= bytes;
  tell_used();
  if (!queue_.empty()) changed_.notify_all();
}

/// Called with the mutex held.
void MemoryBudget::tell_used() const noexcept {
  if (counters_.used_bytes == nullptr) return;
  counters_.used_bytes->store(used_bytes_, std::memory_order_relaxed);
}

std::uint64_t MemoryBudget::large_row_bytes() const {
  constexpr std::uint64_t kLeast = 8ULL << 20U;
  return std::max(kLeast, total_bytes_ / 8);
}

bool MemoryBudget::try_turn() {
  const std::lock_guard lock(mutex_);
  return !std::exchange(is_turn_taken_, true);
}

bool MemoryBudget::wait_for_turn(const std::function<bool()>& is_over) {
  constexpr std::chrono::milliseconds kStep{100};
  Lock lock(mutex_);
  while (is_turn_taken_) {
    turn_ended_.wait_for(lock, kStep);
    if (is_over()) return false;
  }
  is_turn_taken_ = true;
  return true;
}

void MemoryBudget::end_turn() {
  {
    const std::lock_guard lock(mutex_);
    is_turn_taken_ = false;
  }
  turn_ended_.notify_one();
}

void MemoryBudget::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  changed_.notify_all();
}

std::uint64_t MemoryBudget::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_bytes_;
}

}  // namespace pgfanout
