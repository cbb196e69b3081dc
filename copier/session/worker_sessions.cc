#include "copier/session/worker_sessions.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "copier/base/pause.h"

namespace pgfanout {
namespace {

constexpr std::chrono::milliseconds kLookEvery{10};
constexpr int kLooksPerMeanwhile = 50;
constexpr std::chrono::milliseconds kCancelEvery{50};

/// The connections that work now, so that what they run can be cancelled, and the first failure.
class Crew {
 public:
  void add(Connection* connection) {
    const std::lock_guard lock(mutex_);
    connections_.push_back(connection);
  }
  void remove(Connection* connection) {
    const std::lock_guard lock(mutex_);
    connections_.erase(std::find(connections_.begin(), connections_.end(), connection));
  }
  void cancel_all() {
    const std::lock_guard lock(mutex_);
    for (const Connection* connection : connections_) connection->cancel();
  }
  void fail(Error error) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(error);
    is_failed_ = true;
  }
  [[nodiscard]] const std::atomic<bool>& is_failed() const { return is_failed_; }
  /// Once all threads have ended.
  [[nodiscard]] std::optional<Error> take_failure() { return std::move(failure_); }

 private:
  std::mutex mutex_;
  std::vector<Connection*> connections_;  // guarded by mutex_
  std::optional<Error> failure_;          // guarded by mutex_
  std::atomic<bool> is_failed_{false};
};

}  // namespace

void obey_pace(const WorkerSettings& settings, std::chrono::nanoseconds worked,
               const std::function<bool()>& is_over) {
  // The rest behind a long build would be longer than what it is for.
  constexpr std::chrono::nanoseconds kMostWorked = std::chrono::seconds(10);
  if (settings.pace == nullptr) return;
  const auto waited = settings.pace->hold_until(std::min(worked, kMostWorked), is_over);
  if (settings.pace_wait_ns == nullptr) return;
  settings.pace_wait_ns->fetch_add(static_cast<std::uint64_t>(waited.count()));
}

bool WorkerTurn::may_go_on() {
  obey_pace(settings, std::chrono::steady_clock::now() - step_began,
            [this] { return is_failed.load(); });
  step_began = std::chrono::steady_clock::now();
  return !is_failed;
}

bool WorkerTurn::wait_until(const std::function<bool()>& is_there) const {
  while (!is_there()) {
    if (is_failed) return false;
    pause_for(kLookEvery);
  }
  return !is_failed;
}

Result<void> run_on_workers(const WorkerSettings& settings, const Cancellation& cancellation,
                            const std::function<Result<void>(Connection&, WorkerTurn&)>& work,
                            const std::function<void()>& meanwhile) {
  Crew crew;
  std::atomic<std::size_t> running{settings.workers};
  const auto run = [&](std::size_t worker) -> Result<void> {
    PGFANOUT_TRY_ASSIGN(Connection connection, settings.connect());
    if (!settings.set_up.empty()) PGFANOUT_TRY(connection.run(settings.set_up));
    crew.add(&connection);
    WorkerTurn turn{worker, crew.is_failed(), settings};
    auto done = work(connection, turn);
    crew.remove(&connection);
    return done;
  };
  std::vector<std::thread> threads;
  for (std::size_t worker = 0; worker < settings.workers; ++worker) {
    threads.emplace_back([&, worker] {
      if (auto done = run(worker); !done) crew.fail(std::move(done).error());
      --running;
    });
  }
  for (int look = 1; running > 0; ++look) {
    pause_for(kLookEvery);
    if (crew.is_failed() || cancellation.is_set()) {
      // A stop shall also reach who waits for another worker.
      crew.fail(interrupted("cancelled", "stopped on request"));
      crew.cancel_all();
      pause_for(kCancelEvery);
    }
    if (meanwhile && look % kLooksPerMeanwhile == 0) meanwhile();
  }
  for (std::thread& thread : threads) thread.join();
  if (cancellation.is_set()) return interrupted("cancelled", "stopped on request");
  if (auto failure = crew.take_failure()) return *std::move(failure);
  return {};
}

}  // namespace pgfanout
