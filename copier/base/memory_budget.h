// The one number behind back-pressure: how many bytes of row data the process may hold.
//
// Readers acquire before they fill a buffer and wait when the budget is spent; later stages charge
// without waiting (a stage that waited could starve itself) and every lease gives its bytes back
// when it ends. Thread-safe.
//
// Waiters are served in the order in which they came, so that a large request is not overtaken for
// ever by small ones. Hence two rules for callers. A caller that waits must not hold bytes that
// only it can give back, unless `starved` gives them back. A caller that grows a buffer that it
// already holds charges without waiting: several such holders that waited would wait for each
// other.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "copier/base/pace.h"

namespace pgfanout {

class MemoryBudget;

/// Bytes held from a budget; given back on destruction. Move-only. The budget outlives it.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&& other) noexcept;
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// Takes over all bytes of another lease of the same budget.
  void absorb(Lease&& other);
  void release();

 private:
  friend class MemoryBudget;
  Lease(MemoryBudget* budget, std::uint64_t bytes) : budget_(budget), bytes_(bytes) {}
  MemoryBudget* budget_ = nullptr;
  std::uint64_t bytes_ = 0;
};

/// Figures of a budget for other threads; null members are not kept.
struct MemoryCounters {
  std::atomic<std::uint64_t>* used_bytes = nullptr;
  /// How long acquire() has waited in all, summed over threads; added to at each step of a wait.
  std::atomic<std::uint64_t>* waited_nanoseconds = nullptr;
};

class MemoryBudget {
 public:
  /// The objects that `counters` points to, and `pace`, must outlive the budget. `pace` may allow a
  /// share of it only, from one moment to the next.
  explicit MemoryBudget(std::uint64_t total_bytes, MemoryCounters counters = {},
                        const Pace* pace = nullptr);

  /// Waits until `bytes` fit. A request above the whole budget is granted once nothing else is
  /// held: such a row travels alone. Before each wait `starved` is called, so that the owner of
  /// partial buffers can send one; it may release, charge and cancel, but not acquire. A wait ends
  /// when bytes come back, and after 100 ms at the latest: whatever else has changed by then,
  /// `starved` can see it. After cancel() returns an empty lease at once.
  [[nodiscard]] Lease acquire(std::uint64_t bytes, const std::function<void()>& starved);
  /// Takes `bytes` without waiting, even beyond the total, and after cancel() too.
  [[nodiscard]] Lease charge(std::uint64_t bytes);
  /// Wakes all waiters for good.
  void cancel();

  /// How large a row is, is known only when it is there, in buffers that are not charged yet. So a
  /// reader that may meet a row above this size receives only while it has the turn.
  [[nodiscard]] std::uint64_t large_row_bytes() const;
  /// False: another reader has it.
  [[nodiscard]] bool try_turn();
  /// Waits for it. False: `is_over`, which is asked a few times a second, said so.
  [[nodiscard]] bool wait_for_turn(const std::function<bool()>& is_over);
  void end_turn();
  /// A reader has met such a row: all readers may.
  void note_large_row() { has_large_rows_ = true; }
  [[nodiscard]] bool has_large_rows() const { return has_large_rows_; }

  [[nodiscard]] std::uint64_t used_bytes() const;

 private:
  friend class Lease;
  using Lock = std::unique_lock<std::mutex>;

  // All of these are called with mutex_ held.
  [[nodiscard]] bool fits(std::uint64_t bytes) const;
  [[nodiscard]] Lease grant(std::uint64_t bytes);
  [[nodiscard]] Lease acquire_in_turn(Lock& lock, std::uint64_t bytes,
                                      const std::function<void()>& starved);
  void wait(Lock& lock);
  void leave_queue(std::uint64_t ticket);

  void give_back(std::uint64_t bytes) noexcept;
  void tell_used() const noexcept;

  const std::uint64_t total_bytes_;
  const MemoryCounters counters_;
  const Pace* const pace_;
  std::atomic<bool> has_large_rows_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t used_bytes_ = 0;      // guarded by mutex_
  std::uint64_t next_ticket_ = 0;     // guarded by mutex_
  std::vector<std::uint64_t> queue_;  // guarded by mutex_: tickets of waiters, oldest first
  bool cancelled_ = false;            // guarded by mutex_
  std::condition_variable turn_ended_;
  bool is_turn_taken_ = false;  // guarded by mutex_
};

}  // namespace pgfanout
