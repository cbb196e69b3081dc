// The budget by itself and between threads: what is granted, who waits, who is woken, and that no
// one is forgotten. Threads are brought to a known place by counting calls of `starved`, which
// acquire() makes right before it waits.
#include "copier/base/memory_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace pgfanout {
namespace {

using std::chrono::milliseconds;

const std::function<void()> kNothing = [] {};

/// One acquire() on a thread of its own.
class Waiter {
 public:
  Waiter(MemoryBudget& budget, std::uint64_t bytes)
      : lease_(std::async(std::launch::async, [this, &budget, bytes] {
          return budget.acquire(bytes, [this] { starved_.store(true); });
        })) {}

  /// Returns once the thread is in the queue and about to wait, or waits.
  void until_queued() const {
    while (!starved_.load()) std::this_thread::sleep_for(milliseconds(1));
  }
  [[nodiscard]] bool waits_still() const {
    return lease_.wait_for(milliseconds(20)) == std::future_status::timeout;
  }
  [[nodiscard]] Lease lease() { return lease_.get(); }

 private:
  std::atomic<bool> starved_{false};  // before lease_: the thread uses it at once
  std::future<Lease> lease_;
};

TEST(MemoryBudget, GrantsWhatFitsWithoutAskingForMore) {
  std::atomic<std::uint64_t> waited{0};
  MemoryBudget budget(100, {nullptr, &waited});
  int starved = 0;
  const Lease a = budget.acquire(60, [&] { ++starved; });
  const Lease b = budget.acquire(40, [&] { ++starved; });
  EXPECT_EQ(a.bytes(), 60U);
  EXPECT_EQ(b.bytes(), 40U);
  EXPECT_EQ(budget.used_bytes(), 100U);
  EXPECT_EQ(starved, 0);
  EXPECT_EQ(waited, 0U);
}

TEST(MemoryBudget, APaceMayAllowAShareOfIt) {
  Pace pace;
  MemoryBudget budget(100, {}, &pace);
  pace.set_memory_share(0.5);
  const Lease half = budget.acquire(50, kNothing);
  EXPECT_EQ(half.bytes(), 50U);
  std::atomic<bool> is_granted{false};
  std::thread other([&] {
    const Lease more = budget.acquire(1, kNothing);
    is_granted = true;
  });
  EXPECT_EQ(budget.used_bytes(), 50U);
  EXPECT_FALSE(is_granted);
  pace.set_memory_share(1);  // Seen within 100 ms.
  other.join();
  EXPECT_TRUE(is_granted);
  // A row that is larger than the share travels alone, as one that is larger than the whole.
  pace.set_memory_share(0.1);
  MemoryBudget empty(100, {}, &pace);
  EXPECT_EQ(empty.acquire(60, kNothing).bytes(), 60U);
}

TEST(MemoryBudget, KeepsCountersForWhoLooksOn) {
  std::atomic<std::uint64_t> used{0};
  std::atomic<std::uint64_t> waited{0};
  MemoryBudget budget(100, {&used, &waited});
  Lease all = budget.acquire(60, kNothing);
  all.absorb(budget.charge(50));
  EXPECT_EQ(used, 110U);
  std::thread other([&] { const Lease later = budget.acquire(10, kNothing); });
  // A wait is counted while it lasts.
  while (waited == 0) std::this_thread::yield();
  all.release();
  other.join();
  EXPECT_EQ(used, 0U);
}

TEST(MemoryBudget, ALeaseGivesItsBytesBackOnce) {
  MemoryBudget budget(100);
  {
    Lease a = budget.acquire(70, kNothing);
    a.release();
    a.release();
    EXPECT_EQ(a.bytes(), 0U);
    EXPECT_EQ(budget.used_bytes(), 0U);
    const Lease b = budget.acquire(30, kNothing);
    EXPECT_EQ(budget.used_bytes(), 30U);
  }
  EXPECT_EQ(budget.used_bytes(), 0U);
}

TEST(MemoryBudget, LeasesMove) {
  MemoryBudget budget(100);
  Lease a = budget.acquire(10, kNothing);
  Lease b = std::move(a);
  EXPECT_EQ(a.bytes(), 0U);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(b.bytes(), 10U);
  Lease c = budget.acquire(20, kNothing);
  c = std::move(b);
  EXPECT_EQ(c.bytes(), 10U);
  EXPECT_EQ(budget.used_bytes(), 10U);
  Lease& same = c;
  c = std::move(same);
  EXPECT_EQ(budget.used_bytes(), 10U);
}

TEST(MemoryBudget, AbsorbTakesOver) {
  MemoryBudget budget(100);
  Lease all;
  all.absorb(budget.acquire(10, kNothing));
  all.absorb(budget.charge(20));
  all.absorb(Lease{});
  EXPECT_EQ(all.bytes(), 30U);
  EXPECT_EQ(budget.used_bytes(), 30U);
  all.release();
  EXPECT_EQ(budget.used_bytes(), 0U);
}

TEST(MemoryBudget, ChargeNeverWaits) {
  MemoryBudget budget(100);
  const Lease a = budget.acquire(100, kNothing);
  const Lease b = budget.charge(1000);
  EXPECT_EQ(b.bytes(), 1000U);
  EXPECT_EQ(budget.used_bytes(), 1100U);
}

TEST(MemoryBudget, AnOversizedRequestIsGrantedWhenNothingIsHeld) {
  MemoryBudget budget(100);
  const Lease huge = budget.acquire(1000, kNothing);
  EXPECT_EQ(huge.bytes(), 1000U);
}

TEST(MemoryBudget, ARequestNearTheLargestNumberDoesNotWrapRound) {
  MemoryBudget budget(100);
  Lease small = budget.acquire(1, kNothing);
  Waiter huge(budget, ~std::uint64_t{0});
  huge.until_queued();
  EXPECT_TRUE(huge.waits_still());
  small.release();
  EXPECT_EQ(huge.lease().bytes(), ~std::uint64_t{0});
}

TEST(MemoryBudget, StarvedMaySendWhatIsHeldAndNeedsNoOtherThread) {
  MemoryBudget budget(100);
  Lease partial = budget.acquire(80, kNothing);
  int starved = 0;
  const Lease next = budget.acquire(50, [&] {
    ++starved;
    EXPECT_EQ(budget.used_bytes(), 80U);  // would hang if the mutex were held
    partial.release();
  });
  EXPECT_EQ(starved, 1);
  EXPECT_EQ(next.bytes(), 50U);
}

TEST(MemoryBudget, StarvedIsCalledAgainThoughNothingCameBack) {
  MemoryBudget budget(100);
  Lease partial = budget.acquire(80, kNothing);
  int starved = 0;
  const Lease next = budget.acquire(50, [&] {
    if (++starved == 3) partial.release();
  });
  EXPECT_EQ(starved, 3);
  EXPECT_EQ(next.bytes(), 50U);
}

TEST(MemoryBudget, AnOversizedRequestWaitsUntilItIsAlone) {
  MemoryBudget budget(100);
  Lease a = budget.acquire(10, kNothing);
  Lease b = budget.acquire(10, kNothing);
  Waiter huge(budget, 500);
  huge.until_queued();
  a.release();
  EXPECT_TRUE(huge.waits_still());
  b.release();
  EXPECT_EQ(huge.lease().bytes(), 500U);
}

TEST(MemoryBudget, SmallRequestsDoNotOvertakeALargeOne) {
  MemoryBudget budget(100);
  Lease held = budget.acquire(50, kNothing);
  Waiter large(budget, 80);
  large.until_queued();
  Waiter small(budget, 10);  // would fit, but came later
  small.until_queued();
  EXPECT_TRUE(small.waits_still());
  EXPECT_EQ(budget.used_bytes(), 50U);
  held.release();
  const Lease large_lease = large.lease();
  EXPECT_EQ(large_lease.bytes(), 80U);
  EXPECT_EQ(small.lease().bytes(), 10U);  // fits beside it, without another release
}

TEST(MemoryBudget, CancelWakesEveryone) {
  std::atomic<std::uint64_t> waited{0};
  MemoryBudget budget(100, {nullptr, &waited});
  const Lease held = budget.acquire(100, kNothing);
  Waiter a(budget, 10);
  Waiter b(budget, 1000);
  a.until_queued();
  b.until_queued();
  EXPECT_TRUE(a.waits_still());
  budget.cancel();
  EXPECT_EQ(a.lease().bytes(), 0U);
  EXPECT_EQ(b.lease().bytes(), 0U);
  EXPECT_EQ(budget.used_bytes(), 100U);
  EXPECT_GT(waited, 0U);
}

TEST(MemoryBudget, AfterCancelNothingIsGrantedButChargesGoOn) {
  MemoryBudget budget(100);
  budget.cancel();
  EXPECT_EQ(budget.acquire(10, kNothing).bytes(), 0U);
  EXPECT_EQ(budget.charge(10).bytes(), 10U);
  EXPECT_EQ(budget.used_bytes(), 0U);
}

TEST(MemoryBudget, StarvedMayCancel) {
  MemoryBudget budget(100);
  const Lease held = budget.acquire(100, kNothing);
  EXPECT_EQ(budget.acquire(10, [&] { budget.cancel(); }).bytes(), 0U);
}

TEST(MemoryBudget, AStarvedThatThrowsLeavesTheQueue) {
  MemoryBudget budget(100);
  Lease held = budget.acquire(90, kNothing);
  EXPECT_THROW((void)budget.acquire(20, [] { throw std::runtime_error("no"); }),
               std::runtime_error);
  const Lease fits = budget.acquire(10, kNothing);  // would wait behind a forgotten ticket
  EXPECT_EQ(fits.bytes(), 10U);
}

/// Many threads, small and large requests, charges on the side: nobody hangs, the books balance,
/// and what was acquired alone never exceeds the total unless one request does.
TEST(MemoryBudget, ManyThreadsAllFinish) {
  constexpr std::uint64_t kTotal = 1000;
  MemoryBudget budget(kTotal);
  std::atomic<std::uint64_t> acquired{0};
  std::atomic<bool> too_much{false};
  std::atomic<bool> above_total{false};
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 6; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937 random(seed);
      for (int i = 0; i < 2000; ++i) {
        const std::uint64_t bytes = random() % 50 == 0 ? 1500 : 1 + random() % 400;
        Lease lease = budget.acquire(bytes, kNothing);
        const std::uint64_t now = acquired.fetch_add(bytes) + bytes;
        if (now > kTotal && now != bytes) too_much.store(true);
        if (now > kTotal) above_total.store(true);
        if (random() % 4 == 0) lease.absorb(budget.charge(random() % 100));
        if (random() % 16 == 0) std::this_thread::yield();
        acquired.fetch_sub(bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(too_much.load());
  EXPECT_EQ(budget.used_bytes(), 0U);
  EXPECT_TRUE(above_total.load());
}

/// A large request among threads that ask for small ones without pause gets its turn.
TEST(MemoryBudget, ALargeRequestIsNotStarvedForEver) {
  MemoryBudget budget(100);
  std::atomic<bool> stop{false};
  std::vector<std::thread> small;
  for (int t = 0; t < 3; ++t) {
    small.emplace_back([&] {
      Lease held = budget.acquire(30, kNothing);
      while (!stop.load()) {
        held.release();
        held = budget.acquire(30, kNothing);
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    const Lease large = budget.acquire(i % 2 == 0 ? 100 : 300, kNothing);
    EXPECT_EQ(budget.used_bytes(), large.bytes());
  }
  stop.store(true);
  for (std::thread& thread : small) thread.join();
}

TEST(MemoryBudget, CancelAmongManyThreads) {
  for (int round = 0; round < 50; ++round) {
    MemoryBudget budget(100);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        while (budget.acquire(60, kNothing).bytes() > 0) {
        }
      });
    }
    std::this_thread::sleep_for(milliseconds(1));
    budget.cancel();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(budget.used_bytes(), 0U);
  }
}

}  // namespace
}  // namespace pgfanout
